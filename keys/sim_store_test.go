package keys

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

var (
	errAway = errors.New("the store is away")
	errLost = errors.New("the answer was lost")
)

// A simStore is the stored ring and the counter, with what can go wrong.
type simStore struct {
	s       *sim
	sealed  []byte
	version storage.Version
	away    bool
	back    time.Duration // when the last outage ended
	changed bool          // and not yet seen by the laws
	nested  bool          // somebody is faster just now
	backups []simBackup

	// The counter as it was stored at the last beat or commit.
	counter storage.ServiceTime
	beat    time.Duration
	still   time.Duration // until when it stood still last
	served  time.Duration // all that was counted, whatever was restored
}

// A simBackup is an old state of the whole store.
type simBackup struct {
	sealed  []byte
	version storage.Version
	counter storage.ServiceTime
	ring    Ring
}

func (m *simStore) LoadRing(context.Context) ([]byte, storage.Version, error) {
	switch {
	case m.away:
		return nil, 0, errAway
	case m.version == 0:
		return nil, 0, storage.ErrNotFound
	}
	return m.sealed, m.version, nil
}

// ReplaceRing is the compare-and-swap of the contract. At times somebody else
// gets in between, the store goes away before or after, or the answer is lost.
func (m *simStore) ReplaceRing(_ context.Context, old, next storage.Version, sealed []byte) error {
	lost := false
	if !m.s.settled && !m.nested {
		switch {
		case m.s.chance(0.02):
			m.race()
		case m.s.plan.trouble > 0 && m.s.chance(0.005):
			return errLost // before it arrived
		case m.s.plan.trouble > 0 && m.s.chance(0.005):
			lost = true
		}
	}
	if m.version != old || next <= old {
		m.s.counts.conflicts++
		return storage.ErrConflict
	}
	m.sealed, m.version, m.changed = sealed, next, true
	m.advance()
	if lost {
		m.s.counts.lost++
		return errLost
	}
	return nil
}

// race lets another replica look in the middle of somebody's step.
func (m *simStore) race() {
	r := m.s.replicas[m.s.IntN(len(m.s.replicas))]
	if r.running() && len(r.rot.turn) == 0 {
		m.nested = true
		defer func() { m.nested = false }()
		r.look()
	}
}

// elapse lets the counter go on with the beats of those who run. It stands
// still in an outage and while nobody runs; after it, two beats are made up for.
func (m *simStore) elapse(to time.Duration) {
	if m.away || !m.s.anybody() {
		m.still = to
		return
	}
	switch n := (to - m.beat) / storage.Beat; {
	case n == 0:
	case m.beat >= m.still:
		m.add(m.counter.Add(n*storage.Beat), m.beat+n*storage.Beat)
	default:
		m.advanceTo(to)
	}
}

func (m *simStore) advance() { m.advanceTo(m.s.now) }

func (m *simStore) advanceTo(now time.Duration) {
	m.add(storage.Advance(m.counter, m.counter, now-m.beat), now)
}

func (m *simStore) add(counter storage.ServiceTime, beat time.Duration) {
	m.served += counter.Sub(m.counter)
	m.counter, m.beat = counter, beat
}

// leave begins an outage of the store, recovered ends it.
func (m *simStore) leave(d time.Duration) {
	if m.away {
		return
	}
	m.s.counts.outages++
	m.s.note("outage for %s", d)
	m.away = true
	m.s.after(d, m.recovered)
}

func (m *simStore) recovered() {
	if m.away {
		m.s.note("outage ends")
		m.away, m.back = false, m.s.now
	}
}

// backup keeps the state as it is.
func (m *simStore) backup() {
	if m.away || m.version == 0 {
		return
	}
	m.backups = append(m.backups, simBackup{bytes.Clone(m.sealed), m.version, m.counter, m.s.current()})
	m.backups = m.backups[max(0, len(m.backups)-8):]
}

// restore sets the store back to an old state: any backup there is, or after a
// failover the one that lost the least.
func (m *simStore) restore(b simBackup) {
	m.sealed, m.version, m.counter, m.beat = b.sealed, b.version, b.counter, m.s.now
	m.s.counts.restores++
	m.s.note("restore version %d", b.version)
	m.s.laws.restored(b.ring)
}
