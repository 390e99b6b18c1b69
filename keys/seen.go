package keys

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// Seen is a file beside the key-encryption key that holds what a store which
// was set back to an older state makes the ring forget. Any number of
// processes of one machine share it; nothing in it is secret. A nil *Seen
// remembers nothing.
type Seen struct{ path string }

// A Mark is the content of the file.
type Mark struct {
	Version storage.Version `json:"version"`           // the highest seen
	Revoked []string        `json:"revoked,omitempty"` // kids, in the order in which they were seen
	Stay    int64           `json:"stay_s,omitempty"`  // how long retired keys stay published by the highest version, in seconds
}

const (
	maxMarkBytes   = 1 << 20
	maxMarkRevoked = 7_000 // the oldest are forgotten
	maxStay        = 100 * 365 * 24 * 3600
)

// NewSeen names the file. It is made when there is something to remember.
func NewSeen(path string) *Seen { return &Seen{path: path} }

// String returns the path.
func (s *Seen) String() string {
	if s == nil {
		return "no file"
	}
	return s.path
}

// Read returns the mark, empty where there is no file.
func (s *Seen) Read() (Mark, error) {
	if s == nil {
		return Mark{}, nil
	}
	f, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return Mark{}, nil
	}
	if err != nil {
		return Mark{}, fmt.Errorf("%w: %w", ErrMark, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxMarkBytes+1))
	if err != nil {
		return Mark{}, fmt.Errorf("%w: %w", ErrMark, err)
	}
	m, err := parseMark(data)
	if err != nil {
		return Mark{}, fmt.Errorf("%w %s: %w: restore the file, or remove it if the store is known to be current", ErrMark, s.path, err)
	}
	return m, nil
}

func parseMark(data []byte) (Mark, error) {
	var m Mark
	if len(data) > maxMarkBytes {
		return m, fmt.Errorf("more than %d bytes", maxMarkBytes)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return Mark{}, fmt.Errorf("not JSON of a mark: %w", err)
	}
	if m.Version < 1 || m.Stay < 0 || m.Stay > maxStay || slices.ContainsFunc(m.Revoked, func(kid string) bool { return !isKid(kid) }) {
		return Mark{}, errors.New("not a version, kids and seconds")
	}
	return m, nil
}

// covers reports whether there is nothing in a ring to remember.
func (m Mark) covers(r Ring) bool {
	known := m.Version > r.version || m.Version == r.version && m.Stay == markStay(r)
	return known && !slices.ContainsFunc(r.revokedKids(), func(kid string) bool { return !slices.Contains(m.Revoked, kid) })
}

// markStay is how long retired keys of a ring stay, in seconds, rounded up.
func markStay(r Ring) int64 { return min(maxStay, int64((r.stay()+time.Second-1)/time.Second)) }

// raise adds what is in a ring. It never lowers.
func (m Mark) raise(r Ring) Mark {
	if r.version >= m.Version {
		m.Version, m.Stay = r.version, markStay(r)
	}
	m.Revoked = slices.Clone(m.Revoked)
	for _, kid := range r.revokedKids() {
		if !slices.Contains(m.Revoked, kid) {
			m.Revoked = append(m.Revoked, kid)
		}
	}
	m.Revoked = m.Revoked[max(0, len(m.Revoked)-maxMarkRevoked):]
	return m
}

// Probe reports whether Raise could write: it does all that Raise does but
// putting the file in its place.
func (s *Seen) Probe() error {
	return s.write(func(m Mark) (Mark, bool) { return m, true }, func(_, _ string) error { return nil })
}

// Raise records a ring: durable when it returns, never lowering what is there,
// whoever else writes at the same time.
func (s *Seen) Raise(r Ring) error {
	return s.write(func(m Mark) (Mark, bool) { return m.raise(r), !m.covers(r) }, os.Rename)
}

// write replaces the mark by what change makes of it, if there is something to
// do. move puts the new file in its place.
func (s *Seen) write(change func(Mark) (next Mark, todo bool), move func(from, to string) error) error {
	if s == nil {
		return nil
	}
	unlock, err := lockFile(s.path + ".lock")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMark, err)
	}
	defer unlock()
	if err := leaveTo(s.path+".lock", s.path); err != nil {
		return fmt.Errorf("%w: %w", ErrMark, err)
	}
	m, err := s.Read()
	if err != nil {
		return err
	}
	next, todo := change(m)
	if !todo {
		return nil
	}
	data, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMark, err)
	}
	place := func(from, to string) error {
		if err := leaveTo(from, to); err != nil {
			return err
		}
		return move(from, to)
	}
	if err := writeDurably(s.path, append(data, '\n'), place); err != nil {
		return fmt.Errorf("%w: %w", ErrMark, err)
	}
	return nil
}
