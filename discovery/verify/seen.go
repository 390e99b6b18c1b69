package verify

import (
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/hallmark-auth/hallmark/discovery"
)

const (
	seenSets   = 1 << 10 // a hash belongs to one set
	seenWays   = 4       // and has so many places there
	seenLength = 4 << 10 // bytes of a token; what is longer is verified each time
)

// seen remembers tokens that were verified, by their hash: at most 4096, of 4
// KiB each. Nobody waits for anybody: a place is read and replaced whole.
//
// An entry is worth what its token would be worth if it were verified again: it
// ends with exp, with its key, with the keys' being too old, and when the
// program says that it is revoked.
type seen struct {
	places [seenSets][seenWays]atomic.Pointer[sighting]
}

type sum [sha256.Size]byte

// A sighting is a token that passed all checks. It is never changed.
type sighting struct {
	sum       sum
	since     time.Time // by the wall clock, which can be set back
	claims    *Claims
	authority *authority
	key       discovery.Key
	set       *discovery.KeySet // that had the key
}

// sumOf is the name of a token: zero for one that is too long for it to be
// cheap.
func sumOf(raw string) sum {
	var short [1 << 10]byte // on the stack; most tokens fit
	switch {
	case len(raw) <= len(short):
		return sha256.Sum256(short[:copy(short[:], raw)])
	case len(raw) <= seenLength:
		return sha256.Sum256([]byte(raw))
	}
	return sum{}
}

func (s *seen) set(of sum) *[seenWays]atomic.Pointer[sighting] {
	return &s.places[binary.LittleEndian.Uint16(of[:])%seenSets]
}

// find returns the claims of a token that is still good, nil otherwise. What it
// finds and is good no more it drops: the checks will say why.
func (s *seen) find(of sum, now time.Time, leeway time.Duration) *Claims {
	set := s.set(of)
	for i := range set {
		found := set[i].Load()
		if found == nil || found.sum != of {
			continue
		}
		if found.good(now, leeway) {
			return found.claims.clone()
		}
		set[i].CompareAndSwap(found, nil)
		return nil
	}
	return nil
}

// good says whether a token that passed all checks still does: only the clock
// and the keys can have changed. When the clock went back, nbf and iat count
// again.
func (s *sighting) good(now time.Time, leeway time.Duration) bool {
	if now.Sub(s.claims.ExpiresAt) >= leeway || now.Before(s.since) {
		return false
	}
	set, err := s.authority.keys.current()
	if err != nil {
		return false
	}
	if set == s.set {
		return true
	}
	key, ok := set.Key(s.key.ID)
	return ok && key.Algorithm == s.key.Algorithm && key.Public.(publicKey).Equal(s.key.Public)
}

// publicKey is what all public keys of the standard library are.
type publicKey interface{ Equal(crypto.PublicKey) bool }

// remember keeps what was found about a token.
func (s *seen) remember(of sum, a *attempt) {
	if of == (sum{}) {
		return
	}
	entry := &sighting{of, a.now.Round(0), a.claims.clone(), a.authority, a.key, a.set}
	set := s.set(of)
	for i := range set {
		if held := set[i].Load(); held == nil || held.sum == of || held.claims.ExpiresAt.Before(a.now) {
			set[i].Store(entry)
			return
		}
	}
	set[of[2]%seenWays].Store(entry) // any of them may go
}

func (s *seen) forget(of sum) {
	set := s.set(of)
	for i := range set {
		if found := set[i].Load(); found != nil && found.sum == of {
			set[i].CompareAndSwap(found, nil)
		}
	}
}
