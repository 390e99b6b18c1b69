package sqlite_test

import (
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage/storagetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storagetest.Fixture {
		s, path := fresh(t)
		return storagetest.Fixture{
			Backend:    s,
			AddService: func(d time.Duration) { must(t, s.Advance(ctx, d)) },
			Reopen: func() storagetest.Backend {
				must(t, s.Close())
				s = reopen(t, path)
				return s
			},
		}
	})
}
