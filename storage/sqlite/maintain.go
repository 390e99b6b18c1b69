package sqlite

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

const (
	sweepSlice    = 200                    // sessions looked at in one step of the walk
	sweepWalk     = time.Hour              // how long a walk takes,
	sweepSlowest  = 24 * time.Hour         // and may take, so that
	sweepAtLeast  = 250 * time.Millisecond // its steps are this far apart
	sweepPatience = time.Minute            // after a step that failed
)

// Maintain advances the service time at each beat and removes sessions and spent
// tokens whose time is over and records that are too many, until ctx ends or the
// store is closed. The process that serves runs it; an operator's command does
// not live long enough.
func (s *Store) Maintain(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var g sync.WaitGroup
	g.Go(func() { s.beats(ctx) })
	g.Go(func() { s.sweep(ctx, spacing) })
	g.Go(func() { s.retain(ctx) })
	g.Go(func() { s.forget(ctx) })
	g.Go(func() {
		select {
		case <-s.closing:
			cancel()
		case <-ctx.Done():
		}
	})
	g.Wait()
}

func (s *Store) beats(ctx context.Context) {
	tick := time.NewTicker(storage.Beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.beat(ctx) // the writer logs what is wrong with it
		}
	}
}

// sweep walks the table by primary key, round and round. It begins anywhere,
// so that restarts do not keep it from the end of a big table.
func (s *Store) sweep(ctx context.Context, spacing func(from, to storage.SessionID) time.Duration) {
	at, failing := anywhere(), false
	for {
		next, removed, err := s.SweepSessions(ctx, at, sweepSlice, time.Now())
		wait := sweepPatience
		switch {
		case err == nil:
			wait, at = spacing(at, next), next
			if removed > 0 {
				s.log.Debug("storage/sqlite: sessions that were over are removed", "sessions", removed)
			}
		case ctx.Err() != nil:
			return
		case !failing:
			s.log.Error("storage/sqlite: sessions that are over cannot be removed", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// spacing is how long to wait after a slice. Ids are hashes, so the distance
// between two of them tells which share of the table lies there; the shares of
// a walk add up to one, and the pauses to an hour. A table so big that its
// slices would come too thick gets more time, up to a day.
func spacing(from, to storage.SessionID) time.Duration {
	share := 1 - position(from)
	if to != (storage.SessionID{}) {
		share = position(to) - position(from)
	}
	wait := time.Duration(share * float64(sweepWalk))
	return max(wait, min(sweepAtLeast, time.Duration(share*float64(sweepSlowest))))
}

// position is where in the order of all ids one stands: in [0, 1].
func position(id storage.SessionID) float64 {
	return float64(binary.BigEndian.Uint64(id[:8])) / math.MaxUint64
}

func anywhere() (id storage.SessionID) {
	binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	return id
}
