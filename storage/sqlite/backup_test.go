package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// A backup of a store that others write to is the store at one moment: whatever
// was answered before it began is in it.
func TestBackupOfALiveStore(t *testing.T) {
	s, path := fresh(t)
	l := newLogin(t, s)
	tokens := l.open(t, 64)
	stop, began := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	rounds := make([]int, len(tokens)) // refreshes that were answered
	var created atomic.Int64           // users, likewise
	var g sync.WaitGroup
	for i := range tokens {
		g.Go(func() {
			for round := 1; ; round++ {
				select {
				case <-stop:
					return
				default:
				}
				r := l.refresh(tokens[i])
				done, err := s.RotateSession(ctx, r)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				tokens[i], rounds[i] = done.Token, round
				mu.Unlock()
				if round == 2 && i == 0 {
					close(began)
				}
				if err := s.CreateUser(ctx, aUser(fmt.Sprint("user", i, "-", round))); err != nil {
					t.Error(err)
					return
				}
				created.Add(1)
			}
		})
	}
	<-began
	mu.Lock()
	before := append([]storage.RefreshToken(nil), tokens...)
	mu.Unlock()
	users := int(created.Load()) + 1
	file := filepath.Join(t.TempDir(), "backup.db")
	found, err := sqlite.Backup(ctx, path, file, false, epoch)
	close(stop)
	g.Wait()
	must(t, err)
	if found.Sessions != len(tokens) || found.Users < users || found.Clients != 1 || found.Schema != len(sqlite.Scripts()) || !found.TakenAt.Equal(epoch) {
		t.Errorf("found %+v", found)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || info.Size() != found.Bytes {
		t.Errorf("the file: %v, %v", info, err)
	}
	onlyFile(t, file)
	c, err := sqlite.OpenBackup(ctx, file, quiet)
	must(t, err)
	defer c.Close()
	for i, token := range before {
		r := l.refresh(token)
		if _, err := c.RotateSession(ctx, r); err != nil {
			t.Errorf("session %d, answered %d times: the token from before the backup: %v", i, rounds[i], err)
		}
	}
}

// onlyFile reports what else is in the directory of a backup.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	for _, e := range entries {
		if e.Name() != filepath.Base(path) {
			t.Errorf("%s is left beside the backup", e.Name())
		}
	}
}

func TestBackupRefuses(t *testing.T) {
	s, path := fresh(t)
	newLogin(t, s)
	dir := t.TempDir()
	file := filepath.Join(dir, "backup.db")
	empty := filepath.Join(t.TempDir(), "empty.db")
	must(t, os.WriteFile(empty, nil, 0o600))
	must(t, os.WriteFile(file, []byte("mine"), 0o600))
	for name, c := range map[string]struct {
		path, file string
		replace    bool
		want       string
	}{
		"a file that is there": {path, file, false, fs.ErrExist.Error()},
		"a directory":          {path, dir, true, "is a directory"},
		"the store itself":     {path, path, true, "is the store itself"},
		"an empty store":       {empty, file, true, "nothing to back up yet"},
		"no directory":         {path, filepath.Join(dir, "no", "b.db"), false, "no such file"},
	} {
		if _, err := sqlite.Backup(ctx, c.path, c.file, c.replace, epoch); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := sqlite.Backup(gone, path, file, true, epoch); err == nil {
		t.Error("a backup whose context is over")
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "mine" {
		t.Errorf("the file that was there: %q, %v", text, err)
	}
	onlyFile(t, file)
	_, err := sqlite.Backup(ctx, path, file, true, epoch)
	must(t, err)
	if _, err := sqlite.Open(ctx, file, quiet); err == nil || !strings.Contains(err.Error(), "hallmark restore") {
		t.Errorf("a backup is opened as a store: %v", err)
	}
	if _, err := sqlite.Backup(ctx, file, filepath.Join(dir, "second.db"), false, epoch); err == nil {
		t.Error("a backup of a backup")
	}
	if _, err := sqlite.OpenBackup(ctx, path, quiet); err == nil {
		t.Error("a store is opened as a backup")
	}
}

// fill makes a store of a few megabytes.
func fill(t *testing.T) (path string) {
	s, path := fresh(t)
	l := newLogin(t, s)
	l.open(t, 4000)
	parallel(t, 300, func(i int) error {
		u := aUser(fmt.Sprint("user", i))
		u.Claims.Roles = []string{strings.Repeat("r", 10_000)}
		return s.CreateUser(ctx, u)
	})
	must(t, s.Close())
	return path
}

// backupBeside is a role: a backup of a store next to it.
func backupBeside(path string) error {
	_, err := sqlite.Backup(ctx, path, path+".backup", true, epoch)
	return err
}

// backupCramped is a role: a backup for which there is not room enough.
func backupCramped(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	if err := limitFiles(1 << 20); err != nil {
		return err
	}
	if err := backupBeside(path); err == nil {
		return errors.New("there was room for the backup")
	}
	return nil
}

// TestBackupWithoutRoom: nothing half-done is left.
func TestBackupWithoutRoom(t *testing.T) {
	path := fill(t)
	if out, err := child(t, "backup-cramped", path).Output(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if names, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*backup*")); err != nil || len(names) > 0 {
		t.Errorf("left: %v, %v", names, err)
	}
	if names, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); err != nil || len(names) > 0 {
		t.Errorf("left: %v, %v", names, err)
	}
}

// TestBackupKilled: under the name of the backup there is a whole one or none,
// whenever the process dies.
func TestBackupKilled(t *testing.T) {
	path := fill(t)
	file := path + ".backup"
	began := time.Now()
	must(t, child(t, "backup", path).Run())
	took := time.Since(began)
	must(t, os.Remove(file))
	killed := 0
	for i := range 12 {
		c := child(t, "backup", path)
		must(t, c.Start())
		time.Sleep(took * time.Duration(i+1) / 12)
		c.Process.Kill()
		if c.Wait() != nil {
			killed++
		}
		_, err := sqlite.Examine(ctx, file, epoch)
		switch {
		case err == nil:
			must(t, os.Remove(file))
		case !errors.Is(err, fs.ErrNotExist):
			t.Errorf("after %d of 12 parts of the time: %v", i+1, err)
		}
	}
	if killed < 3 {
		t.Errorf("only %d backups were cut short", killed)
	}
}

// TestExamineRefuses: what cannot be restored is told from what can, and left as it is.
func TestExamineRefuses(t *testing.T) {
	s, path := fresh(t)
	l := newLogin(t, s)
	l.open(t, 500)
	dir := t.TempDir()
	good := filepath.Join(dir, "good.db")
	_, err := sqlite.Backup(ctx, path, good, false, epoch)
	must(t, err)
	text, err := os.ReadFile(good)
	must(t, err)
	damaged := append([]byte(nil), text...)
	for at := 5 * 4096; at < 6*4096; at++ {
		damaged[at] ^= 0x55
	}
	newer := append([]byte(nil), text...)
	newer[63] = 99 // user_version: sqlite.org/fileformat2 §1.3
	foreign := append([]byte(nil), text...)
	foreign[68] ^= 1 // application_id
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"good": {text, ""}, "damaged": {damaged, "is damaged"}, "of a newer program": {newer, "newer version"}, "foreign": {foreign, "is not a Hallmark database"},
		"cut short": {text[:len(text)/2], "is damaged"}, "empty": {nil, "is not a Hallmark database"}, "text": {[]byte(strings.Repeat("text", 2000)), "is not a Hallmark database"},
	} {
		file := filepath.Join(dir, "file")
		must(t, os.WriteFile(file, c.text, 0o600))
		_, err := sqlite.Examine(ctx, file, epoch)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if now, err := os.ReadFile(file); err != nil || string(now) != string(c.text) {
			t.Errorf("%s: the file was changed, %v", name, err)
		}
	}
	if _, err := sqlite.Examine(ctx, dir, epoch); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
	}
}

// TestBackupReplacesNoNewcomer: a file that came after the last look stays.
func TestBackupReplacesNoNewcomer(t *testing.T) {
	dir := t.TempDir()
	temp, file := filepath.Join(dir, "temp"), filepath.Join(dir, "file")
	must(t, os.WriteFile(temp, []byte("copy"), 0o600))
	must(t, os.WriteFile(file, []byte("newcomer"), 0o600))
	if err := sqlite.Place(temp, file, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "newcomer" {
		t.Errorf("the file is %q, %v", text, err)
	}
	must(t, sqlite.Place(temp, file, true))
	if text, err := os.ReadFile(file); err != nil || string(text) != "copy" {
		t.Errorf("replaced, the file is %q, %v", text, err)
	}
	onlyFile(t, file)
}
