package operator

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
)

// A Timetable is the stored key ring as it is now, and who goes by it.
type Timetable struct {
	Now      time.Time
	Version  storage.Version
	Schedule keys.Schedule
	Keys     []KeyState // line by line, the default line first, in the order in which they sign
	Replicas []ReplicaState
}

// A ReplicaState is a server process and how it stands to the stored ring.
type ReplicaState struct {
	storage.Replica
	State Standing
}

// Standing is how a process stands to the stored ring.
type Standing string

// How processes stand to the ring.
const (
	Current Standing = "current" // it goes by the stored version
	Behind  Standing = "behind"  // it has not loaded that yet
	Silent  Standing = "silent"  // it should have reported since, whatever it goes by
)

// Timetable returns all keys, the records of revoked ones among them, with
// their timetable, and the processes that serve, by name.
func (o *Operator) Timetable(ctx context.Context) (Timetable, error) {
	ring, now, err := o.Keys.View(ctx)
	if err != nil {
		return Timetable{}, fmt.Errorf("list keys: %w", err)
	}
	t := Timetable{Now: now.Wall, Version: ring.Version(), Schedule: ring.Schedule()}
	for _, k := range ring.Keys() {
		t.Keys = append(t.Keys, KeyState{k, ring.State(k, now), ring.Life(k, now)})
	}
	if o.Replicas == nil {
		return t, nil
	}
	replicas, err := o.Replicas(ctx) // after the ring, or one would seem to be behind that was faster
	if err != nil {
		return Timetable{}, fmt.Errorf("list replicas: %w", err)
	}
	for _, r := range replicas {
		t.Replicas = append(t.Replicas, ReplicaState{r, standing(r, ring, now)})
	}
	slices.SortStableFunc(t.Replicas, func(a, b ReplicaState) int { return cmp.Compare(a.Name, b.Name) })
	return t, nil
}

// silentAfter is how long a process may be silent: two reports may get lost.
const silentAfter = 3 * keys.ReportEvery

// standing goes by the time in service, which tells of a process that ended
// beside others, and by the clock, which tells when all of them have.
func standing(r storage.Replica, ring keys.Ring, now keys.Instant) Standing {
	switch {
	case now.Service.Sub(r.Seen) > silentAfter, now.Wall.Sub(r.SeenAt) > silentAfter+ring.Schedule().Skew:
		return Silent
	case r.Version < ring.Version():
		return Behind
	}
	return Current
}
