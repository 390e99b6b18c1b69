package sqlite_test

import (
	"sync"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// BenchmarkRotations tells how many rotations 32 callers get through in a
// second, how many times more that is than one transaction for each, and how
// many times longer than for a transaction a caller waits who is alone.
func BenchmarkRotations(b *testing.B) {
	alone := rotations(b, 300, new(sync.Mutex))
	b.ResetTimer()
	shared := rotations(b, max(b.N, 3000), nil)
	b.ReportMetric(shared, "rotations/s")
	b.ReportMetric(shared/alone, "×alone")
	b.ReportMetric(loneCaller(b, 150), "×lone")
}

// rotations measures n rotations of 32 sessions. A turn keeps the callers
// apart, so that each has the disk, and a transaction, to itself.
func rotations(t testing.TB, n int, turn *sync.Mutex) (perSecond float64) {
	t.Helper()
	const callers = 32
	s, _ := fresh(t)
	l := newStrictLogin(t, s)
	tokens := l.open(t, callers)
	began := time.Now()
	parallel(t, callers, func(i int) error {
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
