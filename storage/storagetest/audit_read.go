package storagetest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// recordEach adds one record of each event.
func (s *store) recordEach(events ...storage.Event) {
	s.Helper()
	for _, e := range events {
		s.must(s.Record(s.Context(), storage.Record{At: s.now, Event: e}))
	}
}

func auditSpan(s *store) {
	for range 9 {
		s.recordEach(storage.EventUserAdd)
	}
	for _, c := range []struct {
		span        storage.Span
		first, last int64
	}{
		{storage.Span{Limit: 100}, 1, 9},
		{storage.Span{Limit: 3}, 1, 3},
		{storage.Span{Limit: 3, Newest: true}, 7, 9},
		{storage.Span{After: 4, Limit: 3}, 5, 7},
		{storage.Span{Before: 5, Limit: 3, Newest: true}, 2, 4},
		{storage.Span{After: 2, Before: 5, Limit: 9}, 3, 4},
		{storage.Span{After: 2, Before: 5, Limit: 1, Newest: true}, 4, 4},
		{storage.Span{After: 9, Limit: 9}, 1, 0},
		{storage.Span{Before: 1, Limit: 9, Newest: true}, 1, 0},
		{storage.Span{}, 1, 0},
		{storage.Span{Limit: -1, Newest: true}, 1, 0},
	} {
		got, err := s.Records(s.Context(), c.span)
		s.must(err)
		if len(got) != int(c.last-c.first)+1 || len(got) > 0 && (got[0].Number != c.first || got[len(got)-1].Number != c.last) {
			s.Errorf("%+v: %v", c.span, got)
		}
	}
}

func auditNumbers(s *store) {
	s.recordEach(storage.EventUserAdd, storage.EventSignIn, storage.EventSignInFailed, storage.EventSignInFailed)
	n, err := s.SweepRecords(s.Context(), storage.Retention{Age: time.Hour, Rows: 100}, 10, s.now.Add(2*time.Hour))
	s.must(err)
	if n != 4 || s.last() != 0 {
		s.Fatalf("%d removed, the last is %d", n, s.last())
	}
	s.reopen()
	_, _ = s.CreateUser(s.Context(), s.aUser("ada")), s.CreateUser(s.Context(), s.aUser("ada")) // the second is refused
	s.recordEach(storage.EventUserAdd)
	if got := s.records(0); len(got) != 2 || got[0].Number != 5 || got[1].Number != 6 {
		s.Errorf("%v", got)
	}
}

// auditAge: what is older than the age goes, and with it what was recorded
// before that, whatever its clock said.
func auditAge(s *store) {
	for _, ago := range []time.Duration{100, 80, -500, 60, 59, 40, 61} {
		s.must(s.Record(s.Context(), storage.Record{At: s.now.Add(-ago * time.Hour), Event: storage.EventSignInFailed}))
		s.must(s.Record(s.Context(), storage.Record{At: s.now.Add(-ago * time.Hour / 2), Event: storage.EventUserAdd}))
	}
	keep := storage.Retention{Age: 60 * time.Hour, Rows: 300}
	for step, want := range []int{2, 5, 0} { // the second sees the last of them
		n, err := s.SweepRecords(s.Context(), keep, 5, s.now)
		s.must(err)
		if n != want {
			s.Errorf("step %d removes %d, want %d", step, n, want)
		}
	}
	if got := names(s.records(0)); got != strings.TrimSpace(strings.Repeat("user.add ", 7)) {
		s.Errorf("left: %s", got)
	}
}

func auditRows(s *store) {
	s.recordEach(storage.EventUserAdd, storage.EventUserAdd, storage.EventSignIn)
	for range 20 {
		s.recordEach(storage.EventSignInFailed)
	}
	s.recordEach(storage.EventSignIn, storage.EventSignIn, storage.EventSignIn)
	n, err := s.SweepRecords(s.Context(), storage.Retention{Age: time.Hour, Rows: 9}, 100, s.now)
	s.must(err)
	var got []int64
	for _, r := range s.records(0) {
		got = append(got, r.Number)
	}
	if n != 18 {
		s.Errorf("%d removed", n)
	}
	s.equal(got, []int64{1, 2, 21, 22, 23, 24, 25, 26})
}

func auditSlice(s *store) {
	for range 10 {
		s.recordEach(storage.EventSignInFailed, storage.EventUserAdd)
	}
	for left := 20; left > 0; {
		n, err := s.SweepRecords(s.Context(), storage.Retention{Age: time.Hour, Rows: 9}, 3, s.now.Add(2*time.Hour))
		s.must(err)
		if left -= n; n < 1 || n > 6 || len(s.records(0)) != left {
			s.Fatalf("%d removed, %d left", n, len(s.records(0)))
		}
	}
	n, err := s.SweepRecords(s.Context(), storage.Retention{}, 0, s.now)
	s.must(err)
	if n != 0 {
		s.Errorf("%d removed of none", n)
	}
}

// auditOrder: what is done before something else has the lower number, by
// however many it is done; a reader that goes on where it was misses nothing.
func auditOrder(s *store) {
	const writers, each = 8, 20
	done := make(chan struct{})
	var seen []int64
	read := make(chan error, 1)
	go func() {
		read <- func() error {
			for after, ended := int64(0), false; ; {
				got, err := s.Records(context.Background(), storage.Span{After: after, Limit: 7})
				if err != nil {
					return err
				}
				for _, r := range got {
					seen = append(seen, r.Number)
					after = r.Number
				}
				if ended && len(got) == 0 {
					return nil
				}
				select {
				case <-done:
					ended = true
				default:
				}
			}
		}()
	}()
	errs := parallelOnly(writers, func(i int) error {
		for range each {
			if err := s.Record(s.Context(), storage.Record{At: s.now, Event: storage.EventSignIn}); err != nil {
				return err
			}
		}
		return nil
	})
	close(done)
	s.must(<-read)
	s.allOf(errs, nil)
	if len(seen) != writers*each || !slices.IsSorted(seen) || len(slices.Compact(slices.Clone(seen))) != len(seen) {
		s.Errorf("%d records were seen: %v", len(seen), seen)
	}
}
