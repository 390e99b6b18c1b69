package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
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
	told := make(chan struct{})
	late := time.AfterFunc(lateAfter, func() {
		defer close(told)
		log.Warn("still waiting for the store: another process holds it, or it is large and takes long to check or to migrate; it is waited for up to a minute", "path", path)
	})
	store, err := sqlite.Open(ctx, path, log)
	if !late.Stop() {
		<-told // the log is not to be written to after this command
	}
	if err != nil {
		return nil, fail(exitUnusable, "%w", err)
	}
	return officeOn(store, workers, log), nil
}

func officeOn(store *sqlite.Store, workers int, log *slog.Logger) *office {
	pool := password.New(password.Config{Workers: workers}) // process.refuse has looked at it
	return &office{
		Operator: operator.Operator{Users: store, Clients: store, Sessions: store, Tokens: store, Spent: store, Audit: store, Replicas: store.Replicas, Passwords: pool, Log: log, By: "command line", Now: time.Now},
		store:    store, pool: pool,
	}
}

// sealedRing is the key ring in the store, sealed; nil if there is none.
func (o *office) sealedRing(ctx context.Context) ([]byte, error) {
	sealed, _, err := o.store.LoadRing(ctx)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load the key ring: %w", err)
	}
	return sealed, nil
}

// needKeys refuses a store without a key ring, where none was lost either.
func (o *office) needKeys(ctx context.Context, place Place) error {
	if sealed, err := o.sealedRing(ctx); err != nil || sealed != nil {
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
	sealer, err := o.sealer(ctx, p, place)
	if err != nil {
		return fail(exitUnusable, "%w", err)
	}
	cfg.Sealer = sealer
	cfg.Reopen = func(ctx context.Context) (*keys.Sealer, error) { return o.sealer(ctx, p, place) }
	o.useKeys(place, cfg)
	return nil
}

// sealer has the key-encryption keys for the ring that is in the store now.
func (o *office) sealer(ctx context.Context, p *process, place Place) (*keys.Sealer, error) {
	sealed, err := o.sealedRing(ctx)
	if err != nil {
		return nil, err
	}
	keks, err := p.keyEncryptionKeys(ctx, place, sealed)
	if err != nil {
		return nil, err
	}
	return newSealer(keks)
}

func newSealer(keks []kek) (*keys.Sealer, error) {
	var raw [][]byte
	for _, k := range keks {
		raw = append(raw, k.key)
	}
	return keys.NewSealer(raw...)
}

func (o *office) useKeys(place Place, cfg keys.RotatorConfig) {
	cfg.Store, cfg.ServiceTime = o.store, o.store.ServiceTime
	cfg.Seen = place.seen()
	if o.dev != nil {
		_ = o.dev.Close() // of a rotator that is not needed any more; nothing was kept open for it
	}
	o.dev = place.attach(&cfg)
	o.keys = keys.NewRotator(cfg)
	o.Keys, o.Trial = o.keys, o.keys.DryRun()
}
