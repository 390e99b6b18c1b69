package keys

import (
	"slices"
	"time"
)

// late is when the first keys have come and gone.
func (s *sim) late() bool { return s.now > 2*s.plan.schedule.RotateEvery }

func brokenTimetables() []simBroken {
	kept := map[string]Key{}
	return []simBroken{
		{lawAnnounced, "new keys sign at once", each(func(s *sim, k *Key, _ Ring) {
			if s.late() && k.ReadyAt != 0 && k.PublishedAt.After(s.wall(-time.Minute)) {
				k.SignsFrom, k.ReadyAt = k.PublishedAt, 0
			}
		})},
		{lawAnnounced, "an outage counts as service", each(func(_ *sim, k *Key, _ Ring) {
			if k.ReadyAt != 0 {
				k.SignsFrom, k.ReadyAt = k.PublishedAt.Add(60*time.Second), 0
			}
		})},
		{lawVerifies, "retired keys go too early", each(func(s *sim, k *Key, _ Ring) {
			if k.keptUntil != 0 {
				k.GoneAt, k.keptUntil = k.SignsFrom.Add(s.plan.schedule.RotateEvery+30*time.Second), 1
			}
		})},
		{lawKept, "private halves are dropped at retirement", each(func(_ *sim, k *Key, _ Ring) {
			if !k.GoneAt.IsZero() {
				k.private = nil
			}
		})},
		{lawDropped, "private halves are kept", each(func(_ *sim, k *Key, _ Ring) {
			if was, ok := kept[k.ID]; ok && !k.revoked() {
				k.private = was.private
			}
			if k.usable() {
				kept[k.ID] = *k
			}
		})},
		{lawSigns, "a line goes", simBreakage{ring: func(s *sim, r Ring) Ring {
			r.keys = slices.DeleteFunc(r.keys, func(k Key) bool { return s.late() && k.Algorithm == RS256 })
			return r
		}}},
		{lawBounded, "retired keys stay", each(func(s *sim, k *Key, _ Ring) {
			if !k.GoneAt.IsZero() {
				k.GoneAt = epoch.Add(longest)
			}
		})},
		{lawTurns, "the waiting key waits", each(func(_ *sim, k *Key, _ Ring) {
			if k.ReadyAt != 0 {
				k.SignsFrom = epoch.Add(longest)
			}
		})},
		{lawSchedule, "PublishAhead is shortened below what is safe", simBreakage{ring: func(s *sim, r Ring) Ring {
			if s.late() {
				r.schedule.PublishAhead = time.Second
			}
			return r
		}}},
	}
}

func brokenRecords() []simBroken {
	good := map[string]Key{}
	var forgotten Key
	absent := 0
	return []simBroken{
		{lawReturns, "a revoked key comes back", each(func(s *sim, k *Key, _ Ring) {
			if was, ok := good[k.ID]; ok && s.key(*k).revoked {
				gone := k.GoneAt
				*k = was
				k.GoneAt = gone
			} else if !k.revoked() {
				good[k.ID] = *k
			}
		})},
		{lawVersion, "a ring is stored below the last one", simBreakage{ring: func(s *sim, r Ring) Ring {
			if s.late() {
				r.version -= 3
			}
			return r
		}}},
		{lawHistory, "a revoked key keeps its public half", each(func(_ *sim, k *Key, r Ring) {
			if k.revoked() {
				k.Public = r.keys[len(r.keys)-1].Public
			}
		})},
		{lawHistory, "a key that was gone comes back", simBreakage{ring: func(s *sim, r Ring) Ring {
			if forgotten.ID == "" || r.keys[0].ID == forgotten.ID {
				forgotten = r.keys[0]
			} else if absent++; absent > 5 {
				r.keys = append(r.keys, forgotten)
			}
			return r
		}}},
		{lawHistory, "GoneAt is lowered", each(func(_ *sim, k *Key, _ Ring) {
			if !k.GoneAt.IsZero() {
				k.GoneAt = k.GoneAt.Add(-time.Millisecond)
			}
		})},
		{lawHistory, "a kid is there twice", simBreakage{ring: func(_ *sim, r Ring) Ring {
			r.keys = append(r.keys, r.keys[0])
			return r
		}}},
		{lawSecret, "a private half is published", each(func(_ *sim, k *Key, _ Ring) {
			if k.usable() && k.Algorithm == EdDSA {
				k.Public = k.private
			}
		})},
	}
}
