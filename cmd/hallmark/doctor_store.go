package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// storeTime is how long a store may be held by somebody else: the server and
// operator's commands hold it for a moment.
const storeTime = 5 * time.Second

var errHeld = fmt.Errorf("no answer in %s", storeTime)

const otherHolds = "see which other process holds the store (a backup, a database tool) and end it"

// openStore inspects the file first: opening it would migrate it.
func (x *examination) openStore(ctx context.Context) observation {
	path, err := x.storePath()
	if x.absent || err != nil {
		return lacks(noData)
	}
	if _, err := os.Stat(path); err != nil {
		return bad("name the right one with --data or --store; the first start of the server makes a new one", "%v", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, storeTime, errHeld)
	defer cancel()
	is, err := sqlite.Inspect(ctx, path)
	switch {
	case errors.Is(err, errHeld), errors.Is(err, storage.ErrUnavailable):
		return bad(otherHolds, "%v", err)
	case err != nil:
		return bad("the error says what; nothing was changed", "%v", err)
	case is.Schema < is.Known:
		return warn("back up the store; the next start of the server, or any operator's command, brings it up to date", "schema %d, this program's is %d: nothing more was looked at", is.Schema, is.Known)
	case is.Journal != "wal":
		return bad("put the store on a local disk; start the server, which sets the mode", "the journal mode is %q, not \"wal\"", is.Journal)
	}
	store, err := sqlite.Open(ctx, path, slog.New(slog.DiscardHandler))
	if err != nil {
		return bad(otherHolds, "%v", locked(ctx, err))
	}
	x.store = store
	return good("%s, schema %d, journal mode %s", path, is.Schema, is.Journal)
}

func (x *examination) writeStore(ctx context.Context) observation {
	if x.store == nil {
		return lacks("the store")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, storeTime, errHeld)
	defer cancel()
	began := time.Now()
	if err := x.store.Check(ctx); err != nil {
		return bad(otherHolds+"; see that its disk is not full and its user may write", "%v", locked(ctx, err))
	}
	return good("a write was committed and read back in %s", time.Since(began).Round(100*time.Microsecond))
}

// locked says what a wait that ended was for.
func locked(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("another process holds the write lock: %w", context.Cause(ctx))
	}
	return err
}

// kek finds the key-encryption keys, as the server would.
func (x *examination) kek(ctx context.Context) observation {
	if x.store == nil {
		return lacks("the store")
	}
	sealed, version, err := x.store.LoadRing(ctx)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return lacks("signing keys in the store: the first start of the server makes them")
	case err != nil:
		return bad(otherHolds, "%v", err)
	}
	x.sealed = version
	keks, err := x.process.keyEncryptionKeys(ctx, x.Place, sealed)
	if err != nil {
		return bad("put the key back where the server has it, with mode 0600; from a backup if it is lost", "%v", err)
	}
	if x.sealer, err = newSealer(keks); err != nil {
		return bad("make one with: head -c 32 /dev/urandom | base64", "%v", err)
	}
	f := good("%d, the first one named %s", len(keks), keys.KEKID(keks[0].key))
	if path, err := x.storePath(); err == nil && x.besideStore(path) && strings.HasPrefix(x.Issuer, "https:") {
		f.Do = "the key lies beside the store that it seals: in production keep it elsewhere (--kek-file, --kek-command), and back it up apart"
	}
	return f
}

// besideStore reports a key file in the store's directory.
func (x *examination) besideStore(store string) bool {
	files := x.KEKFile
	if len(files) == 0 && x.KEKCommand == "" && x.process.getenv(kekVariable) == "" {
		files = []string{x.kekPath()}
	}
	for _, f := range files {
		if filepath.Clean(filepath.Dir(f)) == filepath.Clean(filepath.Dir(store)) {
			return true
		}
	}
	return false
}

// openRing looks at the keys and their timetable.
func (x *examination) openRing(ctx context.Context) observation {
	switch {
	case x.sealed == 0:
		return lacks("a store with signing keys")
	case x.sealer == nil:
		return lacks("the key-encryption key")
	}
	ring, at, err := keys.NewRotator(keys.RotatorConfig{
		Store: x.store, Sealer: x.sealer, Seen: x.seen(), ServiceTime: x.store.ServiceTime, Now: x.now, Schedule: keys.DefaultSchedule(),
	}).View(ctx)
	if err != nil {
		return bad("nothing was changed; see the check kek-seen and `hallmark keys --help`", "%s", explain(err))
	}
	x.ring, x.at = &ring, at
	var seen []string
	for _, alg := range ring.Schedule().Algorithms {
		line, problem := x.line(alg)
		if problem != "" {
			return bad("start the server: it makes the keys that are missing; `hallmark keys list` shows them", "%s: %s", alg, problem)
		}
		seen = append(seen, line)
	}
	return good("version %d; %s", ring.Version(), strings.Join(seen, "; "))
}

// line tells who signs in a line and who follows when.
func (x *examination) line(alg keys.Algorithm) (seen, problem string) {
	var signs, waits *keys.Key
	for _, k := range x.ring.Keys() {
		switch state := x.ring.State(k, x.at); {
		case k.Algorithm != alg:
		case state == keys.Signing:
			signs = &k
		case state == keys.Waiting && waits == nil:
			waits = &k
		}
	}
	switch {
	case waits == nil && signs == nil:
		return "", "no key"
	case waits == nil:
		return "", "no key waits to follow the one that signs: an emergency would make verifiers meet a key that they do not know"
	case signs == nil: // added to the schedule lately
		return fmt.Sprintf("%s: signs from %s", alg, stamp(x.takesOver(*waits))), ""
	}
	return fmt.Sprintf("%s: %s signs, the next one from %s", alg, signs.ID, stamp(x.takesOver(*waits))), ""
}

// takesOver is when a waiting key may sign, by the clock and by the time that
// it was served.
func (x *examination) takesOver(k keys.Key) time.Time {
	if earliest := x.at.Wall.Add(k.ReadyAt.Sub(x.at.Service)); k.ReadyAt != 0 && earliest.After(k.SignsFrom) {
		return earliest
	}
	return k.SignsFrom
}

// clockStore compares this clock with what the store remembers of clocks.
func (x *examination) clockStore(context.Context) observation {
	if x.ring == nil {
		return lacks("the key ring")
	}
	s := x.ring.Schedule()
	var out time.Duration // of service since a key was published, at most
	for _, k := range x.ring.Keys() {
		wall := x.at.Wall.Sub(k.PublishedAt)
		if wall < -s.Skew {
			return bad("set the clock, and keep it by NTP", "this clock is behind: a key was made %s in its future", -wall.Round(time.Second))
		}
		if x.ring.State(k, x.at) != keys.Waiting || k.ReadyAt == 0 {
			continue
		}
		served := s.PublishAhead - k.ReadyAt.Sub(x.at.Service)
		if served > wall+s.Skew {
			return bad("set the clock, and keep it by NTP", "this clock was set back: a key was served for %s since it was made, %s ago by the clock", served.Round(time.Second), wall.Round(time.Second))
		}
		out = max(out, min(wall, s.PublishAhead)-served)
	}
	if out > s.Skew {
		return good("in step with the store; out of service for %s since the waiting key was made, which puts a rotation off", out.Round(time.Second))
	}
	return good("in step with the store, and with the time in service")
}

func number(v storage.Version) string { return strconv.FormatInt(int64(v), 10) }

// ready asks the operators' listener.
func (x *examination) ready(ctx context.Context) observation {
	base, err := x.url()
	if err != nil {
		return bad("give its URL with --ops", "%v", err)
	}
	is, err := askReady(ctx, base, x.prober())
	switch {
	case err != nil && x.absent && x.Ops.Ops == "":
		return lacks("the operators' listener: --ops")
	case err != nil:
		return bad("start the server; if it runs, name its operators' listener with --ops", "%v", err)
	case !is.Ready:
		return bad("the server's log says more", "not ready: %s", is.Reason)
	}
	return good("ready: the last look at the key ring was less than three polls ago, and the store takes writes")
}
