package sqlite_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// A set-back is a store and a backup of what it was.
type setBack struct {
	*testing.T
	login
	path, file string
	idle       storage.RefreshToken // of a session that nothing happened to since the backup
	refreshed  storage.RefreshToken // of one that was refreshed since
	ended      storage.RefreshToken // of one that was ended since
}

func newSetBack(t *testing.T) *setBack {
	s, path := fresh(t)
	b := &setBack{T: t, login: newLogin(t, s), path: path, file: filepath.Join(t.TempDir(), "backup.db")}
	must(t, s.CreateUser(ctx, aUser("bob")))
	must(t, s.CreateUser(ctx, aUser("carol")))
	_, err := s.CreateClient(ctx, aClient("old"))
	must(t, err)
	api := aClient("api")
	api.AuthMethod, api.Secrets = storage.AuthBasic, []storage.Digest{{6}}
	_, err = s.CreateClient(ctx, api)
	must(t, err)
	must(t, s.CreateOperatorToken(ctx, storage.OperatorToken{Digest: storage.Digest{1}, Name: "ci", Scopes: []string{"read"}, CreatedAt: epoch, ExpiresAt: epoch.Add(time.Hour)}))
	tokens := b.open(t, 3)
	b.idle, b.refreshed, b.ended = tokens[0], tokens[1], tokens[2]
	_, err = sqlite.Backup(ctx, path, b.file, false, epoch)
	must(t, err)

	done, err := s.RotateSession(ctx, b.refresh(b.refreshed))
	must(t, err)
	b.refreshed = done.Token
	_, err = s.EndSession(ctx, b.ended.SessionID(), storage.EndedRevoked, epoch)
	must(t, err)
	return b
}

func (b *setBack) user(name string) storage.User {
	u, err := b.s.UserByName(ctx, name)
	must(b.T, err)
	return u
}

// restore goes through all of it.
func (b *setBack) restore(o sqlite.StageOptions) (r *sqlite.Restoration, undone []sqlite.Difference, kept string) {
	b.Helper()
	r, err := sqlite.Stage(ctx, b.file, b.path, o)
	must(b.T, err)
	b.Cleanup(func() { r.Close() })
	must(b.T, r.Hold(ctx))
	if undone, err = r.Differences(ctx, o.Now); err != nil && !errors.Is(err, sqlite.ErrIncomparable) {
		b.Fatal(err)
	}
	kept = b.path + sqlite.KeptSuffix + "x"
	must(b.T, r.Swap(kept))
	if _, err := sqlite.Open(ctx, b.path, quiet); err == nil || !strings.Contains(err.Error(), "hallmark restore") {
		b.Errorf("a restore that is not finished is opened: %v", err)
	}
	must(b.T, r.Release(ctx))
	must(b.T, r.Close())
	b.s = reopen(b.T, b.path)
	return r, undone, kept
}

// TestRestoreUndoes names everything that is as it was before.
func TestRestoreUndoes(t *testing.T) {
	b := newSetBack(t)
	yes, hash, name := true, "$test$new", "Carol"
	for _, c := range []struct {
		who    string
		change storage.UserChange
	}{{"ada", storage.UserChange{Disabled: &yes}}, {"bob", storage.UserChange{PasswordHash: &hash}}, {"carol", storage.UserChange{Name: &name}}} {
		c.change.Now = epoch
		_, _, err := b.s.ChangeUser(ctx, b.user(c.who).ID, c.change)
		must(t, err)
	}
	must(t, b.s.CreateUser(ctx, aUser("zoe")))
	_, err := b.s.CreateClient(ctx, aClient("new"))
	must(t, err)
	must(t, b.s.RemoveClient(ctx, "old"))
	_, err = b.s.ChangeClient(ctx, "api", storage.ClientChange{AddSecret: &storage.Digest{7}})
	must(t, err)
	must(t, b.s.RemoveOperatorToken(ctx, "ci"))
	must(t, b.s.CreateOperatorToken(ctx, storage.OperatorToken{Digest: storage.Digest{2}, Name: "cd", Scopes: []string{"read"}, CreatedAt: epoch, ExpiresAt: epoch.Add(time.Hour)}))
	must(t, b.s.Close())

	_, undone, kept := b.restore(sqlite.StageOptions{Now: epoch.Add(time.Minute), KeepSessions: true})
	want := []sqlite.Difference{
		{What: "users_lost", Count: 1, Names: []string{"zoe"}},
		{What: "users_enabled", Count: 1, Names: []string{"ada"}},
		{What: "passwords_undone", Count: 1, Names: []string{"bob"}},
		{What: "users_changed", Count: 1, Names: []string{"carol"}},
		{What: "clients_lost", Count: 1, Names: []string{"new"}},
		{What: "clients_back", Count: 1, Names: []string{"old"}},
		{What: "client_secrets_undone", Count: 1, Names: []string{"api"}},
		{What: "operator_tokens_lost", Count: 1, Names: []string{"cd"}},
		{What: "operator_tokens_back", Count: 1, Names: []string{"ci"}},
		{What: "sessions_back", Count: 3, Names: []string{"ada"}}, // disabling ended the others
	}
	if !reflect.DeepEqual(undone, want) {
		t.Errorf("undone is\n%v, want\n%v", undone, want)
	}
	if u := b.user("ada"); u.Disabled {
		t.Error("what was undone is still there")
	}
	if users, err := reopen(t, kept).Users(ctx, "", 10); err != nil || len(users) != 4 {
		t.Errorf("the store that was replaced: %v, %v", users, err)
	}
}

// TestRestoreEndsSessions: all of them, with their reason, or none.
func TestRestoreEndsSessions(t *testing.T) {
	for keep, want := range map[bool][3]error{
		false: {storage.ErrEnded, storage.ErrEnded, storage.ErrEnded},
		true:  {nil, storage.ErrBehind, nil},
	} {
		b := newSetBack(t)
		must(t, b.s.Close())
		r, undone, _ := b.restore(sqlite.StageOptions{Now: epoch.Add(time.Minute), KeepSessions: keep})
		if ended := r.Ended(); ended != map[bool]int{false: 3}[keep] {
			t.Errorf("keep %v: %d ended", keep, ended)
		}
		// Which tokens of another system were exchanged since the backup nobody knows.
		if at := b.user("bob").NotBefore; at.Equal(epoch.Add(time.Minute)) == keep || keep && !at.IsZero() {
			t.Errorf("keep %v: tokens of another system are taken from %v on", keep, at)
		}
		reason := storage.EndedRestored
		if keep {
			reason = storage.EndedBehind
			want := []sqlite.Difference{{What: "sessions_back", Count: 1, Names: []string{"ada"}}, {What: "sessions_behind", Count: 1, Names: []string{"ada"}}}
			if !reflect.DeepEqual(undone, want) {
				t.Errorf("undone is %v, want %v", undone, want)
			}
		} else if len(undone) != 0 {
			t.Errorf("undone is %v", undone)
		}
		for i, token := range []storage.RefreshToken{b.idle, b.refreshed, b.ended} {
			if _, err := b.s.RotateSession(ctx, b.refresh(token)); !errors.Is(err, want[i]) {
				t.Errorf("keep %v, token %d: %v, want %v", keep, i, err, want[i])
			}
		}
		if e, err := b.s.SessionByID(ctx, b.refreshed.SessionID()); err != nil || e.EndReason != reason {
			t.Errorf("keep %v: the session that was refreshed ended as %q, %v", keep, e.EndReason, err)
		}
	}
}

// openUntilTold is a role: a process that has the store open and does nothing.
func openUntilTold(path string) error {
	s, err := sqlite.Open(ctx, path, quiet)
	if err != nil {
		return err
	}
	fmt.Println("open")
	io.Copy(io.Discard, os.Stdin)
	return s.Close()
}

// TestRestoreBesideAnother: a store that another process has open is not
// replaced, be it idle, and one that is to be replaced is not opened.
func TestRestoreBesideAnother(t *testing.T) {
	b := newSetBack(t)
	must(t, b.s.Close())
	other := child(t, "hold-open", b.path)
	in, err := other.StdinPipe()
	must(t, err)
	out, err := other.StdoutPipe()
	must(t, err)
	must(t, other.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "open\n" {
		t.Fatal(line, err)
	}
	stage := func() *sqlite.Restoration {
		r, err := sqlite.Stage(ctx, b.file, b.path, sqlite.StageOptions{Now: epoch})
		must(t, err)
		return r
	}
	r := stage()
	if err := r.Hold(ctx); !errors.Is(err, sqlite.ErrInUse) {
		t.Errorf("held beside another process: %v", err)
	}
	must(t, r.Close())
	if names, _ := filepath.Glob(filepath.Join(filepath.Dir(b.path), ".*")); len(names) > 0 {
		t.Errorf("left: %v", names)
	}
	// Killed, it leaves a write-ahead log behind, which belongs to the store.
	other.Process.Kill()
	in.Close()
	other.Wait()

	r = stage()
	must(t, r.Hold(ctx))
	late := child(t, "open", b.path)
	must(t, late.Start())
	time.Sleep(300 * time.Millisecond)
	must(t, r.Swap(b.path+sqlite.KeptSuffix+"x"))
	if late.Wait() == nil {
		t.Error("a process went to work on a store that was being replaced")
	}
	must(t, r.Release(ctx))
	must(t, r.Close())
	if users, err := reopen(t, b.path).Users(ctx, "", 10); err != nil || len(users) != 3 {
		t.Errorf("%d users, %v", len(users), err)
	}
}

// TestRestoreGivenUp leaves a store that opens as before, and nothing beside it.
func TestRestoreGivenUp(t *testing.T) {
	b := newSetBack(t)
	must(t, b.s.Close())
	r, err := sqlite.Stage(ctx, b.file, b.path, sqlite.StageOptions{Now: epoch})
	must(t, err)
	must(t, r.Hold(ctx))
	must(t, r.Close())
	onlyFile(t, b.path)
	if c, err := sqlite.Inspect(ctx, b.path); err != nil || c.Journal != "wal" {
		t.Errorf("%+v, %v", c, err)
	}
	b.s = reopen(t, b.path)
	if _, err := b.s.RotateSession(ctx, b.refresh(b.refreshed)); err != nil {
		t.Error(err)
	}
}

// TestRestoreOverRubbish: what SQLite cannot read is kept as well, its log with
// it, which would else be taken for that of the backup.
func TestRestoreOverRubbish(t *testing.T) {
	b := newSetBack(t)
	must(t, b.s.Close())
	must(t, os.WriteFile(b.path, []byte(strings.Repeat("rubbish ", 4096)), 0o600))
	must(t, os.WriteFile(b.path+"-wal", []byte("a log"), 0o600))
	r, err := sqlite.Stage(ctx, b.file, b.path, sqlite.StageOptions{Now: epoch})
	must(t, err)
	defer r.Close()
	must(t, r.Hold(ctx))
	if _, err := r.Differences(ctx, epoch); !errors.Is(err, sqlite.ErrIncomparable) {
		t.Errorf("%v", err)
	}
	if r.Swap("") == nil {
		t.Error("what is there has no name to be kept under")
	}
	kept := b.path + sqlite.KeptSuffix + "x"
	must(t, r.Swap(kept))
	must(t, r.Release(ctx))
	if text, err := os.ReadFile(kept + "-wal"); err != nil || string(text) != "a log" {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := os.ReadFile(kept); err != nil || !strings.HasPrefix(string(text), "rubbish") {
		t.Errorf("%.20q, %v", text, err)
	}
	if users, err := reopen(t, b.path).Users(ctx, "", 10); err != nil || len(users) != 3 {
		t.Errorf("%d users, %v", len(users), err)
	}
}

// TestRestoreNotSwapped: where the copy cannot get its place, what was there is
// there again, its log too.
func TestRestoreNotSwapped(t *testing.T) {
	b := newSetBack(t)
	must(t, b.s.Close())
	must(t, os.WriteFile(b.path, []byte(strings.Repeat("rubbish ", 4096)), 0o600))
	must(t, os.WriteFile(b.path+"-wal", []byte("a log"), 0o600))
	r, err := sqlite.Stage(ctx, b.file, b.path, sqlite.StageOptions{Now: epoch})
	must(t, err)
	must(t, r.Hold(ctx))
	must(t, os.Remove(r.Path()))
	if r.Swap(b.path+sqlite.KeptSuffix+"x") == nil {
		t.Error("swapped with nothing")
	}
	must(t, r.Close())
	if text := contents(t, b.path+"-wal"); string(text) != "a log" {
		t.Errorf("the log is %q", text)
	}
	if names, _ := filepath.Glob(b.path + sqlite.KeptSuffix + "*"); len(names) > 0 {
		t.Errorf("left: %v", names)
	}
}

// TestRestoreFromVersionOne: an old backup, which is a plain copy, is migrated.
func TestRestoreFromVersionOne(t *testing.T) {
	b := newSetBack(t)
	must(t, b.s.Close())
	b.file = filepath.Join(t.TempDir(), "old.db")
	u := aUser("from-before")
	versionOne(t, b.file, func(db *sqlx.DB) {
		db.MustExec("INSERT INTO users (id, name, password_hash, disabled, claims, created_at) VALUES (?, ?, '', 0, '{}', 1)", u.ID[:], u.Name)
	})
	b.restore(sqlite.StageOptions{Now: epoch})
	if b.user("from-before").ID != u.ID {
		t.Error("another user")
	}
	if v := scalar[int](t, b.path, "PRAGMA user_version"); v != len(sqlite.Scripts()) {
		t.Errorf("schema %d", v)
	}
}

// TestRestoreCutShort: a second name of the store, from a restore that died
// between its two steps, is gone after the next.
func TestRestoreCutShort(t *testing.T) {
	b := newSetBack(t)
	must(t, b.s.Close())
	second := b.path + sqlite.KeptSuffix + "first"
	must(t, os.Link(b.path, second))
	_, _, kept := b.restore(sqlite.StageOptions{Now: epoch})
	if _, err := os.Stat(second); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the second name: %v", err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
}

// TestRestoreNumbersOn: the audit never gives a number twice, whatever lay in
// the place of the backup.
func TestRestoreNumbersOn(t *testing.T) {
	t.Parallel()
	act := storage.Record{Event: storage.EventStoreBackup}
	last := func(path string) int64 {
		return scalar[int64](t, path, "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'audit'")
	}
	for name, c := range map[string]struct {
		empty bool // the backup has no record yet
		lay   func(b *setBack)
		leap  bool
	}{
		"a store":                      {false, func(*setBack) {}, false},
		"a store, of an empty backup":  {true, func(*setBack) {}, false},
		"none":                         {false, func(b *setBack) { must(t, os.Remove(b.path)) }, true},
		"none, of an empty backup":     {true, func(b *setBack) { must(t, os.Remove(b.path)) }, true},
		"rubbish":                      {false, func(b *setBack) { must(t, os.WriteFile(b.path, []byte(strings.Repeat("rubbish ", 4096)), 0o600)) }, true},
		"the backup, copied":           {false, func(b *setBack) { must(t, os.WriteFile(b.path, contents(t, b.file), 0o600)) }, true},
		"the backup, which is in it":   {false, func(b *setBack) { must(t, os.Rename(b.file, b.path)); b.file = b.path }, true},
		"another's copy, which is too": {false, func(b *setBack) { b.file = b.path }, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newSetBack(t)
			if c.empty {
				b.file = filepath.Join(t.TempDir(), "old.db")
				versionOne(t, b.file, func(*sqlx.DB) {})
			}
			must(t, b.s.Record(ctx, act, act, act))
			must(t, b.s.Close())
			before, from := last(b.path), int64(0)
			if !c.empty {
				from = last(b.file)
			}
			if from >= before {
				t.Fatalf("the store gave %d, the backup %d", before, from)
			}
			c.lay(b)
			if b.file == b.path {
				from = last(b.file)
			}
			b.restore(sqlite.StageOptions{Now: epoch})
			must(t, b.s.Record(ctx, act))
			want := before + 1
			if c.leap {
				want = from + 1<<32 + 1
			}
			if got := last(b.path); got != want {
				t.Errorf("the first record after it has number %d, want %d", got, want)
			}
		})
	}
}

func contents(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return text
}
