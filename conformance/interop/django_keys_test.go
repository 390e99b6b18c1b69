package interop

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// A keyServer publishes keys as slowly as it is told to.
type keyServer struct {
	*httptest.Server
	kids    atomic.Value  // []string
	held    atomic.Bool   // requests wait for a release
	came    chan struct{} // a request that waits
	release chan struct{}
	fetches atomic.Int32
}

func newKeyServer(t *testing.T) *keyServer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := &keyServer{came: make(chan struct{}, 100), release: make(chan struct{})}
	s.kids.Store([]string{"one"})
	encode := base64.RawURLEncoding.EncodeToString
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fetches.Add(1)
		if s.held.Load() {
			s.came <- struct{}{}
			select {
			case <-s.release:
			case <-r.Context().Done():
				return
			}
		}
		set := map[string][]map[string]string{}
		for _, kid := range s.kids.Load().([]string) {
			set["keys"] = append(set["keys"], map[string]string{
				"kty": "RSA", "alg": "RS256", "kid": kid, "n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes()),
			})
		}
		json.NewEncoder(w).Encode(set)
	}))
	t.Cleanup(s.Close)
	return s
}

// slow is how long nothing of this takes, on any machine, that does not wait for
// what never comes.
const slow = 30 * time.Second

// TestDjangoKeys: whoever has a token of a key that is known does not wait for
// one that fetches the keys; that is one at a time, for a bounded time, and it
// goes nowhere else.
func TestDjangoKeys(t *testing.T) {
	needSimpleJWT(t)
	t.Parallel()
	server := newKeyServer(t)
	s := startSynced(t, &hallmark{}, "auth.User", settings{})
	s.do(t, `import jwt, threading
from hallmark_django.conf import Config
from hallmark_django.tokens import Keys
def kept(url, **config):
    return Keys(Config(jwk_url=url, keys_max_age=60, **config))
def get(keys, kid):
    try:
        return keys.get_signing_key_from_jwt(jwt.encode({}, "a secret", headers={"kid": kid})).key_id
    except jwt.PyJWKClientError as e:
        return str(e)
def begin(keys, kid, n):
    got = []
    threads = [threading.Thread(target=lambda: got.append(get(keys, kid)), daemon=True) for _ in range(n)]
    [t.start() for t in threads]
    return threads, got`)
	says := func(want, python string) {
		t.Helper()
		if got, took := s.do(t, "answer = "+python); fmt.Sprint(got) != want || took > slow {
			t.Errorf("%s: %v after %v, want %s", python, got, took, want)
		}
	}

	s.do(t, fmt.Sprintf("keys = kept(%q, timeout=90)", server.URL))
	says("[one one unknown kid]", `[get(keys, "one"), get(keys, "one"), get(keys, "two")]`) // which was asked for just now
	server.held.Store(true)
	s.do(t, `keys.fetched -= 40; keys.tried = keys.fetched; first = begin(keys, "one", 1)`)
	<-server.came
	says("[one one]", `[get(keys, "one") for _ in range(2)]`)
	s.do(t, `new = begin(keys, "two", 10)`)
	server.kids.Store([]string{"one", "two"})
	server.held.Store(false)
	close(server.release)
	says("[one two two two two two two two two two two]", `[t.join() for t in first[0] + new[0]] and first[1] + new[1]`)
	if n := server.fetches.Load(); n != 2 {
		t.Errorf("they were fetched %d times, want 2", n)
	}

	// The issuer hangs: one waits for it, and no longer than it may.
	server.release = make(chan struct{})
	server.held.Store(true)
	says("one", `[setattr(keys, "timeout", 1), setattr(keys, "fetched", keys.fetched - 100), setattr(keys, "tried", keys.fetched)] and get(keys, "one")`)
	<-server.came
	s.do(t, `keys.timeout = 90; keys.tried = keys.fetched; begin(keys, "one", 1)`)
	<-server.came
	says("[one unknown kid]", `[get(keys, "one"), get(keys, "three")]`)
	says("unknown kid", `[setattr(keys, "fetched", keys.fetched - 3600)] and get(keys, "one")`)

	drip := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			fmt.Fprint(w, " ")
			w.(http.Flusher).Flush()
			time.Sleep(100 * time.Millisecond)
		}
	}))
	t.Cleanup(drip.Close)
	says("unknown kid", fmt.Sprintf(`get(kept(%q, timeout=1), "one")`, drip.URL))
	away := httptest.NewServer(http.RedirectHandler(server.URL, http.StatusFound))
	t.Cleanup(away.Close)
	before := server.fetches.Load()
	says("unknown kid", fmt.Sprintf(`get(kept(%q, timeout=90), "one")`, away.URL))
	if server.fetches.Load() != before {
		t.Error("a redirect was followed")
	}
}
