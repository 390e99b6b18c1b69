package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/server/throttle"
	"github.com/hallmark-auth/hallmark/storage"
)

// patient lets a test fail often.
func patient(c *server.Config) {
	many := throttle.Bucket{Burst: 10_000, Every: time.Millisecond}
	c.Throttle = throttle.New(throttle.Config{Pair: many, Network: many, Account: many}, time.Now)
}

// TestFailuresLookAlike: unknown, disabled, without a password, wrong, NUL
// behind, cut off, another case: the same bytes, at the same time.
func TestFailuresLookAlike(t *testing.T) {
	k := newKit(t, "", patient)
	client := k.addClient("web", storage.AuthNone)
	alice := k.addUser("alice")
	disabled := k.addUser("disabled", func(u *storage.User) { u.Disabled = true })
	k.addUser("nopassword", func(u *storage.User) { u.PasswordHash = "" })
	k.addUser("foreign", func(u *storage.User) { u.PasswordHash = "md5$of$another-system" })
	costly := k.addUser("costly", func(u *storage.User) {
		u.PasswordHash = "$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"
	})
	tests := []struct{ name, username, password, reason string }{
		{"wrong", "alice", "wrong password", "wrong password"},
		{"unknown", "nobody", alice.password, "no such user"},
		{"disabled", "disabled", disabled.password, "disabled"},
		{"disabled and wrong", "disabled", "wrong password", "wrong password"},
		{"no password set", "nopassword", "wrong password", "wrong password"},
		{"odd format", "foreign", "wrong password", ""},
		{"stored work factor over the bound", "costly", costly.password, ""},
		{"cut off", "alice", alice.password[:len(alice.password)-1], "wrong password"},
		{"space added", "alice", alice.password + " ", "wrong password"},
		{"another case of the name", "Alice", alice.password, "no such user"},
		{"impossible name", " alice", alice.password, "user name"},
		{"very long password", "alice", strings.Repeat("x", 50_000), ""},
		{"metacharacters", `' OR 1=1; -- ${x}`, alice.password, "no such user"},
	}
	var wg sync.WaitGroup
	answers, took := make([]answer, len(tests)), make([]time.Duration, len(tests))
	for i, tt := range tests {
		wg.Go(func() {
			began := time.Now()
			answers[i] = k.post(form("grant_type", "password", "client_id", client.ID, "username", tt.username, "password", tt.password))
			took[i] = time.Since(began)
		})
	}
	wg.Wait()
	if strings.Contains(k.log.String(), "nobody") {
		t.Error("a name that nobody has is in the log: it may be somebody's password")
	}
	for i, tt := range tests {
		k.refused(answers[i], 400, "invalid_grant", tt.reason)
		if answers[i].raw != answers[0].raw {
			t.Errorf("%s: %s differs from %s", tt.name, answers[i].raw, answers[0].raw)
		}
		// Each is answered at a multiple of failAfter; the first unless the machine is very slow.
		if took[i] < failAfter {
			t.Errorf("%s: answered after %v, before %v", tt.name, took[i], failAfter)
		}
	}
}

// TestFailureTime: the answer comes FailAfter after the beginning, not
// FailAfter after the hash.
func TestFailureTime(t *testing.T) {
	const after = time.Second
	k := newKit(t, "", patient, func(c *server.Config) {
		c.FailAfter = after
		c.Passwords = password.New(password.Config{Workers: 1, MaxWait: 10 * time.Second, Params: password.Params{Memory: 8 << 10, Time: 1, Threads: 1}})
	})
	client, user := k.addClient("web", storage.AuthNone), k.addUser("alice") // a hash of other parameters than the pool's
	for _, name := range []string{user.Name, "nobody"} {
		began := time.Now()
		k.refused(k.post(form("grant_type", "password", "client_id", client.ID, "username", name, "password", "wrong password")), 400, "invalid_grant", "")
		if took := time.Since(began); took < after || took > after+after*4/5 {
			t.Errorf("%s: answered after %v, want %v", name, took, after)
		}
	}
}

// TestThrottle: guessing one account is refused at once, without hashing,
// known or not; the right password works again once the time is over, and
// others are not locked out meanwhile.
func TestThrottle(t *testing.T) {
	now := &clock{}
	k := newKit(t, "", func(c *server.Config) { c.Throttle = throttle.New(throttle.Config{}, now.Now) })
	client, alice, bob := k.addClient("web", storage.AuthNone), k.addUser("alice"), k.addUser("bob")
	for _, name := range []string{alice.Name, "nobody"} {
		v := form("grant_type", "password", "client_id", client.ID, "username", name, "password", "wrong password")
		var wg sync.WaitGroup
		answers := make([]answer, 20)
		for i := range answers {
			wg.Go(func() { answers[i] = k.post(v) })
		}
		wg.Wait()
		a := k.post(v)
		k.refused(a, 429, "slow_down", "")
		wait, err := strconv.Atoi(a.header.Get("Retry-After"))
		if err != nil || wait < 1 {
			t.Errorf("%s: Retry-After %q", name, a.header.Get("Retry-After"))
		}
		if name == alice.Name {
			k.refused(k.post(with(v, "password", alice.password)), 429, "slow_down", "")
			k.login(bob, client)
			now.jump(time.Duration(wait) * time.Second)
			k.login(alice, client)
			now.jump(time.Hour)
		}
	}
}

// TestHangingUpIsCharged: who does not wait for the answer has guessed all the
// same, whether the password was being hashed then or the answer held back.
func TestHangingUpIsCharged(t *testing.T) {
	guarded := throttle.New(throttle.Config{}, time.Now)
	k := newKit(t, "", func(c *server.Config) {
		c.Throttle = guarded
		c.Passwords = password.New(password.Config{Workers: 1, MaxWait: 10 * time.Second, Params: password.Params{Memory: 32 << 10, Time: 3, Threads: 1}})
	})
	client, user := k.addClient("web", storage.AuthNone), k.addUser("alice") // hashed cheaply
	for _, name := range []string{user.Name, "nobody"} {                     // and slowly
		v := form("grant_type", "password", "client_id", client.ID, "username", name, "password", "wrong password")
		held := func() bool { _, ok := guarded.Look(name, netip.MustParseAddr("127.0.0.1")); return !ok }
		for tries := 0; !held(); tries++ { // those that leave before they are hashed are not charged
			if tries == 1000 {
				t.Fatalf("%s: %d guesses that hung up were not charged", name, tries)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			r, err := http.NewRequestWithContext(ctx, "POST", k.tokenURL(), strings.NewReader(v.Encode()))
			k.must(err)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if resp, err := http.DefaultClient.Do(r); err == nil {
				resp.Body.Close()
			}
			cancel()
		}
	}
}

// TestSpellingsAreOneAccount: guessing one user's password under two spellings
// of the name counts as one.
func TestSpellingsAreOneAccount(t *testing.T) {
	k := newKit(t, "", func(c *server.Config) {
		c.Throttle = throttle.New(throttle.Config{Network: throttle.Bucket{Burst: 1000, Every: time.Second}}, time.Now)
	})
	client := k.addClient("web", storage.AuthNone)
	guess := func(name string) answer {
		return k.post(form("grant_type", "password", "client_id", client.ID, "username", name, "password", "wrong password"))
	}
	var wg sync.WaitGroup
	for range 5 {
		for _, name := range []string{"zo\u00eb", "zoe\u0308"} {
			wg.Go(func() { k.refused(guess(name), 400, "invalid_grant", "no such user") })
		}
	}
	wg.Wait()
	for _, name := range []string{"zo\u00eb", "zoe\u0308"} {
		k.refused(guess(name), 429, "slow_down", "")
	}
}

// TestProxy: behind a trusted proxy, one guesser does not hold off the others;
// what anybody else says of addresses counts for nothing.
func TestProxy(t *testing.T) {
	for name, tt := range map[string]struct {
		trusted []netip.Prefix
		want    int
	}{
		"trusted": {[]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, 200},
		"not":     {nil, 429},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, "", func(c *server.Config) { c.TrustedProxies = tt.trusted })
			client, user := k.addClient("web", storage.AuthNone), k.addUser("alice")
			from := func(addr string) func(*http.Request) {
				return func(r *http.Request) { r.Header.Set("X-Forwarded-For", addr) }
			}
			var wg sync.WaitGroup
			for i := range 25 {
				wg.Go(func() {
					k.post(form("grant_type", "password", "client_id", client.ID, "username", fmt.Sprint("nobody", i), "password", "wrong password"), from("192.0.2.66"))
				})
			}
			wg.Wait()
			good := form("grant_type", "password", "client_id", client.ID, "username", user.Name, "password", user.password)
			if a := k.post(good, from("192.0.2.1")); a.status != tt.want {
				t.Errorf("a user from elsewhere was answered %d %s", a.status, a.raw)
			}
			if a := k.post(good, from("192.0.2.66")); a.status != 429 {
				t.Errorf("the guesser's network was answered %d", a.status)
			}
		})
	}
}

// TestParallelGuesses: of many guesses sent at once, few are tried.
func TestParallelGuesses(t *testing.T) {
	const workers = 2
	k := newKit(t, "", func(c *server.Config) {
		c.Passwords = password.New(password.Config{Workers: workers, MaxWait: 30 * time.Second, Params: password.Params{Memory: 8 << 10, Time: 1, Threads: 1}})
	})
	client := k.addClient("web", storage.AuthNone)
	v := form("grant_type", "password", "client_id", client.ID, "username", "nobody", "password", "wrong password")
	var tried, held atomic.Int32
	var wg sync.WaitGroup
	for range 60 {
		wg.Go(func() {
			switch k.post(v).status {
			case 400:
				tried.Add(1)
			case 429:
				held.Add(1)
			}
		})
	}
	wg.Wait()
	if n := tried.Load(); n < 10 || n > 10+2*workers || n+held.Load() != 60 {
		t.Errorf("%d guesses were tried, %d held off", n, held.Load())
	}
}

// TestSuccessIsForgiven: who mistypes now and then is never held off.
func TestSuccessIsForgiven(t *testing.T) {
	k := newKit(t, "", func(c *server.Config) {
		c.Throttle = throttle.New(throttle.Config{Network: throttle.Bucket{Burst: 1000, Every: time.Second}}, time.Now)
	})
	client, user := k.addClient("web", storage.AuthNone), k.addUser("alice")
	for range 3 {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				k.refused(k.post(form("grant_type", "password", "client_id", client.ID, "username", user.Name, "password", "wrong password")), 400, "invalid_grant", "")
			})
		}
		wg.Wait()
		k.login(user, client)
	}
}

// TestParallelSignIns: however many devices sign in at once with the right
// password, all succeed, also when the hash is renewed on the way.
func TestParallelSignIns(t *testing.T) {
	k := newKit(t, "", func(c *server.Config) {
		c.Passwords = password.New(password.Config{Workers: 4, MaxWait: 10 * time.Second, Params: password.Params{Memory: 8 << 10, Time: 1, Threads: 1}})
	})
	client, user := k.addClient("web", storage.AuthNone), k.addUser("alice")
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			if a := k.post(form("grant_type", "password", "client_id", client.ID, "username", user.Name, "password", user.password)); a.status != 200 {
				t.Errorf("answered %d %s", a.status, a.raw)
			}
		})
	}
	wg.Wait()
	now, err := k.store.UserByName(t.Context(), user.Name)
	k.must(err)
	if now.PasswordHash == user.PasswordHash {
		t.Error("the hash was not renewed with today's parameters")
	}
	k.login(user, client)
}

// TestNoPlaceToHash: beyond the pool's bounds the answer is 503, at once, and
// refreshing goes on.
func TestNoPlaceToHash(t *testing.T) {
	slow := password.Params{Memory: 64 << 10, Time: 8, Threads: 1}
	k := newKit(t, "", patient, func(c *server.Config) {
		c.Passwords = password.New(password.Config{Workers: 1, MaxWait: time.Millisecond, MaxQueue: 1, Params: slow})
	})
	client, user := k.addClient("web", storage.AuthNone), k.addUser("alice")
	token := k.login(user, client).str("refresh_token")

	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					k.post(form("grant_type", "password", "client_id", client.ID, "username", "nobody", "password", "wrong password"))
				}
			}
		})
	}
	busy := 0
	for range 20 {
		a := k.post(form("grant_type", "password", "client_id", client.ID, "username", user.Name, "password", user.password))
		if a.status == 503 {
			busy++
			if a.header.Get("Retry-After") == "" || a.str("error") != "temporarily_unavailable" {
				t.Errorf("503 with %v %s", a.header, a.raw)
			}
		}
		if a := k.refresh(client, token); a.status != 200 {
			t.Errorf("a refresh beside a storm of sign-ins: %d %s", a.status, a.raw)
		}
	}
	close(stop)
	wg.Wait()
	if busy == 0 {
		t.Error("the pool was never full: the storm proves nothing")
	}
}

// TestThrottledWithoutAPlace: the throttle refuses before a place in the pool
// is waited for, so that guessing cannot keep the places from others; it knows
// the name in each of its spellings.
func TestThrottledWithoutAPlace(t *testing.T) {
	guarded := throttle.New(throttle.Config{}, time.Now)
	pool := password.New(password.Config{Workers: 1, MaxWait: 30 * time.Second, Params: password.Params{Memory: 64 << 10, Time: 16, Threads: 1}})
	k := newKit(t, "", func(c *server.Config) { c.Throttle, c.Passwords = guarded, pool })
	client := k.addClient("web", storage.AuthNone)
	for range 10 {
		guarded.Failed("gu\u00e9ssed", netip.MustParseAddr("127.0.0.1"))
	}
	taken := make(chan error, 1)
	go func() {
		_, err := pool.Hash(context.Background(), storage.RandomSecret())
		taken <- err
	}()
	time.Sleep(20 * time.Millisecond)
	k.refused(k.post(form("grant_type", "password", "client_id", client.ID, "username", "gue\u0301ssed", "password", "wrong password")), 429, "slow_down", "")
	select {
	case err := <-taken:
		t.Errorf("the only place was free before the refusal came: %v", err)
	default:
		k.must(<-taken)
	}
}

func TestNamesAreNormalised(t *testing.T) {
	k := newKit(t, "")
	client := k.addClient("web", storage.AuthNone)
	user := k.addUser("zo\u00eb")
	composed := k.login(user, client)
	user.Name = "zoe\u0308"
	decomposed := k.login(user, client)
	if a, b := k.claims(composed.str("access_token"))["sub"], k.claims(decomposed.str("access_token"))["sub"]; a != b {
		t.Errorf("two subjects for one name: %v, %v", a, b)
	}
}
