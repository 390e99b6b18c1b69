package storagetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

func replicaCases() map[string]func(*store) {
	return map[string]func(*store){
		"a replica is found as it reported":      replicasKept,
		"a report takes the place of the former": replicasReported,
		"replicas are listed by id":              replicasListed,
		"the store says when one was seen":       replicasSeen,
		"who reports no more is forgotten":       replicasForgotten,
		"as many are kept as reported last":      replicasBounded,
		"a replica that ended is gone":           replicasRemoved,
		"replicas report at once":                replicasTogether,
	}
}

func (s *store) aReplica(name string, v storage.Version) storage.Replica {
	return storage.Replica{ID: uuid.New(), Name: name, Version: v, AdoptedAt: s.now.Add(-time.Hour), SeenAt: s.now}
}

func (s *store) addReplica(name string, v storage.Version) storage.Replica {
	s.Helper()
	r := s.aReplica(name, v)
	s.must(s.ReportReplica(s.Context(), r))
	return r
}

func byID(replicas ...storage.Replica) []storage.Replica {
	slices.SortFunc(replicas, func(a, b storage.Replica) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return replicas
}

// replicas expects who is listed, but for when the store has seen them.
func (s *store) replicas(want ...storage.Replica) {
	s.Helper()
	got, err := s.Replicas(s.Context())
	s.must(err)
	for i := range got {
		got[i].Seen = 0
	}
	want = byID(slices.Clone(want)...)
	for i := range want {
		want[i].Seen = 0
	}
	if len(got) != len(want) {
		s.Fatalf("%d replicas, want %d", len(got), len(want))
	}
	s.equal(got, want)
}

func replicasKept(s *store) {
	s.replicas()
	full, plain := s.aReplica(`web-1 "é" 山`, 1<<62), storage.Replica{Name: strings.Repeat("z", 200)}
	full.ID = uuid.Max
	full.AdoptedAt = time.Date(2026, 11, 23, 9, 0, 0, 123_456_999, time.FixedZone("east", 3600))
	full.SeenAt = full.AdoptedAt.Add(time.Minute)
	for _, r := range []storage.Replica{full, plain} {
		s.must(s.ReportReplica(s.Context(), r))
	}
	full.AdoptedAt, full.SeenAt = whole(full.AdoptedAt), whole(full.SeenAt)
	for range 2 {
		s.replicas(full, plain)
		got, err := s.Replicas(s.Context())
		s.must(err)
		if at := got[1].SeenAt; at.Location() != time.UTC || !got[0].SeenAt.IsZero() {
			s.Errorf("the times are %v and %v", at, got[0].SeenAt)
		}
		s.reopen()
	}
}

func replicasReported(s *store) {
	one, two := s.addReplica("one", 3), s.addReplica("two", 3)
	one.Name, one.Version, one.AdoptedAt, one.SeenAt = "renamed", 4, s.now, s.now.Add(time.Second)
	for range 2 {
		s.must(s.ReportReplica(s.Context(), one))
		s.replicas(one, two)
	}
	one.Version, one.SeenAt = 2, s.now.Add(-time.Hour) // whatever it says
	s.must(s.ReportReplica(s.Context(), one))
	s.replicas(one, two)
	s.reopen()
	s.replicas(one, two)
}

func replicasListed(s *store) {
	var all []storage.Replica
	for i := range 20 {
		all = append(all, s.addReplica(fmt.Sprint(20-i), 1))
	}
	s.replicas(all...)
}

// A process whose clock is wrong, or who lies, is seen when it was seen.
func replicasSeen(s *store) {
	r := s.aReplica("one", 1)
	for _, says := range []storage.ServiceTime{0, 1 << 60, -1} {
		s.AddService(time.Hour)
		before, err := s.ServiceTime(s.Context())
		s.must(err)
		r.Seen = says
		s.must(s.ReportReplica(s.Context(), r))
		after, err := s.ServiceTime(s.Context())
		s.must(err)
		got, err := s.Replicas(s.Context())
		s.must(err)
		if len(got) != 1 || got[0].Seen < before || got[0].Seen > after {
			s.Fatalf("seen at %+v, not between %d and %d", got, before, after)
		}
	}
}

func replicasForgotten(s *store) {
	const margin = time.Hour // more than the suite takes
	dead := s.addReplica("dead", 1)
	s.now = s.now.Add(100 * storage.KeepReplica) // clocks may be wrong
	late := s.addReplica("late", 1)
	s.AddService(storage.KeepReplica - margin)
	s.must(s.ReportReplica(s.Context(), late))
	s.replicas(dead, late)
	s.AddService(margin)
	s.replicas(dead, late) // looking removes nothing
	also := s.addReplica("also", 1)
	for range 2 {
		s.replicas(late, also)
		s.reopen()
	}
	s.AddService(storage.KeepReplica)
	s.must(s.ReportReplica(s.Context(), also))
	s.replicas(also)
	s.must(s.ReportReplica(s.Context(), dead)) // it was only asleep
	s.replicas(also, dead)
}

// A process that begins again and again leaves no more than fit.
func replicasBounded(s *store) {
	old := s.addReplica("old", 1)
	s.AddService(time.Minute)
	var all []storage.Replica
	for i := range storage.MaxReplicas - 1 {
		all = append(all, s.addReplica(fmt.Sprint(i), 1))
	}
	s.replicas(append(all, old)...)
	s.AddService(time.Minute)
	s.must(s.ReportReplica(s.Context(), all[7]))
	s.replicas(append(all, old)...) // it was there already
	all = append(all, s.addReplica("one more", 1))
	s.replicas(all...) // without the one seen longest ago
	s.must(s.ReportReplica(s.Context(), old))
	got, err := s.Replicas(s.Context())
	s.must(err)
	if len(got) != storage.MaxReplicas {
		s.Fatalf("%d are kept", len(got))
	}
	for _, last := range []storage.Replica{old, all[7], all[len(all)-1]} {
		if !slices.ContainsFunc(got, func(r storage.Replica) bool { return r.ID == last.ID }) {
			s.Errorf("%s, which reported last, is gone", last.Name)
		}
	}
}

func replicasRemoved(s *store) {
	one, two := s.addReplica("one", 1), s.addReplica("two", 1)
	s.wants(storage.ErrNotFound, s.RemoveReplica(s.Context(), uuid.New()))
	s.must(s.RemoveReplica(s.Context(), one.ID))
	for range 2 {
		s.replicas(two)
		s.wants(storage.ErrNotFound, s.RemoveReplica(s.Context(), one.ID))
		s.reopen()
	}
	s.must(s.ReportReplica(s.Context(), one))
	s.replicas(one, two)
}

func replicasTogether(s *store) {
	all := make([]storage.Replica, 20)
	for i := range all {
		all[i] = s.aReplica(fmt.Sprint(i), 1)
	}
	errs := parallelOnly(len(all), func(i int) error {
		for v := range 5 {
			all[i].Version = storage.Version(v + 1)
			if err := s.ReportReplica(s.Context(), all[i]); err != nil {
				return err
			}
		}
		return nil
	})
	s.allOf(errs, nil)
	s.replicas(all...)
}
