package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

// What changes the store is recorded there, in the same transaction. What
// merely fails is recorded here, later and within bounds: an attack must
// neither slow down refreshes nor fill the disk.
const (
	failureBurst  = 200
	failureEvery  = 100 * time.Millisecond // one more record for each that passes
	failuresWait  = 100 * time.Millisecond // for others, to be written in one transaction
	failuresTime  = 5 * time.Second        // for writing them
	unrecordedGap = 10 * time.Second       // between records that say how many there are none of
)

// failures are records on their way to the store. There are two: what anybody
// can cause must not keep out what takes a genuine token.
type failures struct {
	record func(context.Context, ...storage.Record) error
	now    func() time.Time
	log    *slog.Logger
	queue  chan storage.Record

	mu         sync.Mutex
	room       time.Duration // how much of the burst is left, in failureEvery
	filled     time.Time
	unrecorded int
}

func newFailures(record func(context.Context, ...storage.Record) error, now func() time.Time, log *slog.Logger) *failures {
	return &failures{record: record, now: now, log: log, queue: make(chan storage.Record, failureBurst), room: failureBurst * failureEvery, filled: time.Now()}
}

// note records a failure soon, or counts it. It never waits.
func (f *failures) note(ctx context.Context, r storage.Record) {
	r, err := r.Entered(ctx, f.now())
	if err == nil && f.admit() {
		select {
		case f.queue <- r:
			return
		default:
		}
	}
	f.missed(1)
}

// admit is a bucket that refills by the monotonic clock.
func (f *failures) admit() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.room, f.filled = min(f.room+now.Sub(f.filled), failureBurst*failureEvery), now
	if f.room < failureEvery {
		return false
	}
	f.room -= failureEvery
	return true
}

func (f *failures) missed(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unrecorded += n
}

// run writes records until ctx ends, and then what is left.
func (f *failures) run(ctx context.Context) {
	tick := time.NewTicker(unrecordedGap)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			for len(f.queue) > 0 {
				f.write(f.waiting())
			}
			f.write(f.rest())
			return
		case <-tick.C:
			f.write(f.rest())
		case r := <-f.queue:
			select {
			case <-time.After(failuresWait):
			case <-ctx.Done():
			}
			f.write(append([]storage.Record{r}, f.waiting()...))
		}
	}
}

func (f *failures) waiting() (records []storage.Record) {
	for range cap(f.queue) {
		select {
		case r := <-f.queue:
			records = append(records, r)
		default:
			return records
		}
	}
	return records
}

// rest says how many were not recorded since it was last asked.
func (f *failures) rest() []storage.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.unrecorded
	if f.unrecorded = 0; n == 0 {
		return nil
	}
	return []storage.Record{{At: f.now(), Event: storage.EventUnrecorded, Detail: storage.Detail{"count": n}}}
}

// write stores records. Those that cannot be stored are counted.
func (f *failures) write(records []storage.Record) {
	if len(records) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), failuresTime)
	defer cancel()
	if err := f.record(ctx, records...); err != nil {
		f.log.Warn("failures are not in the audit", "records", len(records), "error", err)
		for _, r := range records {
			n, ok := r.Detail["count"].(int)
			if r.Event != storage.EventUnrecorded || !ok {
				n = 1
			}
			f.missed(n)
		}
	}
}

// Run writes the audit's records of what fails until ctx ends, and then those
// that are left: end it after the last request and before the store.
func (s *Server) Run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { s.failures.run(ctx) })
	both.Go(func() { s.misuses.run(ctx) })
	both.Wait()
}

// fails records what failed, or is odd, in the room of its kind.
func (s *Server) fails(ctx context.Context, r storage.Record) {
	if r.Event.Kind() == storage.Failures {
		s.failures.note(ctx, r)
		return
	}
	s.misuses.note(ctx, r)
}

// signInFails records a sign-in that was refused. A name that nobody has is not
// recorded: it may be a password.
func (s *Server) signInFails(ctx context.Context, event storage.Event, user storage.User, why string) {
	ev := eventOf(ctx)
	r := storage.Record{Event: event, User: user.ID, Client: ev.client, Reason: why}
	if user.Name == "" {
		r.User = uuid.UUID{}
	}
	if ev.endpoint != "token" {
		r.Detail = storage.Detail{"endpoint": ev.endpoint}
	}
	s.fails(ctx, r)
}

// refreshFails records a refresh that was refused with invalid_grant, or one
// that was answered though it came from another address.
func (s *Server) refreshFails(ctx context.Context, event storage.Event, done storage.Refreshed, why string) {
	ev := eventOf(ctx)
	r := storage.Record{Event: event, User: done.Session.User, Client: ev.client, Session: done.Session.ID, Reason: why}
	if r.User == uuid.Nil {
		r.User = done.User.ID // who may have no session
	}
	if from := done.Before.LastAddress; from != "" && from != ev.act.Address {
		r.Detail = storage.Detail{"previous_address": from}
	}
	s.fails(ctx, r)
}
