package throttle_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/server/throttle"
	"github.com/hallmark-auth/hallmark/storage"
)

var errThrottled = errors.New("throttled")

// signIns tries a password 200 times at once, the way a server does, and
// returns how many were hashed and how many were right.
func signIns(t *testing.T, th *throttle.Throttle, pool *password.Pool, encoded, typed string) (hashed, right int64) {
	t.Helper()
	from := netip.MustParseAddr("192.0.2.1")
	var nHashed, nRight atomic.Int64
	var looked, done sync.WaitGroup
	looked.Add(200)
	for range 200 {
		done.Go(func() {
			_, ok := th.Look("alice", from)
			looked.Done()
			looked.Wait() // all have looked before the first fails
			if !ok {
				return
			}
			r, err := pool.Verify(context.Background(), encoded, storage.NewSecret(typed), func() error {
				if _, ok := th.Look("alice", from); !ok {
					return errThrottled
				}
				return nil
			})
			switch {
			case err == errThrottled:
				return
			case err != nil:
				t.Error(err)
			case r.Match:
				th.Succeeded("alice", from)
				nRight.Add(1)
			default:
				th.Failed("alice", from)
			}
			nHashed.Add(1)
		})
	}
	done.Wait()
	return nHashed.Load(), nRight.Load()
}

// Guesses sent at once are no way around the throttle, and sign-ins sent at
// once are no reason for it.
func TestParallelSignIns(t *testing.T) {
	const workers = 2
	pool := password.New(password.Config{
		Workers: workers, MaxWait: time.Minute, MaxQueue: 200,
		Params: password.Params{Memory: 512, Time: 1, Threads: 1},
	})
	encoded, err := pool.Hash(context.Background(), storage.NewSecret("swordfish"))
	if err != nil {
		t.Fatal(err)
	}
	if _, right := signIns(t, throttle.New(throttle.Config{}, time.Now), pool, encoded, "swordfish"); right != 200 {
		t.Errorf("%d of 200 correct sign-ins went through", right)
	}
	// Between leaving the pool and Failed a guess is in neither: twice the
	// workers leaves room for it.
	hashed, _ := signIns(t, throttle.New(throttle.Config{}, time.Now), pool, encoded, "wrongfish")
	t.Logf("%d of 200 guesses were hashed", hashed)
	if hashed < 10 || hashed > 10+2*workers {
		t.Errorf("%d of 200 guesses were hashed, want 10 and at most %d more", hashed, 2*workers)
	}
}
