package server_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/storage"
)

// A limitedStore tells how long who reads the ring is ready to wait.
type limitedStore struct {
	keys.Store
	limit *atomic.Int64
}

func (l limitedStore) LoadRing(ctx context.Context) ([]byte, storage.Version, error) {
	l.limit.Store(int64(left(ctx)))
	return l.Store.LoadRing(ctx)
}

func left(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Hour
	}
	return time.Until(deadline)
}

// TestOpsPatience: an act on keys has the time to make them on a slow machine,
// and ends before the connection does; a probe is answered sooner.
func TestOpsPatience(t *testing.T) {
	var act, probe atomic.Int64
	b := &bureau{}
	b.open(newKitWith(t, "", func(c *keys.RotatorConfig) { c.Store = limitedStore{c.Store, &act} }, b.hire, func(c *server.Config) {
		ready := c.Ready
		c.Ready = func(ctx context.Context) error {
			probe.Store(int64(left(ctx)))
			return ready(ctx)
		}
	}))
	kid := b.keys.Ring().Published(time.Now())[0].ID
	if a := b.call("POST", "/keys/"+kid+"/revoke", map[string]any{"reason": "leaked"}); a.status != 200 {
		t.Fatalf("answered %d %s", a.status, a.raw)
	}
	if status, body := b.ready(); status != 200 {
		t.Fatalf("answered %d %s", status, body)
	}
	if got := time.Duration(act.Load()); got <= 20*time.Second || got > server.OpsPatience {
		t.Errorf("an act on keys has %s", got)
	}
	if got := time.Duration(probe.Load()); got > 8*time.Second {
		t.Errorf("a probe waits %s", got)
	}
}
