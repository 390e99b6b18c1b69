package sqlite_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// inBubble opens a store whose time is the test's own.
func inBubble(t *testing.T, test func(t *testing.T, s *sqlite.Store, path string)) {
	path := filepath.Join(t.TempDir(), "hallmark.db")
	synctest.Test(t, func(t *testing.T) {
		s := reopen(t, path)
		defer s.Close()
		test(t, s, path)
	})
}

func stored(t *testing.T, path string) storage.ServiceTime {
	t.Helper()
	return scalar[storage.ServiceTime](t, path, "SELECT reading FROM service_time")
}

func TestServiceTimeBeginsAtOne(t *testing.T) {
	inBubble(t, func(t *testing.T, s *sqlite.Store, path string) {
		at, err := s.ServiceTime(ctx)
		must(t, err)
		if at != 1 || stored(t, path) != 1 {
			t.Errorf("reads %d, stores %d", at, stored(t, path))
		}
	})
}

// Every committed write stores the time that passed; what only reads computes
// it and counts on from the same base.
func TestServiceTimeIsWrittenWithWrites(t *testing.T) {
	inBubble(t, func(t *testing.T, s *sqlite.Store, path string) {
		l := newLogin(t, s)
		began := stored(t, path)
		at := func(d time.Duration) {
			t.Helper()
			time.Sleep(time.Second)
			now, err := s.ServiceTime(ctx)
			must(t, err)
			if now != began.Add(d) {
				t.Errorf("reads %v after %v", now.Sub(began), d)
			}
		}
		at(1 * time.Second)
		_, err := s.RotateSession(ctx, l.refresh(storage.NewRefreshToken())) // reads, in the writer
		if err == nil || stored(t, path) != began {
			t.Error("a batch of reads stored a time")
		}
		at(2 * time.Second)
		must(t, s.CreateUser(ctx, aUser("bob")))
		if stored(t, path) != began.Add(2*time.Second) {
			t.Errorf("stored %v", stored(t, path).Sub(began))
		}
		at(3 * time.Second)
	})
}

// What was computed and not stored is nothing to count on from: while nothing
// can be written, time stands still after two beats.
func TestServiceTimeNeedsToBeStored(t *testing.T) {
	inBubble(t, func(t *testing.T, s *sqlite.Store, path string) {
		l := newLogin(t, s)
		for range 5 {
			time.Sleep(8 * time.Second)
			_, err := s.RotateSession(ctx, l.refresh(storage.NewRefreshToken())) // a batch of reads
			if err == nil {
				t.Error("an unknown token is good")
			}
		}
		now, err := s.ServiceTime(ctx)
		must(t, err)
		if now != storage.ServiceTime(1).Add(2*storage.Beat) {
			t.Errorf("reads %v", now.Sub(1))
		}
	})
}

// Time that nobody was there for does not count, and neither does more than
// two beats at once.
func TestServiceTimeStandsStill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hallmark.db")
	synctest.Test(t, func(t *testing.T) {
		s := reopen(t, path)
		time.Sleep(time.Hour) // nobody beats
		must(t, s.Check(ctx))
		if got := stored(t, path); got != storage.ServiceTime(1).Add(2*storage.Beat) {
			t.Errorf("an hour without a beat counts for %v", got.Sub(1))
		}
		must(t, s.Close())
		time.Sleep(time.Hour)
		s = reopen(t, path)
		must(t, s.Check(ctx))
		if got := stored(t, path); got != storage.ServiceTime(1).Add(2*storage.Beat) {
			t.Errorf("the outage counts: %v", got.Sub(1))
		}
		must(t, s.Close())
	})
}

// Two processes advance one counter no faster than time passes.
func TestServiceTimeIsShared(t *testing.T) {
	inBubble(t, func(t *testing.T, a *sqlite.Store, path string) {
		b := reopen(t, path)
		defer b.Close()
		for range 10 {
			time.Sleep(time.Second)
			must(t, a.Check(ctx))
			time.Sleep(time.Second)
			must(t, b.Check(ctx))
		}
		if got := stored(t, path).Sub(1); got != 20*time.Second {
			t.Errorf("20 s count for %v", got)
		}
	})
}

// Rotations are dated by their own transaction, so that the window runs in
// service time from the rotation.
func TestRotationReadsServiceTime(t *testing.T) {
	inBubble(t, func(t *testing.T, s *sqlite.Store, path string) {
		l := newLogin(t, s)
		token := l.open(t, 1)[0]
		time.Sleep(3 * time.Second)
		out, err := s.RotateSession(ctx, l.refresh(token))
		must(t, err)
		if want := storage.ServiceTime(1).Add(3 * time.Second); out.Session.RotatedAt != want || stored(t, path) != want {
			t.Errorf("rotated at %d, stored %d, want %d", out.Session.RotatedAt, stored(t, path), want)
		}
		must(t, s.Advance(ctx, storage.DefaultRetryWindow-time.Second))
		again, err := s.RotateSession(ctx, l.refresh(token))
		must(t, err)
		if again.Outcome != storage.Retried || again.Token.Reveal() != out.Token.Reveal() {
			t.Errorf("a second before the end of the window: %s", again.Outcome)
		}
		time.Sleep(time.Second)
		if _, err = s.RotateSession(ctx, l.refresh(token)); err == nil {
			t.Error("retried after the window")
		}
	})
}

// What does not write does not touch the disk.
func TestBatchOfReadsWritesNothing(t *testing.T) {
	s, path := fresh(t)
	l := newLogin(t, s)
	token := l.open(t, 1)[0]
	_, err := s.RotateSession(ctx, l.refresh(token))
	must(t, err)
	before, err := os.ReadFile(path + "-wal")
	must(t, err)
	parallel(t, 100, func(int) error {
		_, err := s.RotateSession(ctx, l.refresh(token))
		return err
	})
	if _, err := s.RotateSession(ctx, l.refresh(storage.NewRefreshToken())); err == nil {
		t.Error("an unknown token is good")
	}
	if err := s.Rehash(ctx, l.user.ID, "another", "next"); err == nil {
		t.Error("rehashed")
	}
	after, err := os.ReadFile(path + "-wal")
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the log was written")
	}
	must(t, s.CreateUser(ctx, aUser("bob")))
	if after, _ = os.ReadFile(path + "-wal"); bytes.Equal(before, after) {
		t.Error("a write does not show: the comparison is blind")
	}
}
