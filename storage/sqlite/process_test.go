package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// roleVariable has this binary play a part in a test instead of running tests.
const roleVariable = "HALLMARK_SQLITE_TEST_ROLE"

func TestMain(m *testing.M) {
	roles := map[string]func(path string) error{
		"open": openAndLeave, "storm": storm, "cramped": cramped,
		"storm without syncs": stormWithoutSyncs, "storm that answers early": stormEarly,
		"backup": backupBeside, "backup-cramped": backupCramped, "hold-open": openUntilTold,
	}
	if role, path, ok := strings.Cut(os.Getenv(roleVariable), "@"); ok {
		if err := roles[role](path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is a process that plays a role on a database.
func child(t testing.TB, role, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	c := exec.Command(self)
	c.Env = append(os.Environ(), roleVariable+"="+role+"@"+path)
	c.Stderr = os.Stderr
	return c
}

func openAndLeave(path string) error {
	s, err := sqlite.Open(ctx, path, quiet)
	if err != nil {
		return err
	}
	if err := s.CreateUser(ctx, aUser(fmt.Sprint("user", os.Getpid()))); err != nil {
		return err
	}
	return s.Close()
}

// Whoever comes first makes the database; nobody fails.
func TestProcessesOpenANewFileAtOnce(t *testing.T) {
	const processes = 8
	path := filepath.Join(t.TempDir(), "hallmark.db")
	var g sync.WaitGroup
	for range processes {
		c := child(t, "open", path)
		g.Go(func() {
			if out, err := c.Output(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	g.Wait()
	users, err := reopen(t, path).Users(ctx, "", 100)
	must(t, err)
	if len(users) != processes {
		t.Errorf("%d users of %d", len(users), processes)
	}
	if v := scalar[int](t, path, "PRAGMA user_version"); v != len(sqlite.Scripts()) {
		t.Errorf("schema %d", v)
	}
}

// One who may not write is told so, and who has to be able to.
func TestOpenWithoutPermission(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become nobody")
	}
	self, err := os.Executable()
	must(t, err)
	binary, err := os.ReadFile(self)
	must(t, err)
	for name, mode := range map[string]os.FileMode{"unreadable": 0o600, "read-only": 0o644} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "hallmark") // t.TempDir is inside a directory of root's
			must(t, err)
			t.Cleanup(func() { os.RemoveAll(dir) })
			must(t, os.Chmod(dir, 0o755))
			program, path := filepath.Join(dir, "test"), filepath.Join(dir, "hallmark.db")
			must(t, os.WriteFile(program, binary, 0o755))
			must(t, reopen(t, path).Close())
			must(t, os.Chmod(path, mode))
			c := child(t, "open", path)
			c.Path = program
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			out, err := c.Output()
			if err == nil {
				t.Fatal("opened")
			}
			if s := strings.TrimSpace(string(out)); strings.Contains(s, "\n") ||
				!strings.Contains(s, "the user that runs hallmark must be able to read and write the file and its directory") {
				t.Errorf("said %q", s)
			}
		})
	}
}

// storm opens sessions and refreshes them without end, and prints each token
// that was answered, after the number of its lineage.
func storm(path string) error {
	s, err := sqlite.Open(ctx, path, quiet)
	if err != nil {
		return err
	}
	return stormOn(s, s.RotateSession)
}

func stormOn(s *sqlite.Store, rotate func(context.Context, storage.Refresh) (storage.Refreshed, error)) error {
	go s.Maintain(ctx)
	u, err := s.UserByName(ctx, "ada")
	if err != nil {
		return err
	}
	c, err := s.ClientByID(ctx, "strict")
	if err != nil {
		return err
	}
	l := login{s: s, user: u, client: c}
	var mu sync.Mutex
	say := func(lineage int, token storage.RefreshToken) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(lineage, token.Reveal())
	}
	var g sync.WaitGroup
	for i := range 16 {
		g.Go(func() {
			for lineage := i; ; lineage += 16 {
				n := l.session()
				if _, err := s.CreateSession(ctx, n); err != nil {
					return
				}
				say(lineage, n.Token)
				for token := n.Token; ; {
					out, err := rotate(ctx, l.refresh(token))
					if err != nil {
						return
					}
					token = out.Token
					say(lineage, token)
					if token.Generation() == 20 {
						break
					}
				}
			}
		})
	}
	g.Wait()
	return nil
}

// kill -9 in the middle of everything loses nothing that was answered: the last
// token of every lineage is good afterwards.
func TestKilledProcessKeepsItsWord(t *testing.T) {
	t.Parallel()
	path := readyForStorm(t)
	last := map[string]storage.RefreshToken{} // by lineage, what was answered
	for range 3 {
		readUntilKilled(t, child(t, "storm", path), 1500, last)
	}
	for _, loss := range losses(t, path, last) {
		t.Error(loss)
	}
	if len(last) < 50 {
		t.Fatalf("only %d lineages", len(last))
	}
}

// readyForStorm makes a store with what a storm needs.
func readyForStorm(t *testing.T) (path string) {
	t.Helper()
	s, path := fresh(t)
	must(t, s.CreateUser(ctx, aUser("ada")))
	c := aClient("strict")
	c.RetryWindow = 0 // so that every refresh rotates
	_, err := s.CreateClient(ctx, c)
	must(t, err)
	must(t, s.Close())
	return path
}

// readUntilKilled collects lines of a storm and kills it after so many. What
// it said before it died counts as answered as well.
func readUntilKilled(t *testing.T, c *exec.Cmd, lines int, last map[string]storage.RefreshToken) {
	t.Helper()
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	prefix := fmt.Sprint(c.Process.Pid, "/")
	in := bufio.NewScanner(out)
	for n := 0; in.Scan(); n++ {
		if n == lines {
			must(t, c.Process.Kill())
		}
		lineage, text, _ := strings.Cut(in.Text(), " ")
		token, err := storage.ParseRefreshToken(text)
		if err != nil {
			continue // the last line may be cut
		}
		last[prefix+lineage] = token
	}
	c.Wait()
}

// losses presents every token after a crash and tells what was lost. A rotation
// that was committed and not answered makes a token the previous one: its row
// is one generation further, and a client that retries within its window would
// get the successor. What is good is refreshed once, and so it is in last.
func losses(t *testing.T, path string, last map[string]storage.RefreshToken) (found []string) {
	t.Helper()
	lost := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	s, err := sqlite.Open(ctx, path, quiet)
	if err != nil {
		lost("%v", err)
		return found
	}
	defer s.Close()
	if verdict := scalar[string](t, path, "PRAGMA integrity_check"); verdict != "ok" {
		lost("integrity: %s", verdict)
	}
	c, err := s.ClientByID(ctx, "strict")
	if err != nil {
		lost("the client: %v", err)
		return found
	}
	l, unanswered := login{s: s, client: c}, 0
	rows := generations(t, s)
	for lineage, token := range last {
		switch row, ok := rows[token.SessionID()]; {
		case !ok:
			lost("lineage %s: the session is gone", lineage)
		case row == token.Generation():
			next, err := s.RotateSession(ctx, l.refresh(token))
			if err != nil {
				lost("lineage %s: %v", lineage, err)
			}
			last[lineage] = next.Token
		case row == token.Generation()+1:
			unanswered++
		default:
			lost("lineage %s: answered generation %d, the row has %d", lineage, token.Generation(), row)
		}
	}
	if unanswered > 3*16 {
		lost("%d rotations were not answered, more than were under way", unanswered)
	}
	return found
}

func generations(t *testing.T, s *sqlite.Store) map[storage.SessionID]uint32 {
	t.Helper()
	rows, err := s.Readers().QueryContext(ctx, "SELECT id, generation FROM sessions")
	must(t, err)
	defer rows.Close()
	found := map[storage.SessionID]uint32{}
	for rows.Next() {
		var id []byte
		var generation uint32
		must(t, rows.Scan(&id, &generation))
		found[storage.SessionID(id)] = generation
	}
	must(t, rows.Err())
	return found
}
