package server_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
)

// A countedStore counts how often the ring is read.
type countedStore struct {
	keys.Store
	loads atomic.Int64
}

func (c *countedStore) LoadRing(ctx context.Context) ([]byte, storage.Version, error) {
	c.loads.Add(1)
	return c.Store.LoadRing(ctx)
}

// TestIntrospectNewKey: a token by a key that another process has just made,
// which revoked all others, is active; tokens by no key at all make no storm.
func TestIntrospectNewKey(t *testing.T) {
	t.Parallel()
	var cfg keys.RotatorConfig
	var looks countedStore
	k := newKitWith(t, "", func(c *keys.RotatorConfig) {
		cfg = *c
		looks.Store = c.Store
		c.Store = &looks
	})
	api, web := k.addAPI("api", apiAudience), k.addClient("web", storage.AuthNone)
	a := k.login(k.addUser("alice"), web)
	time.Sleep(1100 * time.Millisecond) // since the look of the start

	cfg.OnChange = nil
	other := keys.NewRotator(cfg)
	_, err := other.Edit(t.Context(), func(r keys.Ring, now keys.Instant, g keys.Generate) (keys.Ring, error) {
		return r.RevokeAll("the host was stolen", now, g)
	})
	k.must(err)
	payload, err := json.Marshal(k.claims(a.str("access_token")))
	k.must(err)
	token, err := other.Sign(t.Context(), "", "at+jwt", payload)
	k.must(err)
	k.active(k.introspect(api, token))
	k.inactive(k.introspect(api, a.str("access_token")), "key")

	began, before := time.Now(), looks.loads.Load()
	for i := range 50 {
		header := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"ES256","typ":"at+jwt","kid":"unknown-%d"}`, i))
		k.inactive(k.introspect(api, header+token[strings.Index(token, "."):]), "key")
	}
	if got, most := looks.loads.Load()-before, int64(time.Since(began)/time.Second)+1; got > most {
		t.Errorf("looked %d times, want %d at most", got, most)
	}
}
