package main

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// refreshed asks for a refresh over HTTP and returns the successor; empty if it
// was refused as an invalid grant.
func (s *running) refreshed(t *testing.T, client, token string) string {
	t.Helper()
	resp, err := http.PostForm("http://"+s.logged("public")+"/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {client}, "refresh_token": {token}})
	if err != nil {
		t.Error(err)
		return ""
	}
	defer resp.Body.Close()
	var answer struct {
		Refresh string `json:"refresh_token"`
		Error   string
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK && answer.Error != "invalid_grant" {
		t.Errorf("a refresh was answered %s %+v, %v", resp.Status, answer, err)
	}
	return answer.Refresh
}

// signsIn signs in over HTTP.
func (s *running) signsIn(t *testing.T, client, username, password string) (access, refresh string) {
	t.Helper()
	v := vessel{T: t, public: "http://" + s.logged("public")}
	return v.ask(client, url.Values{"grant_type": {"password"}, "username": {username}, "password": {strings.TrimSpace(password)}})
}

// TestBackupUnderLoad: the real program copies the store of a server that is
// busy with refreshes, none of which fails, and every session that was idle
// goes on from the copy.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	password := newPassword()
	d.ok(password, "user", "add", "alice")
	d.ok("", "client", "add", "--id=web", "--audience=api", "--retry-window=0")
	s := d.process(brisk...)
	var idle []string
	for range 3 {
		_, refresh := s.signsIn(t, "web", "alice", password)
		idle = append(idle, refresh)
	}
	var load sync.WaitGroup
	var refreshes atomic.Int64
	stop := make(chan struct{})
	for range 6 {
		_, refresh := s.signsIn(t, "web", "alice", password)
		load.Go(func() {
			for refresh != "" {
				select {
				case <-stop:
					return
				default:
				}
				if refresh = s.refreshed(t, "web", refresh); refresh == "" {
					t.Error("a refresh was refused beside the backup")
				}
				refreshes.Add(1)
			}
		})
	}
	file := filepath.Join(t.TempDir(), "hallmark.db")
	before := refreshes.Load()
	var view backupView
	for i := range 3 {
		args := []string{"backup", file, "--json"}
		if i > 0 {
			d.execute(args[:2]...).check(t, exitConflict, args, "is there already", "--force")
			args = append(args, "--force")
		}
		r := d.execute(args...)
		if r.code != exitOK || json.Unmarshal([]byte(r.out), &view) != nil {
			t.Fatalf("backup ended with %d: %s%s", r.code, r.out, r.err)
		}
	}
	if refreshes.Load() == before {
		t.Error("nobody refreshed beside the backups")
	}
	close(stop)
	load.Wait()
	s.stop(t)
	if view.Users != 1 || view.Clients != 1 || view.Sessions != 9 || view.Ring < 1 || view.TakenAt == "" {
		t.Errorf("the backup is said to have %+v", view)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || info.Size() != view.Bytes {
		t.Errorf("the file: %v, %v", info, err)
	}
	if names := filesIn(t, filepath.Dir(file)); len(names) != 1 {
		t.Errorf("beside the backup there is something: %v", names)
	}
	if _, err := sqlite.Examine(t.Context(), file, time.Now()); err != nil {
		t.Error(err)
	}

	// Elsewhere, with the key that was kept apart.
	other := newDesk(t)
	kek, err := os.ReadFile(filepath.Join(d.data, "kek"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(other.data, "kek"), string(kek))
	other.ok("", "restore", file, "--keep-sessions")
	s = other.process(brisk...)
	for _, token := range idle {
		if s.refreshed(t, "web", token) == "" {
			t.Error("an idle session does not go on from the backup")
		}
	}
}

func TestBackupFails(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	file := filepath.Join(t.TempDir(), "hallmark.db")
	d.fails(exitUnusable, "", []string{"backup", file}, "there is no store")
	d.ok(newPassword(), "user", "add", "alice")
	d.fails(exitUsage, "", []string{"backup", "-"}, "name a file")
	d.fails(exitUsage, "", []string{"backup", filepath.Join(file, "x")}, "there is no directory")
	d.fails(exitUnusable, "", []string{"backup", filepath.Join(d.data, "hallmark.db"), "--force"}, "is the store itself", "there is no backup")
	if out := d.ok("", "backup", file); !strings.Contains(out, "schema") || !strings.Contains(out, "1 users") || !strings.Contains(out, "key-encryption key is not in it") {
		t.Errorf("backup prints %s", out)
	}
	if acts := d.ok("", "audit", "--event", "store.backup", "--json"); strings.Count(acts, "\n") != 1 {
		t.Errorf("the audit has %s", acts)
	}
	d.data = filepath.Dir(file)
	d.fails(exitUnusable, "", []string{"user", "list"}, "is a backup", "hallmark restore")
}

// TestBackupUnrecorded: a store that takes no record of it is backed up all the same.
func TestBackupUnrecorded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok(newPassword(), "user", "add", "alice")
	db, err := sql.Open("sqlite3", filepath.Join(d.data, "hallmark.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'there is no room'); END"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "hallmark.db")
	r := d.run("", "backup", file)
	if r.code != exitOK || !strings.Contains(r.out, "1 users") || !strings.Contains(r.err, "level=WARN") || !strings.Contains(r.err, "no record of it") {
		t.Errorf("backup ended with %d: %s%s", r.code, r.out, r.err)
	}
	if _, err := sqlite.Examine(t.Context(), file, time.Now()); err != nil {
		t.Error(err)
	}
}
