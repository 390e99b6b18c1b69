package storagetest

import (
	"bytes"

	"github.com/hallmark-auth/hallmark/storage"
)

func ringCases() map[string]func(*store) {
	return map[string]func(*store){
		"a ring is replaced by version":     ringReplaced,
		"a ring of any bytes is kept":       ringBytes,
		"what was passed as ring is a copy": ringCopied,
	}
}

// ring expects what is stored.
func (s *store) ring(want string, version storage.Version) {
	s.Helper()
	sealed, v, err := s.LoadRing(s.Context())
	s.must(err)
	if string(sealed) != want || v != version {
		s.Fatalf("%d bytes of version %d, want %d of %d", len(sealed), v, len(want), version)
	}
}

func ringReplaced(s *store) {
	replace := func(old, next storage.Version, sealed string) error {
		return s.ReplaceRing(s.Context(), old, next, []byte(sealed))
	}
	for range 2 {
		sealed, v, err := s.LoadRing(s.Context())
		s.wants(storage.ErrNotFound, err)
		if len(sealed) != 0 || v != 0 {
			s.Errorf("%d bytes of version %d where there is none", len(sealed), v)
		}
		s.wants(storage.ErrConflict, replace(1, 2, "x"))
		s.wants(storage.ErrConflict, replace(0, 0, "x"))
	}
	s.must(replace(0, 3, "three")) // the caller chooses
	s.ring("three", 3)
	for _, v := range [][2]storage.Version{{0, 1}, {0, 4}, {1, 4}, {2, 4}, {4, 5}, {3, 3}, {3, 2}, {3, 1}, {3, 0}, {3, -1}, {-1, 4}} {
		s.wants(storage.ErrConflict, replace(v[0], v[1], "wrong"))
	}
	s.ring("three", 3)
	s.must(replace(3, 4, "four"))
	s.must(replace(4, 1<<62, "far"))
	s.wants(storage.ErrConflict, replace(4, 5, "wrong"))
	s.reopen()
	s.ring("far", 1<<62)
	s.must(replace(1<<62, 1<<62+1, "further"))
	s.ring("further", 1<<62+1)
}

func ringBytes(s *store) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	version := storage.Version(0)
	for _, sealed := range [][]byte{all, bytes.Repeat(all, 4096), {0}, {}} {
		s.must(s.ReplaceRing(s.Context(), version, version+1, sealed))
		version++
		s.ring(string(sealed), version)
	}
	s.reopen()
	s.ring("", version)
}

func ringCopied(s *store) {
	sealed := []byte("sealed")
	s.must(s.ReplaceRing(s.Context(), 0, 1, sealed))
	for range 2 {
		sealed[0] = 'X'
		s.ring("sealed", 1)
		got, _, err := s.LoadRing(s.Context())
		s.must(err)
		sealed = got
	}
}
