package storagetest

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

func standingCases() map[string]func(*store) {
	return map[string]func(*store){
		"a new password ends the sessions":    passwordEnds,
		"disabling ends the sessions":         disabledEnds,
		"enabling brings no session back":     enabledAgain,
		"a new hash ends nothing":             rehashKeeps,
		"a hash that changed is not replaced": rehashConflict,
		"an unknown user is not found":        standingUnknown,
		"what has ended stays as it ended":    endedOnce,
	}
}

// ends opens sessions of two users, lets a verb end those of the first, and
// looks at what became of them.
func ends(s *store, why storage.EndReason, verb func(u storage.User, now time.Time) (int, error)) {
	s.Helper()
	ada, bob, web, app := s.addUser("ada"), s.addUser("bob"), s.addClient("web"), s.addClient("app")
	mine := []device{s.login(ada, web), s.login(ada, web), s.login(ada, app)}
	expired := s.login(ada, web, func(n *storage.NewSession) { n.Now = n.Now.Add(-2 * idle) })
	long := s.login(ada, web, func(n *storage.NewSession) { n.Now = n.Now.Add(-2 * absolute) })
	mine = append(mine, expired, long)
	his := s.login(bob, web)

	s.now = s.now.Add(time.Minute)
	at := s.now.Add(1999 * time.Nanosecond)
	ended, err := verb(ada, at)
	s.must(err)
	if ended != len(mine) {
		s.Errorf("%d sessions ended, want %d", ended, len(mine))
	}
	for range 2 {
		for _, d := range mine {
			s.ended(d.token, why)
			if got := s.row(d.token).EndedAt; !got.Equal(whole(at)) {
				s.Errorf("ended at %v, want %v", got, whole(at))
			}
			_, err := s.refresh(d)
			s.wants(storage.ErrEnded, err)
		}
		s.live(his.token)
		s.reopen()
	}
	ended, err = verb(ada, at)
	s.must(err)
	if ended != 0 {
		s.Errorf("%d sessions ended a second time", ended)
	}
	s.refreshed(his, storage.Rotated)
}

func passwordEnds(s *store) {
	ends(s, storage.EndedPassword, func(u storage.User, now time.Time) (int, error) {
		return setPassword(s.Context(), s, u.ID, "another hash", now)
	})
	got, err := s.UserByName(s.Context(), "ada")
	s.must(err)
	if got.PasswordHash != "another hash" || got.Disabled {
		s.Errorf("%+v", got)
	}
	client, err := s.ClientByID(s.Context(), "web")
	s.must(err)
	s.login(got, client)
}

func disabledEnds(s *store) {
	ends(s, storage.EndedDisabled, func(u storage.User, now time.Time) (int, error) {
		return setDisabled(s.Context(), s, u.ID, true, now)
	})
	got, err := s.UserByName(s.Context(), "ada")
	s.must(err)
	if !got.Disabled || got.PasswordHash != "hash of ada" {
		s.Errorf("%+v", got)
	}
}

func enabledAgain(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	before := s.login(ada, web)
	for _, disabled := range []bool{true, true, false, false} {
		_, err := setDisabled(s.Context(), s, ada.ID, disabled, s.now)
		s.must(err)
	}
	s.ended(before.token, storage.EndedDisabled)
	after := s.login(ada, web)
	ended, err := setDisabled(s.Context(), s, ada.ID, false, s.now)
	s.must(err)
	if ended != 0 {
		s.Errorf("%d sessions ended", ended)
	}
	s.refreshed(after, storage.Rotated)
	got, err := s.UserByName(s.Context(), "ada")
	s.must(err)
	s.equal(got, ada)
}

func rehashKeeps(s *store) {
	ada, bob, web := s.addUser("ada"), s.addUser("bob"), s.addClient("web")
	d := s.login(ada, web)
	s.must(s.Rehash(s.Context(), ada.ID, ada.PasswordHash, "stronger"))
	ada.PasswordHash = "stronger"
	got, err := s.Users(s.Context(), "", 10)
	s.must(err)
	s.equal(got, []storage.User{ada, bob})
	out, err := s.refresh(d)
	s.must(err)
	s.equal(out.User, ada)
}

func rehashConflict(s *store) {
	ada := s.addUser("ada")
	for _, old := range []string{"", "hash of bob", "HASH OF ADA", "hash of ada "} {
		s.wants(storage.ErrConflict, s.Rehash(s.Context(), ada.ID, old, "stronger"))
	}
	_, err := setPassword(s.Context(), s, ada.ID, "new", s.now)
	s.must(err)
	s.wants(storage.ErrConflict, s.Rehash(s.Context(), ada.ID, ada.PasswordHash, "stronger"))
	got, err := s.UserByName(s.Context(), "ada")
	s.must(err)
	if got.PasswordHash != "new" {
		s.Errorf("the hash is %q", got.PasswordHash)
	}
}

func standingUnknown(s *store) {
	ada := s.addUser("ada")
	nobody := uuid.New()
	_, err := setPassword(s.Context(), s, nobody, "hash", s.now)
	s.wants(storage.ErrNotFound, err)
	_, err = setDisabled(s.Context(), s, nobody, true, s.now)
	s.wants(storage.ErrNotFound, err)
	s.wants(storage.ErrNotFound, s.Rehash(s.Context(), nobody, ada.PasswordHash, "hash"))
	got, err := s.Users(s.Context(), "", 10)
	s.must(err)
	s.equal(got, []storage.User{ada})
}

func endedOnce(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	reused, first := s.login(ada, web), s.login(ada, web)
	stolen := reused
	s.refreshed(reused, storage.Rotated)
	s.AddService(window + time.Minute)
	_, err := s.refresh(stolen)
	s.wants(storage.ErrReused, err)
	was := s.row(reused.token)

	s.now = s.now.Add(time.Hour)
	for i := range 3 {
		_, err := setPassword(s.Context(), s, ada.ID, fmt.Sprint(i), s.now.Add(time.Duration(i)*time.Hour))
		s.must(err)
		_, err = setDisabled(s.Context(), s, ada.ID, i%2 == 0, s.now)
		s.must(err)
	}
	s.equal(s.row(reused.token), was)
	s.ended(first.token, storage.EndedPassword)
	if got := s.row(first.token).EndedAt; !got.Equal(s.now) {
		s.Errorf("ended at %v, want %v", got, s.now)
	}
}
