package keys

import (
	"slices"
	"testing"
	"time"
)

// TestLife: what is said of each key's life, in seconds after the first one
// began to sign; never stands for the zero time.
func TestLife(t *testing.T) {
	const never, every, ahead = -1, 300, 60 // brisk
	const stay = 185 + 5*5                  // KeepAfter and five polls
	record := func(revokedAt int) int { return revokedAt + 2*every + 185 }
	after := func(seconds int) (Ring, Instant) {
		d := time.Duration(seconds) * time.Second
		return poll(t, started(t, brisk()), 0, d), at(d)
	}
	revoke := func(r Ring, now Instant, i int) Ring { return must(r.Revoke(r.keys[i].ID, "leaked", now, cheap())) }
	type life [4]int
	for name, c := range map[string]struct {
		play func() (Ring, Instant)
		want []life
	}{
		"at first": {func() (Ring, Instant) { return after(0) },
			[]life{{0, 0, every, every + stay}, {0, every, 2 * every, 2*every + stay}}},
		"after a rotation": {func() (Ring, Instant) { return after(310) },
			[]life{{0, 0, every, every + stay}, {0, every, 2 * every, 2*every + stay}, {every, 2 * every, 3 * every, 3*every + stay}}},
		"out of service for long": {func() (Ring, Instant) { r, _ := after(0); return r, instant(280*time.Second, 10*time.Second) },
			[]life{{0, 0, 330, 330 + stay}, {0, 330, 630, 630 + stay}}},
		"nobody follows": {func() (Ring, Instant) { r, _ := after(0); r.keys = r.keys[:1]; return r, at(280 * time.Second) },
			[]life{{0, 0, 280 + ahead, 280 + ahead + stay}}},
		"the line is not kept up": {func() (Ring, Instant) { r, now := after(0); r.schedule.Algorithms = []Algorithm{RS256}; return r, now },
			[]life{{0, 0, every, every + stay}, {0, every, never, never}}},
		"the signer leaked": {func() (Ring, Instant) {
			r, _ := after(310)
			now := at(320 * time.Second)
			return revoke(r, now, 1), now
		},
			[]life{{0, 0, every, 320 + stay}, {0, every, 320, record(320)}, {every, 320, 320 + every, 320 + every + stay}, {320, 320 + every, 320 + 2*every, 320 + 2*every + stay}}},
		"a retired one leaked": {func() (Ring, Instant) {
			r, _ := after(310)
			now := at(320 * time.Second)
			return revoke(r, now, 0), now
		},
			[]life{{0, 0, every, record(320)}, {0, every, 2 * every, 2*every + stay}, {every, 2 * every, 3 * every, 3*every + stay}}},
		"one that waited leaked": {func() (Ring, Instant) {
			r, _ := after(310)
			now := at(320 * time.Second)
			return revoke(r, now, 2), now
		},
			[]life{{0, 0, every, every + stay}, {0, every, 2 * every, 2*every + stay}, {every, never, never, record(320)}, {320, 2 * every, 3 * every, 3*every + stay}}},
	} {
		r, now := c.play()
		var got []life
		for _, k := range r.keys {
			l := r.Life(k, now)
			var seconds life
			for i, moment := range []time.Time{l.Published, l.SignsFrom, l.SignsUntil, l.GoneAt} {
				if seconds[i] = never; !moment.IsZero() {
					seconds[i] = int(moment.Sub(epoch).Round(time.Second).Seconds())
				}
			}
			got = append(got, seconds)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v\nwant %v", name, got, c.want)
		}
	}
}

// TestLifeComesTrue: who signs at any time is who was said to, from the
// beginning of its wait on.
func TestLifeComesTrue(t *testing.T) {
	r := started(t, brisk())
	said := map[string]Life{}
	for d := time.Duration(0); d < 2000*time.Second; d += 5 * time.Second {
		now := at(d)
		r = advance(t, r, now)
		for _, k := range r.keys {
			life := r.Life(k, now)
			if before, ok := said[k.ID]; ok && before != life {
				t.Fatalf("%s: %+v, before %+v", d, life, before)
			}
			said[k.ID] = life
			signs := !now.Wall.Before(life.SignsFrom) && now.Wall.Before(life.SignsUntil)
			if got := r.State(k, now) == Signing; got != signs || !now.Wall.Before(life.GoneAt) {
				t.Fatalf("%s: %s is %s in the life %+v", d, k, r.State(k, now), life)
			}
		}
	}
	if len(said) < 7 {
		t.Errorf("only %d keys", len(said))
	}
}

// TestLifeOfALineThatEnds: an operator takes RS256 from the schedule; its
// signer signs for PublishAhead more, and the one that waits never will.
func TestLifeOfALineThatEnds(t *testing.T) {
	r, now := started(t, brisk(ES256, RS256)), at(10*time.Second)
	r = advance(t, r, now)
	r = advance(t, must(r.Reschedule(brisk(ES256), now)), now)
	said, end := map[string]Life{}, now.Wall.Add(brisk().PublishAhead)
	for _, k := range r.line(RS256) {
		said[k.ID] = r.Life(*k, now)
	}
	signs, waits := said[kids(r, RS256)[0]], said[kids(r, RS256)[1]]
	if !signs.SignsFrom.Equal(epoch) || !signs.SignsUntil.Equal(end) || !signs.GoneAt.Equal(end.Add(brisk().stay())) {
		t.Errorf("the signer: %+v", signs)
	}
	if !waits.SignsFrom.IsZero() || !waits.SignsUntil.IsZero() {
		t.Errorf("the one that waits: %+v", waits)
	}
	for d := 10 * time.Second; d < 250*time.Second; d += 5 * time.Second {
		now := at(d)
		r = advance(t, r, now)
		for _, k := range r.line(RS256) {
			if life := r.Life(*k, now); life.SignsFrom != said[k.ID].SignsFrom || life.SignsUntil != said[k.ID].SignsUntil {
				t.Fatalf("%s: %+v, before %+v", d, life, said[k.ID])
			}
			if signs := r.State(*k, now) == Signing; signs != (k.ID == kids(r, RS256)[0] && now.Wall.Before(end)) {
				t.Fatalf("%s: %s signs: %v", d, k, signs)
			}
		}
	}
}

// TestLifeOfAnImportedKey: it is published until it is gone, and follows nobody.
func TestLifeOfAnImportedKey(t *testing.T) {
	r, now := started(t, brisk()), at(10*time.Second)
	until := now.Wall.Add(time.Hour)
	before := r.Life(r.keys[0], now)
	theirs := must(GenerateKey(ES256, 0)).Public()
	r = advance(t, must(r.ImportPublic(ES256, "theirs", theirs, until, now)), now)
	if got := r.Life(r.keys[r.find("theirs")], now); got != (Life{Published: now.Wall, GoneAt: until}) {
		t.Errorf("%+v", got)
	}
	for _, k := range r.keys {
		if !k.Imported && r.State(k, now) == Signing && r.Life(k, now) != before {
			t.Errorf("the signer: %+v, before %+v", r.Life(k, now), before)
		}
	}
}

// TestLifeAfterRecovery: what was there signs no more, whatever it waited for.
func TestLifeAfterRecovery(t *testing.T) {
	r, now := started(t, brisk()), at(10*time.Second)
	r = advance(t, must(r.Recover(now, cheap())), now)
	for _, k := range r.keys {
		life, state := r.Life(k, now), r.State(k, now)
		if state == Retired && life.SignsUntil.After(now.Wall) || state != Retired && !life.SignsUntil.After(now.Wall) {
			t.Errorf("%s %s: %+v", state, k, life)
		}
	}
}
