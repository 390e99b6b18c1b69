package keys

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A Schedule says how keys follow each other (OIDC Core §10.1.1). It lives in the ring, so that
// all processes go by the same one.
type Schedule struct {
	Algorithms   []Algorithm   // one line of keys each; the first is the default
	RotateEvery  time.Duration // from one key's SignsFrom to the next one's
	PublishAhead time.Duration // how long a key is served before it signs, in service time
	KeepAfter    time.Duration // how long a key stays published after it signed
	RSABits      int           // the size of new RSA keys, 2048 to 4096; 0: 2048

	// Constants for users; fields so that tests can compress time.
	MaxAge time.Duration // for how long verifiers may cache the key set: its Cache-Control max-age
	Poll   time.Duration // how often each process looks at the stored ring
	Skew   time.Duration // the greatest difference between two clocks
}

// leeway is what verifiers allow beyond a token's "exp".
const leeway = 60 * time.Second

// stalePolls is how many polls a process may miss before its ring is stale:
// it looks again before it signs, and is not healthy.
const stalePolls = 3

// longest bounds every interval, far from where sums overflow.
const longest = 10 * 366 * 24 * time.Hour

// DefaultSchedule returns the schedule of a store that nobody configured.
// Tokens may live for 24 hours under it.
func DefaultSchedule() Schedule {
	return Schedule{
		Algorithms:   []Algorithm{ES256, RS256},
		RotateEvery:  30 * 24 * time.Hour,
		PublishAhead: 25 * time.Hour,
		KeepAfter:    25 * time.Hour,
		MaxAge:       5 * time.Minute,
		Poll:         5 * time.Second,
		Skew:         2 * time.Minute,
	}
}

// LongestToken is the longest lifetime of a token that verifies until its end
// (law 2), whoever signed it last and whoever withdraws the key first.
func (s Schedule) LongestToken() time.Duration { return s.KeepAfter - leeway - s.Skew - s.Poll }

// A Need is how long a setting must be at least (law 5).
type Need struct {
	Setting   string // as in the configuration
	Is, Least time.Duration
	For       string // what it is needed for
	Sum       string // what Least is made of
}

// Needs returns what the laws demand of the schedule's intervals.
func (s Schedule) Needs() []Need {
	return []Need{
		{"rotate-every", s.RotateEvery, s.PublishAhead, "for a key to be ready in time", "publish-ahead"},
		{
			"publish-ahead", s.PublishAhead, 2*s.MaxAge + s.Poll + s.Skew, "for verifiers to know a key before it signs",
			fmt.Sprintf("2 × max-age %s + poll %s + skew %s", s.MaxAge, s.Poll, s.Skew),
		},
		{
			"keep-after", s.KeepAfter, time.Second + leeway + s.Skew + s.Poll, "for any token to verify until its end",
			fmt.Sprintf("lifetime from %s + leeway %s + skew %s + poll %s", time.Second, leeway, s.Skew, s.Poll),
		},
	}
}

// Check reports every way in which the schedule is unsafe, with the sums (law 5).
func (s Schedule) Check() error {
	var problems []error
	unsafe := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for _, d := range []struct {
		name string
		is   time.Duration
	}{
		{"rotate-every", s.RotateEvery}, {"publish-ahead", s.PublishAhead}, {"keep-after", s.KeepAfter},
		{"max-age", s.MaxAge}, {"poll", s.Poll}, {"skew", s.Skew},
	} {
		if d.is < time.Microsecond || d.is > longest || d.is%time.Microsecond != 0 {
			unsafe("%s %s is out of range: whole microseconds, more than 0 and at most %s", d.name, d.is, longest)
		}
	}
	for _, n := range s.Needs() {
		if n.Is < n.Least {
			unsafe("%s %s is too short %s: %s = %s", n.Setting, n.Is, n.For, n.Sum, n.Least)
		}
	}
	if b := s.RSABits; b != 0 && (b < leastRSABits || b > mostRSABits || b%256 != 0) {
		unsafe("rsa-bits %d: use %d, 3072 or %d, or another multiple of 256 between them", b, leastRSABits, mostRSABits)
	}
	return errors.Join(append(problems, s.checkAlgorithms()...)...)
}

func (s Schedule) checkAlgorithms() (problems []error) {
	if len(s.Algorithms) == 0 {
		problems = append(problems, errors.New("no algorithm is named"))
	}
	for i, a := range s.Algorithms {
		if _, err := a.row(); err != nil {
			problems = append(problems, err)
		}
		if slices.Contains(s.Algorithms[:i], a) {
			problems = append(problems, fmt.Errorf("algorithm %s is named twice", a))
		}
	}
	return problems
}

// drop is when no process signs any more with a key whose successor signs
// from t by the timetable: the slowest clock has passed t, and the next poll.
func (s Schedule) drop(t time.Time) time.Time { return t.Add(s.Skew + s.Poll) }

// stay is how long a retired key stays published. A process that did not hear
// of the retirement may sign on for six polls of service time: three until its
// ring is stale, one until it looks, and two beats by which the counter may run
// ahead at the end of an outage. KeepAfter allows for one of them.
func (s Schedule) stay() time.Duration { return s.KeepAfter + 5*s.Poll }

func (s Schedule) stale() time.Duration { return stalePolls * s.Poll }

func (s Schedule) rsaBits() int { return cmp.Or(s.RSABits, leastRSABits) }

func (s Schedule) clone() Schedule {
	s.Algorithms = slices.Clone(s.Algorithms)
	return s
}

// Equal reports whether two schedules are the same.
func (s Schedule) Equal(t Schedule) bool {
	algorithms := slices.Equal(s.Algorithms, t.Algorithms)
	return algorithms && s.RotateEvery == t.RotateEvery && s.PublishAhead == t.PublishAhead &&
		s.KeepAfter == t.KeepAfter && s.rsaBits() == t.rsaBits() && s.MaxAge == t.MaxAge && s.Poll == t.Poll && s.Skew == t.Skew
}
