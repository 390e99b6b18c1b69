package keys

import (
	"strings"
	"testing"
	"time"
)

func TestDefaultSchedule(t *testing.T) {
	s := DefaultSchedule()
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	if got := s.LongestToken(); got < 24*time.Hour {
		t.Errorf("tokens may live for %s, 24 hours are promised", got)
	}
	if got, want := s.LongestToken(), 25*time.Hour-60*time.Second-2*time.Minute-5*time.Second; got != want {
		t.Errorf("LongestToken = %s, want %s", got, want)
	}
}

// TestScheduleCheck: law 5, at the last safe value and one microsecond beyond it.
func TestScheduleCheck(t *testing.T) {
	type change = func(*Schedule)
	for _, c := range []struct {
		name         string
		safe, unsafe change
		want         string // in the report on unsafe
	}{
		{"publish-ahead", // 2 × 5m + 5s + 2m
			func(s *Schedule) { s.PublishAhead = 12*time.Minute + 5*time.Second },
			func(s *Schedule) { s.PublishAhead = 12*time.Minute + 5*time.Second - time.Microsecond },
			"2 × max-age 5m0s + poll 5s + skew 2m0s = 12m5s"},
		{"rotate-every",
			func(s *Schedule) { s.RotateEvery = 25 * time.Hour },
			func(s *Schedule) { s.RotateEvery = 25*time.Hour - time.Microsecond },
			"too short for a key to be ready in time: publish-ahead = 25h0m0s"},
		{"keep-after",
			func(s *Schedule) { s.KeepAfter = 3*time.Minute + 6*time.Second },
			func(s *Schedule) { s.KeepAfter = 3*time.Minute + 6*time.Second - time.Microsecond },
			"lifetime from 1s + leeway 1m0s + skew 2m0s + poll 5s = 3m6s"},
		{"skew",
			func(s *Schedule) { s.Skew = time.Microsecond },
			func(s *Schedule) { s.Skew = 0 }, "skew 0s is out of range"},
		{"poll",
			func(s *Schedule) { s.Poll = time.Microsecond },
			func(s *Schedule) { s.Poll = -time.Second }, "poll -1s is out of range"},
		{"whole microseconds",
			func(s *Schedule) { s.MaxAge = 3 * time.Microsecond },
			func(s *Schedule) { s.MaxAge = 3*time.Microsecond + 1 }, "max-age 3.001µs is out of range"},
		{"no end",
			func(s *Schedule) { s.RotateEvery = longest },
			func(s *Schedule) { s.RotateEvery = longest + time.Hour }, "rotate-every"},
		{"algorithms",
			func(s *Schedule) { s.Algorithms = []Algorithm{RS256} },
			func(s *Schedule) { s.Algorithms = []Algorithm{RS256, RS256} }, "RS256 is named twice"},
		{"an unknown algorithm",
			func(s *Schedule) { s.Algorithms = []Algorithm{ES256} },
			func(s *Schedule) { s.Algorithms = []Algorithm{"none"} }, `unknown algorithm "none": use one of ES256, ES384, RS256, PS256, EdDSA`},
		{"no algorithm",
			func(s *Schedule) { s.Algorithms = []Algorithm{ES256} },
			func(s *Schedule) { s.Algorithms = nil }, "no algorithm is named"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := DefaultSchedule()
			c.safe(&s)
			if err := s.Check(); err != nil {
				t.Errorf("a safe schedule is refused: %v", err)
			}
			c.unsafe(&s)
			if err := s.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			if _, err := NewRing(s); err == nil {
				t.Error("NewRing takes it")
			}
		})
	}
}

func TestScheduleCheckReportsAll(t *testing.T) {
	err := Schedule{Algorithms: []Algorithm{"HS256"}, RotateEvery: time.Second, PublishAhead: time.Minute, MaxAge: time.Hour}.Check()
	for _, want := range []string{"publish-ahead 1m0s", "rotate-every 1s is too short", "keep-after 0s is too short", "keep-after 0s is out of range", "poll 0s", "skew 0s", "HS256"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
}

// A ring's schedule is its own.
func TestScheduleIsCopied(t *testing.T) {
	s := brisk(ES256, RS256)
	r := must(NewRing(s))
	s.Algorithms[0] = "changed"
	r.Schedule().Algorithms[0] = "changed"
	if got := r.Schedule().Algorithms[0]; got != ES256 {
		t.Errorf("the ring's first algorithm became %s", got)
	}
}
