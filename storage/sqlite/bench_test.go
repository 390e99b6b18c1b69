package sqlite_test

import (
	"sync"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// BenchmarkRotations tells how many rotations 32 callers get through in a
// second, and how many times more that is than one transaction for each.
func BenchmarkRotations(b *testing.B) {
	alone := rotations(b, 300, new(sync.Mutex))
	b.ResetTimer()
	shared := rotations(b, max(b.N, 3000), nil)
	b.ReportMetric(shared, "rotations/s")
	b.ReportMetric(shared/alone, "×alone")
}

// rotations measures n rotations of 32 sessions. A turn keeps the callers
// apart, so that each has the disk, and a transaction, to itself.
func rotations(b *testing.B, n int, turn *sync.Mutex) (perSecond float64) {
	const callers = 32
	s, _ := fresh(b)
	l := newLogin(b, s)
	l.client.RetryWindow = 0
	strict := aClient("strict")
	strict.RetryWindow = 0
	c, err := s.CreateClient(ctx, strict)
	must(b, err)
	l.client = c
	tokens := l.open(b, callers)
	began := time.Now()
	parallel(b, callers, func(i int) error {
		for range n / callers {
			next, err := rotate(s, l.refresh(tokens[i]), turn)
			if err != nil {
				return err
			}
			tokens[i] = next.Token
		}
		return nil
	})
	return float64(n/callers*callers) / time.Since(began).Seconds()
}

func rotate(s *sqlite.Store, r storage.Refresh, turn *sync.Mutex) (storage.Refreshed, error) {
	if turn != nil {
		turn.Lock()
		defer turn.Unlock()
	}
	return s.RotateSession(ctx, r)
}
