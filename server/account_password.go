package server

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
)

// changePassword gives a user another password and ends their sessions but the
// one that asks. Everything slow happens before the store is asked to change
// anything, and it changes only what was looked at.
func (s *Server) changePassword(w http.ResponseWriter, r *http.Request) error {
	began, ctx := time.Now(), r.Context()
	caller, err := s.holder(w, r, "")
	if err != nil {
		return err
	}
	typed, err := readJSON(w, r, "current", "new")
	if err != nil {
		return err
	}
	current, next := typed["current"], typed["new"]
	if err := password.Check(next); err != nil {
		return errNewPassword.because(err)
	}
	if current.Digest().Equal(next.Digest()) {
		return errSamePassword.because(errors.New("current and new are equal"))
	}
	user := caller.user
	if _, err := s.prove(ctx, began, proof{user.Name, user, current, nil, errCurrent}); err != nil {
		return err
	}
	hash, err := s.passwords.Hash(ctx, next)
	switch {
	case errors.Is(err, password.ErrBusy):
		return errBusy.retryAfter(retryBusy).because(err)
	case err != nil:
		return err
	}
	_, ended, err := s.store.ChangeUser(ctx, user.ID, storage.UserChange{
		PasswordHash: &hash, If: &user.PasswordHash, Keep: caller.session.ID, Now: s.now(),
	})
	switch {
	case errors.Is(err, storage.ErrConflict):
		return errChanged.because(err)
	case errors.Is(err, storage.ErrNotFound):
		return errToken.because(err)
	case err != nil:
		return err
	}
	eventOf(ctx).note(slog.String("event", "password_changed"), slog.Int("sessions_ended", ended))
	w.WriteHeader(http.StatusNoContent)
	return nil
}
