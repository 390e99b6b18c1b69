package conformance

import (
	"context"
	"sync"
	"time"
)

// defaultRate is what a stranger's server is asked in a second.
const defaultRate = 5

// pace spaces requests out.
type pace struct {
	gap  time.Duration
	mu   sync.Mutex
	next time.Time
}

func newPace(rate float64, loopback bool) *pace {
	if rate <= 0 && loopback {
		return &pace{}
	}
	return &pace{gap: time.Duration(float64(time.Second) / or(max(rate, 0), defaultRate))}
}

func (p *pace) wait(ctx context.Context) error {
	p.mu.Lock()
	now := time.Now()
	at := now
	if p.next.After(now) {
		at = p.next
	}
	p.next = at.Add(p.gap)
	p.mu.Unlock()
	return sleep(ctx, at.Sub(now))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
