package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

type restoreCmd struct {
	Operation
	Rehearsal
	Confirmation

	BackupFile   string `arg:"" name:"file" help:"What hallmark backup made, or another whole copy of a store: of Litestream's, or one that was put in the store's place."`
	KeepSessions bool   `help:"End no session. Those that were ended since the backup live again; those that were refreshed since end when they are used."`
}

// Help is shown above the flags.
func (*restoreCmd) Help() string {
	return `The server must be stopped. The store that is replaced is kept beside, under a name with the date. No key of the backup signs again: fresh ones do, as after hallmark keys recover. A restore that is cut short leaves the store as it was, or one that the server refuses until restore has run again.`
}

// A restore is one on its way.
type restore struct {
	*restoreCmd
	p    *process
	path string // of the store
	kept string // where what is there goes
	now  time.Time
	*sqlite.Restoration
	result restoreView
}

func (c *restoreCmd) Run(ctx context.Context, p *process) (err error) {
	r := &restore{restoreCmd: c, p: p, now: time.Now()}
	if r.path, err = c.storePath(); err != nil {
		return err
	}
	if dir := filepath.Dir(r.path); !isDir(dir) {
		return fail(exitUnusable, "there is no directory %s: name the right one with --data or --store, or make it, with mode 0700", dir)
	}
	if err := r.stage(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := r.foresee(ctx); err != nil {
		return err
	}
	if c.DryRun {
		return c.print(p.stdout, r.result, r.foretell)
	}
	if !c.JSON {
		if err := r.foretell(p.stdout); err != nil {
			return err
		}
	}
	if r.result.Replaced != "" {
		if err := c.confirm(ctx, p, "Put the backup in the place of "+r.path+"?"); err != nil {
			return err
		}
	}
	if err := r.carryOut(context.WithoutCancel(ctx)); err != nil { // to half of it nobody would want to come back
		return err
	}
	return c.report(p.stdout, r.result, r.tell)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// stage looks at the backup, makes the copy and holds the store.
func (r *restore) stage(ctx context.Context) error {
	found, err := sqlite.Examine(ctx, r.BackupFile, r.now)
	if err != nil {
		return r.unusable(ctx, err)
	}
	r.result = restoreView{DryRun: r.DryRun, Store: r.path, Backup: viewBackup(r.BackupFile, found), SessionsKept: r.KeepSessions}
	if r.Restoration, err = sqlite.Stage(ctx, r.BackupFile, r.path, sqlite.StageOptions{KeepSessions: r.KeepSessions, Now: r.now}); err != nil {
		return r.unusable(ctx, err)
	}
	r.result.SessionsEnded = r.Ended()
	if r.DryRun {
		err = r.View()
	} else {
		err = r.Hold(ctx)
	}
	if err != nil {
		return errors.Join(r.unusable(ctx, err), r.Close())
	}
	return nil
}

// unusable says that nothing was done.
func (r *restore) unusable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fail(exitUnusable, "%w; nothing was changed", err)
}

// foresee finds out what it will come to, and whether it can be done at all,
// the key-encryption key included.
func (r *restore) foresee(ctx context.Context) (err error) {
	r.kept = r.Store() + sqlite.KeptSuffix + r.now.UTC().Format("20060102T150405.000Z") // for a log without a store, too
	if _, err := os.Stat(r.path); err == nil {
		r.result.Replaced = r.kept
	}
	r.result.Undone, err = r.Differences(ctx, r.now)
	if errors.Is(err, sqlite.ErrIncomparable) {
		r.result.Incomparable = err.Error()
	} else if err != nil {
		return r.unusable(ctx, err)
	}
	mark, err := r.seen().Read()
	if err != nil {
		return err
	}
	r.result.Seen = int64(mark.Version)
	return r.withCopy(ctx, func(o *office) error {
		if r.result.StaysRevoked, err = r.revokedSince(ctx, o, mark); err != nil {
			return err
		}
		if !r.DryRun {
			if err := r.seen().Probe(); err != nil {
				return err
			}
		}
		return r.recover(ctx, o.DryRun())
	})
}

// withCopy works on the copy of the backup, where it is now. Where there is no
// key ring and never was, there is nothing to do: the first start makes it.
func (r *restore) withCopy(ctx context.Context, act func(*office) error) error {
	log := r.p.logger(r.Logging)
	store, err := sqlite.OpenBackup(ctx, r.Path(), log)
	if err != nil {
		return fail(exitUnusable, "%w", err)
	}
	o := officeOn(store, 0, log)
	err = o.needKeys(ctx, r.Place)
	switch {
	case errors.Is(err, errNoKeys):
		err = nil
	case err == nil:
		if err = o.openKeys(ctx, r.p, r.Place, keys.RotatorConfig{Schedule: keys.DefaultSchedule()}); err == nil {
			err = act(o)
		}
	}
	return errors.Join(err, o.Close())
}

// recover is what hallmark keys recover --force does. The ring may be as new as
// the one that was seen last: that it is, nobody knows where the file that
// remembers was lost.
func (r *restore) recover(ctx context.Context, by *operator.Operator) error {
	done, err := by.RecoverKeys(ctx, true)
	if err != nil {
		return err
	}
	view := operator.ViewRecovery(done)
	r.result.Keys = &view
	return nil
}

// revokedSince lists the keys that the backup holds and that were revoked after it.
func (r *restore) revokedSince(ctx context.Context, o *office, mark keys.Mark) ([]string, error) {
	sealed, err := o.sealedRing(ctx)
	if err != nil || sealed == nil {
		return nil, err
	}
	sealer, err := o.sealer(ctx, r.p, r.Place)
	if err != nil {
		return nil, err
	}
	ring, err := sealer.Open(sealed)
	if err != nil {
		return nil, err
	}
	var kids []string
	for _, k := range ring.Keys() {
		if k.RevokedAt.IsZero() && slices.Contains(mark.Revoked, k.ID) {
			kids = append(kids, k.ID)
		}
	}
	return kids, nil
}

// carryOut does it: one rename, then the keys, then the mark is taken off.
func (r *restore) carryOut(ctx context.Context) error {
	err := r.Swap(r.kept)
	if err != nil && r.Path() != r.Store() {
		return fail(exitUnusable, "%w; the store is as it was", err)
	}
	if err == nil {
		err = r.withCopy(ctx, func(o *office) error { return r.recover(ctx, &o.Operator) })
	}
	if err == nil {
		err = r.record(ctx)
	}
	if err == nil {
		err = r.Release(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w; the backup is in place and the server refuses it: run hallmark restore again", err)
	}
	r.p.logger(r.Logging).Info("operator", "act", "store.restore", "by", "command line", "backup_taken_at", r.result.Backup.TakenAt,
		"sessions_ended", r.result.SessionsEnded, "sessions_kept", r.KeepSessions)
	return nil
}

// record leaves the act in the audit of the copy, before serve takes it.
func (r *restore) record(ctx context.Context) error {
	store, err := sqlite.OpenBackup(ctx, r.Path(), r.p.logger(r.Logging))
	if err != nil {
		return err
	}
	return errors.Join(store.Record(ctx, storage.Record{Event: storage.EventStoreRestore, Detail: storage.Detail{
		"backup_taken_at": r.result.Backup.TakenAt, "sessions_ended": r.result.SessionsEnded, "sessions_kept": r.KeepSessions,
	}}), store.Close())
}

// A restoreView says what a restore undoes and came to.
type restoreView struct {
	DryRun        bool                   `json:"dry_run,omitempty"` // nothing was done
	Store         string                 `json:"store"`
	Backup        backupView             `json:"backup"`
	Seen          int64                  `json:"key_ring_version_seen"` // the newest that this machine knows of; 0: none
	Replaced      string                 `json:"replaced,omitempty"`    // where the store is that was there; empty: none was
	SessionsEnded int                    `json:"sessions_ended"`
	SessionsKept  bool                   `json:"sessions_kept"`
	Undone        []sqlite.Difference    `json:"undone"`
	Incomparable  string                 `json:"incomparable,omitempty"` // why it is not known what is undone
	StaysRevoked  []string               `json:"keys_stay_revoked,omitempty"`
	Keys          *operator.RecoveryView `json:"keys,omitempty"` // missing: the first start makes them
}
