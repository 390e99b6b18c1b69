package keys

import (
	"slices"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

const us = time.Microsecond

// TestLifeOfAKey follows the first two keys through every boundary of the
// timetable, to the microsecond: laws 1 to 4 on schedule.
func TestLifeOfAKey(t *testing.T) {
	s := brisk()
	r := started(t, s)
	first, second := r.keys[0].ID, r.keys[1].ID
	find := func(kid string) *Key {
		if i := r.find(kid); i >= 0 {
			return &r.keys[i]
		}
		return nil
	}
	step := func(d time.Duration) { t.Helper(); r = advance(t, r, at(d)) }

	handover := s.RotateEvery
	step(handover - us)
	if got := states(r, ES256, at(handover-us)); !slices.Equal(got, []State{Signing, Waiting}) {
		t.Fatalf("before the handover: %v", got)
	}
	step(handover)
	if got := states(r, ES256, at(handover)); !slices.Equal(got, []State{Retired, Signing, Waiting}) {
		t.Fatalf("at the handover: %v", got)
	}
	third := r.keys[2]
	if !third.SignsFrom.Equal(epoch.Add(2*handover)) || third.ReadyAt != at(handover+s.PublishAhead).Service {
		t.Errorf("the third key signs from %s, ready at %d", third.SignsFrom, third.ReadyAt)
	}
	if find(second).ReadyAt != 0 {
		t.Error("the second key still waits for the counter")
	}
	gone := handover + s.stay()
	if got := find(first).GoneAt; !got.Equal(epoch.Add(gone)) {
		t.Errorf("GoneAt = %s", got)
	}
	step(handover + s.Skew + s.Poll - us)
	if find(first).private == nil {
		t.Error("its private half went early")
	}
	step(handover + s.Skew + s.Poll)
	if find(first).private != nil {
		t.Error("its private half is still there")
	}
	step(gone - us)
	if find(first) == nil || len(r.Published(epoch.Add(gone-us))) != 3 {
		t.Error("it went early")
	}
	step(gone)
	if find(first) != nil {
		t.Error("it is still there")
	}
}

// TestLate: after a time without a rotator, the last key still signs, and its
// successor's successor is announced for long enough.
func TestLate(t *testing.T) {
	s := brisk()
	r := started(t, s)
	late := 10 * s.RotateEvery
	if k, _ := r.Signer(ES256, at(late)); k.ID != r.keys[1].ID {
		t.Error("nobody advanced, and the waiting key does not sign when its time has come")
	}
	r = advance(t, r, at(late))
	third := r.keys[2]
	if want := epoch.Add(late + s.PublishAhead); !third.SignsFrom.Equal(want) {
		t.Errorf("the third key signs from %s, want %s", third.SignsFrom, want)
	}
	if first := r.keys[0]; first.private != nil || !first.GoneAt.Equal(epoch.Add(late+s.stay())) {
		t.Errorf("the first key: %+v", first)
	}
}

// TestPutBack: a waiting key that was served for less than PublishAhead when
// its time comes is put back by what is missing, and its predecessor signs on.
func TestPutBack(t *testing.T) {
	s := brisk()
	s.RotateEvery = s.PublishAhead // so that an outage is felt at once
	r := started(t, s)
	first, second := r.keys[0].ID, r.keys[1].ID
	signer := func(now Instant) string { k, _ := r.Signer(ES256, now); return k.ID }

	// Served for 20 of 60 s; then nothing was in service for 100 s.
	back := instant(120*time.Second, 20*time.Second)
	if signer(back) != first {
		t.Fatal("selection alone does not hold the key back")
	}
	r = advance(t, r, back)
	if got, want := r.keys[1].SignsFrom, epoch.Add(160*time.Second); r.keys[1].ID != second || !got.Equal(want) {
		t.Fatalf("put back to %s, want %s", got, want)
	}
	if got := states(r, ES256, back); !slices.Equal(got, []State{Signing, Waiting}) || !r.keys[0].GoneAt.IsZero() {
		t.Errorf("after the put-back: %v, GoneAt %s", got, r.keys[0].GoneAt)
	}
	for _, c := range []struct {
		now  Instant
		want string
	}{
		{instant(160*time.Second-us, 60*time.Second-us), first},
		{instant(160*time.Second, 60*time.Second), second},
	} {
		if got := signer(c.now); got != c.want {
			t.Errorf("at %v another key signs", c.now)
		}
	}
}

// TestPutBackAhead: the timetable is put right before the time has come, but
// not for the little by which the counter always lags.
func TestPutBackAhead(t *testing.T) {
	s := brisk()
	s.RotateEvery = s.PublishAhead
	r := started(t, s)
	planned := r.keys[1].SignsFrom
	r = advance(t, r, instant(10*time.Second+s.Skew, 10*time.Second))
	if !r.keys[1].SignsFrom.Equal(planned) {
		t.Errorf("rewritten for a lag of the skew: %s", r.keys[1].SignsFrom)
	}
	r = advance(t, r, instant(10*time.Second+s.Skew+us, 10*time.Second))
	if want := planned.Add(s.Skew + us); !r.keys[1].SignsFrom.Equal(want) {
		t.Errorf("SignsFrom = %s, want %s", r.keys[1].SignsFrom, want)
	}
	// When its time has come, whatever is missing counts.
	r = advance(t, r, instant(s.RotateEvery+s.Skew+us, 59*time.Second))
	if want := epoch.Add(s.RotateEvery + s.Skew + us + time.Second); !r.keys[1].SignsFrom.Equal(want) {
		t.Errorf("SignsFrom = %s, want %s", r.keys[1].SignsFrom, want)
	}
}

// TestStaysThroughOutage: a process that did not hear of a retirement signs on
// in an outage; the key stays for its last token, however long that was.
func TestStaysThroughOutage(t *testing.T) {
	for _, outage := range []time.Duration{0, 10 * time.Second, 1000 * time.Second} {
		t.Run(outage.String(), func(t *testing.T) { staysThrough(t, outage) })
	}
}

func staysThrough(t *testing.T, outage time.Duration) {
	s := brisk()
	r := started(t, s)
	first := r.keys[0].ID
	r = must(r.Rotate(ES256, at(100*time.Second), true))
	r = advance(t, r, at(100*time.Second))
	// The last token: signed six polls of service time after the retirement.
	served := 100*time.Second + 6*s.Poll
	expired := served + s.LongestToken() + leeway + s.Skew // in service time, for the slowest verifier
	for d := 100 * time.Second; d < expired; d += s.Poll {
		wall := d
		if d >= served {
			wall += outage
		}
		if r = advance(t, r, instant(wall, d)); r.find(first) < 0 {
			t.Fatalf("gone after %s of service, the last token lives until %s", d, expired)
		}
	}
	r = advance(t, r, instant(expired-us+outage, expired-us))
	if i := r.find(first); i < 0 {
		t.Error("gone a moment too early")
	} else if got := r.keys[i].GoneAt; got.Before(epoch.Add(expired + outage - us)) {
		t.Errorf("the timetable says %s", got)
	}
	if r = advance(t, r, instant(expired+outage, expired)); r.find(first) >= 0 {
		t.Error("it stays longer than anybody needs it")
	}
}

// TestSignerStays: a key that is the only one to sign is not removed, whatever its GoneAt says.
func TestSignerStays(t *testing.T) {
	r := ringOf(t, brisk(), made{})
	r.keys[0].GoneAt = epoch
	kid := r.keys[0].ID
	if r = advance(t, r, at(time.Hour)); r.find(kid) < 0 {
		t.Error("it is gone")
	}
}

// TestClockJump: a clock that jumps ahead takes no key out of the key set.
func TestClockJump(t *testing.T) {
	s := brisk()
	r := poll(t, started(t, s), 0, s.RotateEvery)
	first := r.keys[0].ID
	r = advance(t, r, instant(s.RotateEvery+240*time.Hour, s.RotateEvery))
	if r.find(first) < 0 {
		t.Error("the retired key is gone at once")
	}
	if got, want := r.keys[r.find(first)].GoneAt, epoch.Add(s.RotateEvery+240*time.Hour+s.stay()); !got.Equal(want) {
		t.Errorf("GoneAt = %s, want %s", got, want)
	}
	// Set right again, the clock finds everything in order.
	r = advance(t, r, at(s.RotateEvery+time.Second))
	if _, ok := r.Signer(ES256, at(s.RotateEvery+time.Second)); !ok || r.line(ES256).next(r.line(ES256).signer(at(s.RotateEvery))) == nil {
		t.Error("nobody signs, or nobody waits")
	}
}

// TestClockBehind: a clock far in the past changes nothing.
func TestClockBehind(t *testing.T) {
	s := brisk()
	r := poll(t, started(t, s), 0, s.RotateEvery+s.Poll)
	now := instant(-24*time.Hour, s.RotateEvery+s.Poll)
	if next := advance(t, r, now); !next.same(r) {
		t.Errorf("%v became %v", r, next)
	}
	if _, ok := r.Signer(ES256, now); !ok {
		t.Error("nobody signs")
	}
}

// TestCounterSetBack: after a restore, the store's counter may run from far
// less than it did. Nobody waits for more than a whole PublishAhead, and who
// signs does so still.
func TestCounterSetBack(t *testing.T) {
	s := brisk()
	r := poll(t, started(t, s), 0, 310*time.Second)
	signer, _ := r.Signer(ES256, at(310*time.Second))
	back := instant(315*time.Second, 0)
	r = advance(t, r, back)
	if got, _ := r.Signer(ES256, back); got.ID != signer.ID {
		t.Error("another key signs")
	}
	waiting := r.line(ES256).next(r.line(ES256).signer(back))
	if waiting.ReadyAt != at(s.PublishAhead).Service {
		t.Errorf("the waiting key is ready at %d", waiting.ReadyAt)
	}
	if k := r.keys[0]; k.keptUntil != at(s.stay()).Service {
		t.Errorf("the retired key is kept until %d", k.keptUntil)
	}
}

// TestAdvanceWrites: a ring is not written at each poll.
func TestAdvanceWrites(t *testing.T) {
	s := brisk(ES256, RS256)
	r, writes := started(t, s), 0
	for d, service := time.Duration(0), storage.ServiceTime(1); d < 20*s.RotateEvery; d += s.Poll {
		service = service.Add(s.Poll * 99 / 100) // it lags behind, as it does
		next, changed, err := r.Advance(Instant{Wall: epoch.Add(d), Service: service}, cheap())
		if err != nil {
			t.Fatal(err)
		}
		if changed {
			r, writes = next, writes+1
		}
	}
	// Each rotation: the handover, the drop, the going, and a correction or two for the lag.
	if most := 20 * 6; writes > most {
		t.Errorf("%d writes in 20 periods, more than %d", writes, most)
	}
}
