package keys

import (
	"crypto"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// A vault is a device in memory: it keeps private halves, and a ring has its handles.
type vault struct {
	mu        sync.Mutex
	halves    map[string]crypto.Signer
	made      int
	destroyed map[string]int // by handle
	away      error          // every call fails
	full      error          // no key is made
	opened    int
}

func newVault() *vault {
	return &vault{halves: map[string]crypto.Signer{}, destroyed: map[string]int{}}
}

// use makes a rotator keep its private halves in the vault.
func (v *vault) use(c *RotatorConfig) { c.Generate, c.Open, c.Destroy = v.generate, v.open, v.destroy }

// leave makes a rotator sign with what is in the vault, and make keys in the ring.
func (v *vault) leave(c *RotatorConfig) { c.Open, c.Destroy = v.open, v.destroy }

func (v *vault) generate(a Algorithm, bits int) (crypto.Signer, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := errors.Join(v.away, v.full); err != nil {
		return nil, err
	}
	key, err := GenerateKey(a, bits)
	if err != nil {
		return nil, err
	}
	v.made++
	handle := fmt.Sprintf("vault:%d", v.made)
	v.halves[handle] = key
	return External{key, handle}, nil
}

func (v *vault) open(handle string) (crypto.Signer, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.opened++
	if v.away != nil {
		return nil, v.away
	}
	key, ok := v.halves[handle]
	if !ok {
		return nil, fmt.Errorf("%s is not in the vault", handle)
	}
	return key, nil
}

func (v *vault) destroy(handle string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.away != nil {
		return v.away
	}
	delete(v.halves, handle)
	v.destroyed[handle]++
	return nil
}

func (v *vault) set(change func(*vault)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(v)
}

// handles are those of the halves that are there.
func (v *vault) handles() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Sorted(maps.Keys(v.halves))
}

// handlesOf are those of the private halves that a ring has.
func handlesOf(r Ring) (out []string) {
	for _, k := range r.keys {
		if k.External() {
			out = append(out, k.handle())
		}
	}
	slices.Sort(out)
	return out
}
