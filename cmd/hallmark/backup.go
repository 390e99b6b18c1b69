package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

type backupCmd struct {
	Operation

	BackupFile string `arg:"" name:"file" help:"Where the copy goes: a new file, mode 0600."`
	Force      bool   `help:"Replace the file if it is there, once the new copy is whole."`
}

// Run copies the store without opening it as others do: a backup before an
// upgrade is of the schema that the running server has.
func (c *backupCmd) Run(ctx context.Context, p *process) error {
	path, err := c.storePath()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fail(exitUnusable, "there is no store %s: name the right one with --data or --store", path)
	}
	if dir := filepath.Dir(c.BackupFile); c.BackupFile == "-" || strings.HasSuffix(c.BackupFile, "/") {
		return usage("name a file for the copy, such as /var/backups/hallmark.db")
	} else if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return usage("there is no directory %s: make it first, with mode 0700", dir)
	}
	s, err := sqlite.Backup(ctx, path, c.BackupFile, c.Force, time.Now())
	switch {
	case errors.Is(err, fs.ErrExist):
		return fail(exitConflict, "%s is there already: name another file, or add --force to replace it", c.BackupFile)
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fail(exitUnusable, "%w; there is no backup", err)
	}
	printed := c.report(p.stdout, viewBackup(c.BackupFile, s), func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s: %s, examined\nThe key-encryption key is not in it: keep that in another place. Whoever has both has the signing keys.\n", c.BackupFile, summary(s))
		return err
	})
	// A store that cannot be written is one to back up.
	if err := c.record(ctx, p, path); err != nil {
		p.logger(c.Logging).Warn("the backup is whole, but the audit has no record of it", "file", c.BackupFile, "error", err)
	}
	return printed
}

// record leaves the act in the audit, unless that would take the store to
// another schema.
func (c *backupCmd) record(ctx context.Context, p *process, path string) error {
	if now, err := sqlite.Inspect(ctx, path); err != nil || now.Schema != now.Known {
		return err
	}
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		return o.store.Record(ctx, storage.Record{Event: storage.EventStoreBackup})
	})
}

// A backupView is what is in a backup.
type backupView struct {
	File     string `json:"file"`
	TakenAt  string `json:"taken_at,omitempty"` // missing: another program made the file
	Bytes    int64  `json:"bytes"`
	Schema   int    `json:"schema"`
	Ring     int64  `json:"key_ring_version"` // 0: no keys yet
	Users    int    `json:"users"`
	Clients  int    `json:"clients"`
	Sessions int    `json:"sessions"` // that live
}

func viewBackup(file string, s sqlite.Summary) backupView {
	v := backupView{File: file, Bytes: s.Bytes, Schema: s.Schema, Ring: int64(s.Ring), Users: s.Users, Clients: s.Clients, Sessions: s.Sessions}
	if !s.TakenAt.IsZero() {
		v.TakenAt = stamp(s.TakenAt)
	}
	return v
}

// summary is the same for people.
func summary(s sqlite.Summary) string {
	return fmt.Sprintf("%s, schema %d, key ring version %d, %d users, %d clients, %d sessions", size(s.Bytes), s.Schema, s.Ring, s.Users, s.Clients, s.Sessions)
}

func size(bytes int64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%d KiB", (bytes+1023)>>10)
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}
