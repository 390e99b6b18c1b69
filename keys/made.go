package keys

import (
	"context"
	"crypto"
	"slices"

	"github.com/hallmark-auth/hallmark/storage"
)

// A maker makes the keys of one attempt to store a ring, and knows what becomes
// of those that are kept outside if it comes to nothing: in a device, unlike in
// memory, they would stay.
type maker struct {
	r      *Rotator
	found  stored
	refuse error   // why no keys are made
	fresh  []spare // made in this attempt
}

// A spare is a key that is kept outside, made for a ring of which it is not
// known whether it was stored. While it may have been, the key is not removed;
// while it was not, it is the next one that is needed, so that a store which
// takes nothing for an hour does not fill the device.
type spare struct {
	Key
	bits int
	on   storage.Version // which the ring was to replace
}

// newMaker first settles which of the spares are in the ring that was found.
// A ring of another version has come between for those that are not.
func (r *Rotator) newMaker(ctx context.Context, base Ring, found stored) *maker {
	m := &maker{r: r, found: found}
	if r.cfg.Open == nil && base.external() {
		m.refuse = ErrElsewhere
	}
	r.spares = slices.DeleteFunc(r.spares, func(s spare) bool {
		if found.ring.find(s.ID) >= 0 {
			return true
		}
		if found.ring.version != s.on {
			m.remove(ctx, s)
			return true
		}
		return false
	})
	return m
}

// generate is a Generate. Like those made in memory, no kid begins with a hyphen.
func (m *maker) generate(a Algorithm, bits int) (crypto.Signer, error) {
	if m.refuse != nil {
		return nil, m.refuse
	}
	for _, s := range m.r.spares {
		if s.Algorithm == a && s.bits == bits && !m.has(s.ID) {
			m.fresh = append(m.fresh, s)
			return s.private, nil
		}
	}
	for {
		private, err := m.r.cfg.Generate(a, bits)
		if err != nil {
			return nil, err
		}
		k, err := newKey(a, private)
		s := spare{k, bits, m.found.ring.version}
		switch e, outside := private.(External); {
		case !outside:
			return private, err
		case err != nil: // a device made something else
			s.private = e
			m.remove(context.Background(), s)
			return nil, err
		case k.ID[0] == '-' && m.r.cfg.Destroy != nil:
			m.remove(context.Background(), s)
		default:
			m.fresh = append(m.fresh, s)
			return private, nil
		}
	}
}

func (m *maker) has(kid string) bool {
	return slices.ContainsFunc(m.fresh, func(s spare) bool { return s.ID == kid })
}

// outcome is what became of an attempt.
type outcome int

const (
	failed  outcome = iota // nothing was stored
	inDoubt                // the store did not say
	done
)

// settle keeps or removes what was made, as the attempt went.
func (m *maker) settle(ctx context.Context, how outcome, ring Ring) {
	for _, s := range m.fresh {
		known := slices.ContainsFunc(m.r.spares, func(t spare) bool { return t.ID == s.ID })
		switch {
		case known: // an earlier attempt's: the next look finds out
		case how == inDoubt:
			m.r.spares = append(m.r.spares, s)
		case how == failed || ring.find(s.ID) < 0:
			m.remove(ctx, s)
		}
	}
}

func (m *maker) remove(ctx context.Context, s spare) {
	if m.r.cfg.Destroy != nil {
		m.r.destroy(ctx, s.ID, s.handle(), true)
	}
}
