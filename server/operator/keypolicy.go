package operator

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
)

// KeyPolicy returns the schedule that the keys follow.
func (o *Operator) KeyPolicy(ctx context.Context) (keys.Schedule, error) {
	ring, _, err := o.Keys.View(ctx)
	if err != nil {
		return keys.Schedule{}, fmt.Errorf("key policy: %w", err)
	}
	return ring.Schedule(), nil
}

// PolicyEdit is what ChangeKeyPolicy changes: what is empty stays as it is.
type PolicyEdit struct {
	Algorithms                           []keys.Algorithm
	RotateEvery, PublishAhead, KeepAfter time.Duration
	RSABits                              int

	Force  bool          // take an algorithm away that clients name
	Access time.Duration // the lifetime of access tokens that the server is set to; 0: not known
}

// A PolicyChange says what another schedule changes, and when.
type PolicyChange struct {
	Changed       bool
	Version       storage.Version // of the key ring; 0 after a dry run
	Before, After keys.Schedule
	Added         []Line // and when they begin to sign
	Removed       []Line // and when they end
	Moved         []Move
	// CutClients and CutServer are whose access tokens would live for longer
	// than the new schedule lets them: they end sooner than they were set to.
	CutClients []string
	CutServer  bool
}

// A Line is when something becomes of an algorithm's line of keys.
type Line struct {
	Algorithm keys.Algorithm
	At        time.Time
}

// A Move is a waiting key that signs at another time than before.
type Move struct {
	Kid               string
	Algorithm         keys.Algorithm
	Before, SignsFrom time.Time
}

// ChangeKeyPolicy gives the keys another schedule. It is announced like any
// rotation: no verifier meets a key that it cannot know, and no token loses its
// key. An unsafe schedule is Invalid, with the sums; so is one that takes an
// algorithm away which clients name, unless forced.
func (o *Operator) ChangeKeyPolicy(ctx context.Context, e PolicyEdit) (PolicyChange, error) {
	clients, err := o.ListClients(ctx)
	if err != nil {
		return PolicyChange{}, err
	}
	var before keys.Ring
	ctx, audit := storage.Intending(ctx)
	ring, err := o.Keys.Edit(ctx, func(ring keys.Ring, now keys.Instant, _ keys.Generate) (keys.Ring, error) {
		audit.Set() // a change may be asked for more than once
		before = ring
		next := e.apply(ring.Schedule())
		if problems := e.check(ring.Schedule(), next, clients); len(problems) > 0 {
			return ring, problems
		}
		if !next.Equal(ring.Schedule()) {
			audit.Set(storage.Record{Event: storage.EventKeysPolicy, Detail: storage.Detail{
				"algorithms": next.Algorithms, "rotate_every_seconds": int64(next.RotateEvery.Seconds()), "publish_ahead_seconds": int64(next.PublishAhead.Seconds()),
				"keep_after_seconds": int64(next.KeepAfter.Seconds()), "rsa_bits": rsaBits(next), "forced": e.Force,
			}})
		}
		return ring.Reschedule(next, now)
	})
	c := PolicyChange{Version: ring.Version(), Before: before.Schedule(), After: ring.Schedule()}
	c.Changed = !c.Before.Equal(c.After)
	if stored(ring) && c.Changed {
		s := c.After
		o.record(ctx, "keys.policy", slog.Any("algorithms", s.Algorithms), slog.Duration("rotate_every", s.RotateEvery),
			slog.Duration("publish_ahead", s.PublishAhead), slog.Duration("keep_after", s.KeepAfter), slog.Int("rsa_bits", rsaBits(s)),
			slog.Bool("forced", e.Force), slog.Int64("version", int64(ring.Version())))
	}
	if err != nil {
		return PolicyChange{}, fmt.Errorf("change the key policy: %w", err)
	}
	c.compare(before, ring)
	c.cut(clients, e.Access)
	return c, nil
}

func (e PolicyEdit) apply(s keys.Schedule) keys.Schedule {
	if len(e.Algorithms) > 0 {
		s.Algorithms = e.Algorithms
	}
	s.RotateEvery, s.PublishAhead, s.KeepAfter = cmp.Or(e.RotateEvery, s.RotateEvery), cmp.Or(e.PublishAhead, s.PublishAhead), cmp.Or(e.KeepAfter, s.KeepAfter)
	s.RSABits = cmp.Or(e.RSABits, s.RSABits)
	return s
}

// check reports everything that is wrong with a new schedule.
func (e PolicyEdit) check(old, next keys.Schedule, clients []storage.Client) (problems Invalid) {
	if err := next.Check(); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			problems = append(problems, Problem{policyField(line), line})
		}
		return problems
	}
	for _, alg := range old.Algorithms {
		if e.Force || slices.Contains(next.Algorithms, alg) {
			continue
		}
		var names []string
		for _, c := range clients {
			if c.Algorithm == string(alg) {
				names = append(names, c.ID)
			}
		}
		if len(names) > 0 {
			problems = append(problems, Problem{"algorithms", fmt.Sprintf(
				"%s is what %s are registered for (%s), and their APIs may accept nothing else: change the clients first, or force it, and they get tokens of %s",
				alg, counted(len(names), "client"), shortened(names), next.Algorithms[0])})
		}
	}
	return problems
}

// policyField finds the setting that a line of Schedule.Check begins with.
func policyField(line string) string {
	setting, _, _ := strings.Cut(line, " ")
	if strings.Contains(setting, "-") {
		return strings.ReplaceAll(setting, "-", "_")
	}
	return "algorithms"
}

// compare tells from the rings before and after what becomes of the lines.
func (c *PolicyChange) compare(before, after keys.Ring) {
	was := map[string]keys.Key{}
	for _, k := range before.Keys() {
		was[k.ID] = k
	}
	begins, ends := map[keys.Algorithm]time.Time{}, map[keys.Algorithm]time.Time{}
	for _, k := range after.Keys() {
		old, known := was[k.ID]
		if known && k.GoneAt.IsZero() && !k.SignsFrom.Equal(old.SignsFrom) {
			c.Moved = append(c.Moved, Move{k.ID, k.Algorithm, old.SignsFrom, k.SignsFrom})
		}
		if b, seen := begins[k.Algorithm]; k.GoneAt.IsZero() && (!seen || k.SignsFrom.Before(b)) {
			begins[k.Algorithm] = k.SignsFrom
		}
		if k.SignsUntil.After(ends[k.Algorithm]) {
			ends[k.Algorithm] = k.SignsUntil
		}
	}
	c.Added = lines(c.After.Algorithms, c.Before.Algorithms, begins)
	c.Removed = lines(c.Before.Algorithms, c.After.Algorithms, ends)
}

// lines are those of one schedule that are not in another.
func lines(of, without []keys.Algorithm, at map[keys.Algorithm]time.Time) (out []Line) {
	for _, alg := range of {
		if !slices.Contains(without, alg) {
			out = append(out, Line{alg, at[alg]})
		}
	}
	return out
}

// cut finds whose tokens the new schedule cuts.
func (c *PolicyChange) cut(clients []storage.Client, access time.Duration) {
	longest := c.After.LongestToken()
	for _, client := range clients {
		if client.AccessLifetime > longest {
			c.CutClients = append(c.CutClients, client.ID)
		}
	}
	c.CutServer = access > longest
}

// rsaBits is the size of RSA keys to come.
func rsaBits(s keys.Schedule) int { return cmp.Or(s.RSABits, 2048) }

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// shortened lists the first few of many.
func shortened(names []string) string {
	const few = 10
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:few], ", ") + fmt.Sprintf(" and %d more", len(names)-few)
}
