package throttle

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// model is the throttle said naively: buckets of tokens that are refilled when
// time passes, and nothing is ever forgotten. Tokens are counted in the time
// that it takes to refill them, so that nothing is rounded.
type model struct {
	config  Config
	missing [3]map[string]time.Duration // pair, network, account: what was taken and not refilled
	known   map[string][]string
}

func newModel(c Config) *model {
	return &model{config: c.withDefaults(), known: map[string][]string{},
		missing: [3]map[string]time.Duration{{}, {}, {}}}
}

func (m *model) buckets() [3]Bucket {
	return [3]Bucket{m.config.Pair, m.config.Network, m.config.Account}
}

func (m *model) names(account, network string) [3]string {
	n := [3]string{account + " " + network, network, account}
	if slices.Contains(m.known[account], network) {
		n[2] = ""
	}
	return n
}

func (m *model) pass(d time.Duration) {
	for _, kind := range m.missing {
		for name := range kind {
			kind[name] = max(0, kind[name]-d)
		}
	}
}

func (m *model) look(account, network string) (time.Duration, bool) {
	var wait time.Duration
	for i, name := range m.names(account, network) {
		b := m.buckets()[i]
		left := time.Duration(b.Burst)*b.Every - m.missing[i][name]
		if name != "" && left < b.Every {
			wait = max(wait, b.Every-left)
		}
	}
	if wait == 0 {
		return 0, true
	}
	if rest := wait % time.Second; rest != 0 {
		wait += time.Second - rest
	}
	return wait, false
}

func (m *model) failed(account, network string) {
	for i, name := range m.names(account, network) {
		if b := m.buckets()[i]; name != "" {
			m.missing[i][name] = min(m.missing[i][name]+b.Every, 2*time.Duration(b.Burst)*b.Every)
		}
	}
}

func (m *model) succeeded(account, network string) {
	delete(m.missing[0], account+" "+network)
	places := slices.DeleteFunc(m.known[account], func(n string) bool { return n == network })
	places = append(places, network)
	m.known[account] = places[max(0, len(places)-knownNetworks):]
}

// networks has ten names of networks and addresses in them.
var networks = map[string][]netip.Addr{
	"a": {addr("192.0.2.1"), addr("::ffff:192.0.2.1")},
	"b": {addr("192.0.2.2")},
	"c": {addr("2001:db8::1"), addr("2001:db8::ffff:1")},
	"d": {addr("2001:db8:0:1::1"), addr("2001:db8:0:1::2")},
	"e": {addr("10.0.0.1")}, "f": {addr("10.0.0.2")}, "g": {addr("10.0.0.3")},
	"h": {addr("10.0.0.4")}, "i": {addr("10.0.0.5")}, "j": {addr("10.0.0.6")},
}

type history struct {
	clock    *clock
	throttle *Throttle
	model    *model
}

func newHistory(t *rapid.T, entries int) history {
	bucket := func(name string) *rapid.Generator[Bucket] {
		return rapid.Custom(func(t *rapid.T) Bucket {
			return Bucket{
				Burst: rapid.IntRange(1, 6).Draw(t, name+" burst"),
				Every: time.Duration(rapid.IntRange(1, 5000).Draw(t, name+" every")) * time.Millisecond,
			}
		})
	}
	c := Config{
		Pair: bucket("pair").Draw(t, "pair"), Network: bucket("network").Draw(t, "network"), Account: bucket("account").Draw(t, "account"),
		Entries: entries,
	}
	c.Account.Every = min(c.Account.Every, c.Pair.Every)
	k := newClock()
	return history{clock: k, throttle: New(c, k.Now), model: newModel(c)}
}

// step does something to both, and returns who it was about.
func (h history) step(t *rapid.T) (account, network string, from netip.Addr) {
	account = rapid.SampledFrom([]string{"alice", "bob", "nobody"}).Draw(t, "account")
	network = rapid.SampledFrom([]string{"a", "a", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}).Draw(t, "network")
	from = rapid.SampledFrom(networks[network]).Draw(t, "address")
	switch what := rapid.IntRange(0, 9).Draw(t, "what"); what {
	case 0:
		h.throttle.Succeeded(account, from)
		h.model.succeeded(account, network)
	case 1, 2:
		d := time.Duration(rapid.IntRange(0, 8_000_000).Draw(t, "µs")) * time.Microsecond
		h.clock.pass(d)
		h.model.pass(d)
	case 3:
		// A client that waits as long as it is told.
		d, _ := h.throttle.Look(account, from)
		h.clock.pass(d)
		h.model.pass(d)
		if _, ok := h.throttle.Look(account, from); !ok {
			t.Fatalf("refused after the %s that were said", d)
		}
	default:
		h.throttle.Failed(account, from)
		h.model.failed(account, network)
	}
	return account, network, from
}

// Whatever happens, the throttle answers what the model answers.
func TestHistoriesAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, 1000)
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			account, network, from := h.step(t)
			wait, ok := h.throttle.Look(account, from)
			if wantWait, want := h.model.look(account, network); ok != want || wait != wantWait {
				t.Fatalf("%s from %s: %s, %v; want %s, %v", account, network, wait, ok, wantWait, want)
			}
			check(t, h.throttle)
		}
	})
}

// With hardly any room, it forgets: then, and only then, it allows more.
func TestForgettingOnlyForgives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, rapid.IntRange(1, 4).Draw(t, "entries"))
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			account, network, from := h.step(t)
			check(t, h.throttle)
			if h.throttle.known.has(h.throttle.key(account, from)) != slices.Contains(h.model.known[account], network) {
				return // a forgotten place is judged by one bucket more
			}
			wait, _ := h.throttle.Look(account, from)
			if most, _ := h.model.look(account, network); wait > most {
				t.Fatalf("%s from %s: refused for %s, want at most %s", account, network, wait, most)
			}
		}
	})
}

// check asserts what holds at any time.
func check(t *rapid.T, th *Throttle) {
	for _, table := range []*table{th.pair, th.network, th.account} {
		if len(table.buckets) != len(table.byFull) || len(table.byFull) > table.limit {
			t.Fatalf("%d buckets, %d in order, at most %d", len(table.buckets), len(table.byFull), table.limit)
		}
		for i, e := range table.byFull {
			if e.index != i || table.buckets[e.key] != e {
				t.Fatalf("bucket %d is not where it should be", i)
			}
			if e.fullAt < table.byFull[0].fullAt {
				t.Fatalf("bucket %d is full before the first", i)
			}
		}
	}
	if n := th.known.latest.Len(); n != len(th.known.accounts) || n > th.known.limit {
		t.Fatalf("%d accounts, %d in order, at most %d", len(th.known.accounts), n, th.known.limit)
	}
}
