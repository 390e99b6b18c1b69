package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

// lock takes the write lock as another process would.
func lock(t *testing.T, path string) (unlock func()) {
	t.Helper()
	db, err := sqlx.Open("sqlite3", sqlite.WriterDSN(path))
	must(t, err)
	t.Cleanup(func() { db.Close() })
	tx, err := db.Beginx()
	must(t, err)
	return func() { must(t, tx.Rollback()) }
}

func TestLockedByAnother(t *testing.T) {
	s, path := fresh(t)
	must(t, s.CreateUser(ctx, aUser("ada")))
	unlock := lock(t, path)

	brief, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := s.CreateUser(brief, aUser("impatient")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the impatient got %v", err)
	}
	if !exists(t, s, "ada") {
		t.Error("nothing can be read")
	}
	patient := make(chan error, 1)
	go func() { patient <- s.CreateUser(ctx, aUser("patient")) }()
	select {
	case err := <-patient:
		t.Fatalf("did not wait: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	unlock()
	released := time.Now()
	must(t, <-patient)
	if waited := time.Since(released); waited > time.Second {
		t.Errorf("took %v to notice", waited)
	}
	if exists(t, s, "impatient") {
		t.Error("was done although nobody waited when it was begun")
	}
}

func TestLockedForTooLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hallmark.db")
	var log syncBuffer
	s, err := sqlite.Open(ctx, path, slog.New(slog.NewTextHandler(&log, nil)))
	must(t, err)
	defer s.Close()
	must(t, s.SetLockWait(ctx, 30*time.Millisecond))
	unlock := lock(t, path)
	for range 3 {
		if err := s.Check(ctx); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("Check reports %v", err)
		}
	}
	unlock()
	must(t, s.Check(ctx))
	must(t, s.Check(ctx))
	if got := strings.Count(log.String(), "\n"); got != 2 {
		t.Errorf("logged %d lines for one outage:\n%s", got, &log)
	}
}

// syncBuffer is written to by the writer's goroutine.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// The writer lets go of its lock for a millisecond after sixteen transactions.
// Who comes later than that does not notice.
func TestPausesForOthers(t *testing.T) {
	for rest, paused := range map[time.Duration]time.Duration{0: 2 * time.Millisecond, time.Millisecond: 0} {
		inBubble(t, func(t *testing.T, s *sqlite.Store, path string) {
			began := time.Now()
			for range 40 {
				must(t, s.Check(ctx))
				time.Sleep(rest)
			}
			if got := time.Since(began) - 40*rest; got != paused {
				t.Errorf("resting for %v, it paused for %v, want %v", rest, got, paused)
			}
		})
	}
}

// Beside a server that never rests, another process gets its turn.
func TestNobodyStarves(t *testing.T) {
	const writes = 40
	server, path := fresh(t)
	l := newLogin(t, server)
	operator := reopen(t, path)
	stop, cancel := context.WithCancel(ctx)
	var g sync.WaitGroup
	for range 32 {
		g.Go(func() {
			for stop.Err() == nil {
				if _, err := server.CreateSession(ctx, l.session()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var worst time.Duration
	for i := range writes {
		began := time.Now()
		must(t, operator.CreateUser(ctx, aUser(fmt.Sprint("user", i))))
		worst = max(worst, time.Since(began))
	}
	cancel()
	g.Wait()
	t.Logf("the operator waited for %v at most", worst)
	if worst > 2*time.Second {
		t.Errorf("the operator waited for %v", worst)
	}
}

func TestQueueIsBounded(t *testing.T) {
	s, _ := fresh(t)
	commits := countCommits(t, s)
	h := hold(t, s)
	h.joinAll(sqlite.MaxQueue, func(i int) error { return s.CreateUser(ctx, aUser(fmt.Sprint("user", i))) })
	if err := s.CreateUser(ctx, aUser("too many")); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	h.release()
	h.committed()
	if n, want := commits.Load(), int64(1+sqlite.MaxQueue/sqlite.MaxBatch); n != want {
		t.Errorf("%d transactions, want %d: a batch is bounded", n, want)
	}
	must(t, s.CreateUser(ctx, aUser("again")))
}

// Close answers what was accepted, after it was committed.
func TestCloseDrains(t *testing.T) {
	s, path := fresh(t)
	h := hold(t, s)
	h.joinAll(300, func(i int) error { return s.CreateUser(ctx, aUser(fmt.Sprint("user", i))) })
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	brief, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for err := error(nil); !errors.Is(err, storage.ErrUnavailable); { // until Close has begun
		once, leave := context.WithTimeout(brief, time.Millisecond)
		err = s.CreateUser(once, aUser("late"))
		leave()
		must(t, brief.Err())
	}
	h.release()
	h.committed()
	must(t, <-closed)
	if n := scalar[int](t, path, "SELECT count(*) FROM users"); n != 300 {
		t.Errorf("%d users of 300", n)
	}
}

// A connection that is beyond repair is replaced.
func TestLostConnection(t *testing.T) {
	s, _ := fresh(t)
	h := hold(t, s)
	before := h.join(func() error { return s.CreateUser(ctx, aUser("before")) })
	h.join(func() error { return s.OnWriter(ctx, func(c *sqlite3.SQLiteConn) { c.Close() }) })
	h.release()
	if err := <-before; err == nil {
		t.Error("committed")
	}
	must(t, s.CreateUser(ctx, aUser("after")))
	must(t, s.Do(ctx, func(q sqlstore.Querier) error {
		assertPragmas(t, q, map[string]string{"synchronous": "2", "foreign_keys": "1"})
		return nil
	}))
}

// Damage that concerns everybody does not look like an answer to somebody: a
// token is not unknown because the counter is.
func TestLostServiceTime(t *testing.T) {
	s, _ := fresh(t)
	l := newLogin(t, s)
	token := l.open(t, 1)[0]
	must(t, s.Do(ctx, func(q sqlstore.Querier) error {
		_, err := q.ExecContext(ctx, "DELETE FROM service_time")
		return err
	}))
	_, err := s.RotateSession(ctx, l.refresh(token))
	if err == nil || errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a refresh reports %v", err)
	}
	if err := s.Check(ctx); err == nil {
		t.Error("Check is content")
	}
}
