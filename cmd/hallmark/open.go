package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// An office is where an operator works: the store, and what acts need beside it.
type office struct {
	operator.Operator
	store *sqlite.Store
	keys  *keys.Rotator // nil where no key-encryption key was asked for
	pool  *password.Pool
	dev   device // nil where private halves are in the store
}

// Close lets go of the store, and of the device if there is one.
func (o *office) Close() error {
	err := o.store.Close()
	if o.dev != nil {
		err = errors.Join(err, o.dev.Close())
	}
	return err
}

// withOffice runs an act on the store, which must be there.
func (p *process) withOffice(ctx context.Context, op Operation, act func(*office) error) error {
	path, err := op.storePath()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fail(exitUnusable, "there is no store %s: name the right one with --data or --store; serve, user add, client add and operator token add make a new one", path)
	}
	return p.withNewOffice(ctx, op, act)
}

// withNewOffice is withOffice for acts that make a store if there is none, so
// that users and clients can be added before the first start. The directory
// must be there: a mistyped one is an error.
func (p *process) withNewOffice(ctx context.Context, op Operation, act func(*office) error) error {
	path, err := op.storePath()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) {
		return fail(exitUnusable, "there is no directory %s: name the right one with --data or --store, or make it for a new store", filepath.Dir(path))
	}
	o, err := p.openStore(ctx, path, 0, p.logger(op.Logging))
	if err != nil {
		return err
	}
	return errors.Join(act(o), o.Close())
}

var errNoKeys = fail(exitUnusable, "the store has no signing keys yet: start the server once, which makes them")

// withKeys is withOffice for acts on the signing keys, which must be there.
func (p *process) withKeys(ctx context.Context, op Operation, act func(*office) error) error {
	return p.withOffice(ctx, op, func(o *office) error {
		if err := o.needKeys(ctx, op.Place); err != nil {
			return err
		}
		if err := o.openKeys(ctx, p, op.Place, keys.RotatorConfig{Schedule: keys.DefaultSchedule()}); err != nil {
			return err
		}
		return act(o)
	})
}

// lateAfter is when a person at a terminal wonders what is going on.
const lateAfter = 2 * time.Second

// openStore opens the store, and makes it if there is none.
func (p *process) openStore(ctx context.Context, path string, workers int, log *slog.Logger) (*office, error) {
	late := time.AfterFunc(lateAfter, func() {
		log.Warn("still waiting for the store: another process holds it, or it is large and takes long to check or to migrate; it is waited for up to a minute", "path", path)
	})
	store, err := sqlite.Open(ctx, path, log)
	late.Stop()
	if err != nil {
		return nil, fail(exitUnusable, "%w", err)
	}
	pool := password.New(password.Config{Workers: workers}) // process.refuse has looked at it
	return &office{
		Operator: operator.Operator{Users: store, Clients: store, Sessions: store, Tokens: store, Replicas: store.Replicas, Passwords: pool, Log: log, By: "command line", Now: time.Now},
		store:    store, pool: pool,
	}, nil
}

// hasKeys reports whether there is a key ring in the store.
func (o *office) hasKeys(ctx context.Context) (bool, error) {
	_, _, err := o.store.LoadRing(ctx)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return false, fmt.Errorf("load the key ring: %w", err)
	}
	return err == nil, nil
}

// needKeys refuses a store without a key ring, where none was lost either.
func (o *office) needKeys(ctx context.Context, place Place) error {
	has, err := o.hasKeys(ctx)
	if err != nil || has {
		return err
	}
	mark, err := place.seen().Read()
	if err == nil && mark.Version == 0 {
		err = errNoKeys
	}
	return err // a ring that was lost is for the rotator to refuse or to recover
}

// openKeys finds the key-encryption keys for the ring in the store. It makes
// one where there is none to open: never over a ring.
func (o *office) openKeys(ctx context.Context, p *process, place Place, cfg keys.RotatorConfig) error {
	if err := place.refuse(p.settings); err != nil {
		return err
	}
	hasRing, err := o.hasKeys(ctx)
	if err != nil {
		return err
	}
	keks, err := p.keyEncryptionKeys(ctx, place, hasRing)
	if err != nil {
		return fail(exitUnusable, "%w", err)
	}
	if cfg.Sealer, err = keys.NewSealer(keks...); err != nil {
		return fail(exitUnusable, "%w", err)
	}
	cfg.Store, cfg.ServiceTime = o.store, o.store.ServiceTime
	cfg.Seen = place.seen()
	o.dev = place.attach(&cfg)
	o.keys = keys.NewRotator(cfg)
	o.Keys = o.keys
	return nil
}

// kekVariable holds key-encryption keys as text, separated by white space. It is
// the one thing that is no setting: a key is never an argument, and never
// written where everything else is. HALLMARK_KEK_FILE is --kek-file.
const kekVariable = "HALLMARK_KEK"

// keyEncryptionKeys reads them from everywhere they are said to be, in the
// documented order, or else from the default file.
func (p *process) keyEncryptionKeys(ctx context.Context, place Place, hasRing bool) ([][]byte, error) {
	var keks [][]byte
	for _, text := range strings.Fields(p.getenv(kekVariable)) {
		kek, err := keys.ParseKEK(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kekVariable, err)
		}
		keks = append(keks, kek)
	}
	for _, path := range place.KEKFile {
		kek, err := keys.ReadKEKFile(path)
		if err != nil {
			return nil, fmt.Errorf("--kek-file: %w", err)
		}
		keks = append(keks, kek)
	}
	if place.KEKCommand != "" {
		kek, err := keys.RunKEKCommand(ctx, place.KEKCommand)
		if err != nil {
			return nil, fmt.Errorf("--kek-command: %w", err)
		}
		keks = append(keks, kek)
	}
	if len(keks) > 0 {
		return keks, nil
	}
	kek, err := defaultKEK(place.kekPath(), hasRing)
	return [][]byte{kek}, err
}

func defaultKEK(path string, hasRing bool) ([]byte, error) {
	kek, err := keys.ReadKEKFile(path)
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		return kek, err
	case hasRing:
		return nil, fmt.Errorf("the signing keys in the store are sealed and %s, their key-encryption key, is missing: put it back, or say where it is with --kek-file, HALLMARK_KEK or --kek-command", path)
	}
	if kek, err = keys.CreateKEKFile(path); errors.Is(err, fs.ErrExist) { // another process was faster
		return keys.ReadKEKFile(path)
	}
	return kek, err
}
