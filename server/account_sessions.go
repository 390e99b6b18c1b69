package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/gorilla/mux"

	"github.com/hallmark-auth/hallmark/storage"
)

// maxSessions bounds how many of a user's sessions are looked at for a list.
const maxSessions = 1000

// A deviceSession is a session as its user sees it. Times are RFC 3339, UTC.
type deviceSession struct {
	ID            string `json:"id"`
	ClientID      string `json:"client_id"`
	ClientName    string `json:"client_name,omitempty"`
	Device        string `json:"device"`               // as it said itself at the sign-in; may be empty
	Address       string `json:"address"`              // of the last refresh
	FirstSeen     string `json:"first_seen,omitempty"` // of an old token without iat, nobody knows
	LastSeen      string `json:"last_seen"`            // the sign-in or the last refresh
	ExpiresAt     string `json:"expires_at"`
	IdleExpiresAt string `json:"idle_expires_at"` // unless it is refreshed before
	Current       bool   `json:"current"`         // the one that asks
}

// ownSessions is what may be done with all of a user's sessions.
func (s *Server) ownSessions(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodDelete {
		return s.endAll(w, r)
	}
	return s.listSessions(w, r)
}

// listSessions answers the user's living sessions, the newest first.
func (s *Server) listSessions(w http.ResponseWriter, r *http.Request) error {
	caller, err := s.holder(w, r, sessionsScope)
	if err != nil {
		return err
	}
	found, err := s.store.UserSessions(r.Context(), caller.user.ID, maxSessions)
	if err != nil {
		return err
	}
	own := func(e storage.SessionEntry) bool { return e.ID == caller.session.ID }
	if !slices.ContainsFunc(found, own) { // beyond the bound
		found = append(found, caller.session)
	}
	now := s.now()
	found = slices.DeleteFunc(found, func(e storage.SessionEntry) bool { return !e.EndedAt.IsZero() || e.ExpiredAt(now) })
	slices.SortFunc(found, func(a, b storage.SessionEntry) int {
		return cmp.Or(b.AuthTime.Compare(a.AuthTime), slices.Compare(a.ID[:], b.ID[:]))
	})
	names, err := s.clientNames(r.Context(), found)
	if err != nil {
		return err
	}
	list := make([]deviceSession, 0, len(found)) // never null
	for _, e := range found {
		list = append(list, deviceSession{
			ID: e.ID.String(), ClientID: e.ClientID, ClientName: names[e.ClientID], Device: e.Device, Address: e.LastAddress,
			FirstSeen: stamp(e.AuthTime), LastSeen: stamp(e.LastUsedAt),
			ExpiresAt: stamp(e.ExpiresAt), IdleExpiresAt: stamp(e.LastUsedAt.Add(e.IdleLifetime)), Current: own(e),
		})
	}
	writeJSON(w, http.StatusOK, map[string]any{"sessions": list})
	return nil
}

// clientNames returns what people call the clients of some sessions.
func (s *Server) clientNames(ctx context.Context, entries []storage.SessionEntry) (map[string]string, error) {
	names := map[string]string{}
	for _, e := range entries {
		if _, known := names[e.ClientID]; known {
			continue
		}
		client, err := s.store.ClientByID(ctx, e.ClientID)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return nil, err
		}
		names[e.ClientID] = client.Name
	}
	return names, nil
}

// endSession ends one of the user's sessions, the caller's own included, which
// is to log out. One that is over already is answered alike: who lost the
// answer asks again.
func (s *Server) endSession(w http.ResponseWriter, r *http.Request) error {
	caller, err := s.holder(w, r, sessionsScope)
	if err != nil {
		return err
	}
	id, err := storage.ParseSessionID(mux.Vars(r)["id"])
	if err != nil {
		return errNoSession.because(err)
	}
	target, err := s.store.SessionByID(r.Context(), id)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return errNoSession.because(err)
	case err != nil:
		return err
	case target.User != caller.user.ID:
		return errNoSession.because(fmt.Errorf("session %s is another user's", id))
	}
	if err := s.logOut(r.Context(), target); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// endAll logs the user out everywhere, here as well.
func (s *Server) endAll(w http.ResponseWriter, r *http.Request) error {
	return s.logOutEverywhere(w, r, func(holder) (none storage.SessionID) { return none })
}

// endOthers logs the user out everywhere else. It has a path of its own: a
// parameter that is misspelt must not decide between the two.
func (s *Server) endOthers(w http.ResponseWriter, r *http.Request) error {
	return s.logOutEverywhere(w, r, func(caller holder) storage.SessionID { return caller.session.ID })
}

func (s *Server) logOutEverywhere(w http.ResponseWriter, r *http.Request, keep func(holder) storage.SessionID) error {
	caller, err := s.holder(w, r, sessionsScope)
	if err != nil {
		return err
	}
	ended, err := s.store.EndSessions(r.Context(), caller.user.ID, keep(caller), storage.EndedLogout, s.now())
	if err != nil {
		return err
	}
	eventOf(r.Context()).note(slog.String("event", "logged_out_everywhere"), slog.Int("sessions_ended", ended))
	writeJSON(w, http.StatusOK, map[string]int{"sessions_ended": ended})
	return nil
}

// logOut ends a session at the wish of its user or its client.
func (s *Server) logOut(ctx context.Context, target storage.SessionEntry) error {
	ev, now := eventOf(ctx), s.now()
	ev.note(slog.String("target_sid", target.ID.String()))
	if !target.EndedAt.IsZero() || target.ExpiredAt(now) {
		ev.note(slog.String("outcome", "already over"))
		return nil
	}
	_, err := s.store.EndSession(ctx, target.ID, storage.EndedLogout, now)
	if err != nil && !errors.Is(err, storage.ErrNotFound) { // gone is as good as ended
		return err
	}
	ev.note(slog.String("event", "session_ended_"+string(storage.EndedLogout)))
	return nil
}

// stamp is empty for a time that is not.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
