package keys

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
)

// TestFirstKeys: a new ring signs at once, and one key of each line waits.
func TestFirstKeys(t *testing.T) {
	r := started(t, brisk(ES256, RS256))
	for _, alg := range []Algorithm{ES256, RS256} {
		l := r.line(alg)
		if len(l) != 2 {
			t.Fatalf("%s: %d keys", alg, len(l))
		}
		first, second := l[0], l[1]
		if !first.SignsFrom.Equal(epoch) || first.ReadyAt != 0 || !first.GoneAt.IsZero() {
			t.Errorf("%s: first key %+v", alg, *first)
		}
		if want := epoch.Add(300 * time.Second); !second.SignsFrom.Equal(want) || second.ReadyAt != at(60*time.Second).Service {
			t.Errorf("%s: second key signs from %s, ready at %d", alg, second.SignsFrom, second.ReadyAt)
		}
		if got := states(r, alg, at(0)); !slices.Equal(got, []State{Signing, Waiting}) {
			t.Errorf("%s: %v", alg, got)
		}
	}
	if len(r.Published(epoch)) != 4 || r.Version() != 0 {
		t.Errorf("%v with %d published keys", r, len(r.Published(epoch)))
	}
}

// made is a ring of one ES256 line, from what matters of each key.
type made struct {
	signsFrom time.Duration // after epoch
	ready     time.Duration // in service, after the counter's start; 0: exempt
	dropped   bool          // its private half
	revoked   bool
	alg       Algorithm
}

func ringOf(t *testing.T, s Schedule, keys ...made) Ring {
	t.Helper()
	r := must(NewRing(s))
	for i, m := range keys {
		if m.alg == "" {
			m.alg = ES256
		}
		k := must(newKey(m.alg, must(cheap()(m.alg, 2048))))
		k.PublishedAt = epoch.Add(time.Duration(i) * time.Microsecond)
		k.SignsFrom = epoch.Add(m.signsFrom)
		if m.ready != 0 {
			k.ReadyAt = at(m.ready).Service
		}
		if m.dropped {
			k.private, k.GoneAt = nil, epoch.Add(time.Hour)
		}
		if m.revoked {
			k.revoke(epoch, s, "")
		}
		r.keys = append(r.keys, k)
	}
	return r // in the order given: the cases name keys by number
}

// TestSigner: law 3 and what selection holds of law 1.
func TestSigner(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name          string
		keys          []made
		wall, service time.Duration
		want          int // the number of the key, -1: none
	}{
		{"the newest that may", []made{{}, {signsFrom: 10 * s}, {signsFrom: 20 * s}}, 15 * s, 15 * s, 1},
		{"from its SignsFrom on", []made{{}, {signsFrom: 10 * s}}, 10 * s, 10 * s, 1},
		{"not a moment earlier", []made{{}, {signsFrom: 10 * s}}, 10*s - time.Microsecond, 10 * s, 0},
		{"served long enough", []made{{}, {signsFrom: 10 * s, ready: 9 * s}}, 15 * s, 9 * s, 1},
		{"not served long enough", []made{{}, {signsFrom: 10 * s, ready: 9 * s}}, 15 * s, 9*s - time.Microsecond, 0},
		{"revoked", []made{{}, {signsFrom: 10 * s, revoked: true}}, 15 * s, 15 * s, 0},
		{"without private half", []made{{dropped: true}, {signsFrom: 10 * s}, {signsFrom: 20 * s, dropped: true}}, 30 * s, 30 * s, 1},
		{"a clock that is behind: one that signed", []made{{signsFrom: 5 * s}, {signsFrom: 50 * s, ready: 60 * s}}, 0, 0, 0},
		{"a clock that is behind: one that was promoted", []made{{revoked: true}, {signsFrom: 5 * s}, {signsFrom: 50 * s, ready: 60 * s}}, 0, 0, 1},
		{"else the oldest waiting one", []made{{dropped: true}, {signsFrom: 5 * s, ready: 60 * s}, {signsFrom: 50 * s, ready: 60 * s}}, 0, 0, 1},
		{"else nobody", []made{{dropped: true}, {revoked: true}}, 0, 0, -1},
		{"no keys", nil, 0, 0, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := ringOf(t, brisk(), c.keys...)
			for _, alg := range []Algorithm{ES256, "", "RS256", "none"} { // all served by the one line
				k, ok := r.Signer(alg, instant(c.wall, c.service))
				if ok != (c.want >= 0) || ok && k.ID != r.keys[c.want].ID {
					t.Errorf("%q: got key %d, want %d", alg, r.find(k.ID), c.want)
				}
			}
		})
	}
}

// TestAddedLine: clients of an algorithm that was added later get the default
// one until its first key was served for long enough.
func TestAddedLine(t *testing.T) {
	r := started(t, brisk(ES256))
	r.schedule.Algorithms = []Algorithm{ES256, RS256}
	r = advance(t, r, at(100*time.Second))
	l := r.line(RS256)
	if len(l) != 1 || !l[0].SignsFrom.Equal(epoch.Add(160*time.Second)) || l[0].ReadyAt != at(160*time.Second).Service {
		t.Fatalf("first key of the added line: %+v", l)
	}
	signer := func(now Instant) Algorithm {
		k, _ := r.Signer(RS256, now)
		return k.Algorithm
	}
	for _, c := range []struct {
		now  Instant
		want Algorithm
	}{
		{at(100 * time.Second), ES256},
		{at(160*time.Second - time.Microsecond), ES256},
		{instant(170*time.Second, 159*time.Second), ES256}, // an outage of 11 s
		{instant(159*time.Second, 170*time.Second), ES256}, // a clock that is behind
		{at(160 * time.Second), RS256},
	} {
		if got := signer(c.now); got != c.want {
			t.Errorf("at %v a client of RS256 gets %s, want %s", c.now, got, c.want)
		}
	}
	if len(r.Published(epoch)) != 3 {
		t.Error("the added line's key is not published ahead")
	}
	// The line begins; an earlier clock and a counter that was set back do not undo that.
	r = poll(t, r, 100*time.Second, 170*time.Second)
	if got := signer(instant(120*time.Second, time.Second)); got != RS256 {
		t.Errorf("after its begin, a client of RS256 gets %s", got)
	}
	// As long as the schedule has it, the line goes on.
	r = poll(t, r, 170*time.Second, 1000*time.Second)
	if k, _ := r.Signer(RS256, at(1000*time.Second)); k.Algorithm != RS256 || len(r.line(RS256)) < 2 {
		t.Error("a line was removed by time alone")
	}
}

// TestAddedLineRevoked: a line whose only key is revoked before it signed
// begins again; nobody is in an emergency.
func TestAddedLineRevoked(t *testing.T) {
	r := started(t, brisk(ES256))
	r.schedule.Algorithms = []Algorithm{ES256, RS256}
	r = advance(t, r, at(100*time.Second))
	r = must(r.Revoke(r.line(RS256)[0].ID, "", at(130*time.Second), cheap()))
	if k, _ := r.Signer(RS256, at(130*time.Second)); k.Algorithm != ES256 {
		t.Errorf("a key signs that was published just now: %v", k)
	}
	if k := r.line(RS256).oldest(); k == nil || k.ReadyAt != at(190*time.Second).Service {
		t.Errorf("its replacement: %+v", k)
	}
}

func TestState(t *testing.T) {
	const s = time.Second
	r := ringOf(t, brisk(ES256, RS256),
		made{revoked: true}, made{dropped: true}, made{signsFrom: 5 * s}, made{signsFrom: 10 * s},
		made{signsFrom: 20 * s, ready: 20 * s}, made{signsFrom: 20 * s, ready: 20 * s, alg: RS256})
	for _, c := range []struct {
		now  Instant
		want []State
	}{
		{at(12 * s), []State{Revoked, Retired, Retired, Signing, Waiting, Waiting}},
		{instant(25*s, 12*s), []State{Revoked, Retired, Retired, Signing, Waiting, Waiting}},
		{at(25 * s), []State{Revoked, Retired, Retired, Retired, Signing, Signing}},
	} {
		for i, k := range r.Keys() {
			if got := r.State(k, c.now); got != c.want[i] {
				t.Errorf("at %v key %d is %s, want %s", c.now, i, got, c.want[i])
			}
		}
	}
}

// TestRingIsImmutable: no method changes the ring that it is called on, and
// what Keys returns is a copy.
func TestRingIsImmutable(t *testing.T) {
	r := poll(t, started(t, brisk()), 0, 290*time.Second)
	before := r.clone()
	r.Keys()[0].SignsFrom = epoch.Add(time.Hour)
	now := at(295 * time.Second)
	for name, f := range map[string]func() error{
		"Advance": func() error { _, _, err := r.Advance(now, cheap()); return err },
		"Rotate":  func() error { _, err := r.Rotate(ES256, now, true); return err },
		"Revoke":  func() error { _, err := r.Revoke(r.keys[0].ID, "", now, cheap()); return err },
		"Recover": func() error { _, err := r.Recover(now, cheap()); return err },
	} {
		if err := f(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !r.same(before) {
			t.Fatalf("%s changed its ring", name)
		}
	}
}

func TestPublished(t *testing.T) {
	r := ringOf(t, brisk(), made{revoked: true}, made{dropped: true}, made{}, made{signsFrom: time.Hour, ready: time.Hour})
	var got []string
	for _, k := range r.Published(epoch) {
		got = append(got, k.ID)
		if jwk := k.JWK(); !jwk.IsPublic() || jwk.KeyID != k.ID || jwk.Algorithm != "ES256" || jwk.Use != "sig" {
			t.Errorf("JWK %+v", jwk)
		}
	}
	if want := kids(r, ES256)[1:]; !slices.Equal(got, want) {
		t.Errorf("published %v, want %v", got, want)
	}
	if n := len(r.Published(epoch.Add(time.Hour))); n != 2 {
		t.Errorf("%d keys are published when one is gone, want 2", n)
	}
}

// rfc7638 is a retired key: that of RFC 7638 §3.1.
const rfc7638 = `{"kid":"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs","alg":"RS256","published_at":1,"signs_from":1,"gone_at":1,"jwk":{"kty":"RSA","e":"AQAB","alg":"RS256","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}}`

// TestThumbprint: the kid is that of RFC 7638, by its own example.
func TestThumbprint(t *testing.T) {
	var k keyJSON
	if err := json.Unmarshal([]byte(rfc7638), &k); err != nil {
		t.Fatal(err)
	}
	if _, err := k.key(); err != nil {
		t.Error(err)
	}
	k.ID = "A" + k.ID[1:]
	if _, err := k.key(); err == nil {
		t.Error("a wrong kid is taken")
	}
}

var _ Store = (*memory)(nil)
