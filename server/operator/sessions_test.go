package operator_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

func TestSessions(t *testing.T) {
	d := newDesk(t)
	alice, client := d.alice(t, secret(t)), d.app(t)
	bob, err := d.AddUser(t.Context(), operator.NewUser{Name: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	mine := d.login(t, alice, client)
	d.login(t, alice, client)
	d.login(t, bob, client)

	entry, err := d.Session(t.Context(), mine.SessionID())
	if err != nil || entry.Username != "alice" || entry.ClientID != "app" || !entry.EndedAt.IsZero() {
		t.Errorf("%+v, %v", entry, err)
	}
	if list, err := d.UserSessions(t.Context(), alice.ID); err != nil || len(list) != 2 || list[0].User != alice.ID || list[1].User != alice.ID {
		t.Errorf("alice's: %+v, %v", list, err)
	}
	var ids []storage.SessionID
	err = d.ListSessions(t.Context(), func(s storage.SessionEntry) error {
		ids = append(ids, s.ID)
		return nil
	})
	byID := func(a, b storage.SessionID) int { return slices.Compare(a[:], b[:]) }
	if err != nil || len(ids) != 3 || !slices.IsSortedFunc(ids, byID) {
		t.Errorf("all: %v, %v", ids, err)
	}
	page, err := d.SessionPage(t.Context(), ids[0], 1)
	if err != nil || len(page) != 1 || page[0].ID != ids[1] {
		t.Errorf("page: %+v, %v", page, err)
	}
	_, err = d.SessionPage(t.Context(), ids[0], 0)
	advised(t, err, "limit", "1 to 1000")

	_, sessionErr := d.Session(t.Context(), storage.SessionID{1})
	_, userErr := d.UserSessions(t.Context(), uuid.New())
	for _, err := range []error{sessionErr, userErr} {
		if !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("unknown: %v", err)
		}
	}
}

// More than a page are all listed, once each.
func TestListManySessions(t *testing.T) {
	d := newDesk(t)
	alice, client := d.alice(t, secret(t)), d.app(t)
	want := map[storage.SessionID]bool{}
	for range 501 {
		want[d.login(t, alice, client).SessionID()] = true
	}
	seen := 0
	err := d.ListSessions(t.Context(), func(s storage.SessionEntry) error {
		seen++
		delete(want, s.ID)
		return nil
	})
	if err != nil || seen != 501 || len(want) != 0 {
		t.Errorf("%d listed, %d not: %v", seen, len(want), err)
	}
}

func TestEndSession(t *testing.T) {
	d := newDesk(t)
	alice, client := d.alice(t, secret(t)), d.app(t)
	ended, other := d.login(t, alice, client), d.login(t, alice, client)
	d.log.Reset()
	s, err := d.EndSession(t.Context(), ended.SessionID())
	if err != nil || s.EndReason != storage.EndedRevoked || s.EndedAt.IsZero() || s.Username != "alice" {
		t.Fatalf("%+v, %v", s, err)
	}
	d.recorded(t, "act=session.end", "sid="+ended.SessionID().String(), "username=alice", "sub="+alice.ID.String(), "client_id=app", "reason=revoked")
	if err := d.refresh(t, ended, client); !errors.Is(err, storage.ErrEnded) {
		t.Errorf("refresh of the ended one: %v", err)
	}
	if err := d.refresh(t, other, client); err != nil {
		t.Errorf("refresh of the other: %v", err)
	}

	// What has ended stays as it ended.
	if _, err := d.SetPassword(t.Context(), "alice", secret(t)); err != nil {
		t.Fatal(err)
	}
	d.log.Reset()
	if s, err = d.EndSession(t.Context(), other.SessionID()); err != nil || s.EndReason != storage.EndedPassword {
		t.Errorf("%+v, %v", s, err)
	}
	d.recorded(t, "reason=password_changed")
	if _, err := d.EndSession(t.Context(), storage.SessionID{1}); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("unknown session: %v", err)
	}
	d.silent(t)
}

func TestEndUserSessions(t *testing.T) {
	d := newDesk(t)
	alice, client := d.alice(t, secret(t)), d.app(t)
	bob, err := d.AddUser(t.Context(), operator.NewUser{Name: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	tokens, others := []storage.RefreshToken{d.login(t, alice, client), d.login(t, alice, client)}, d.login(t, bob, client)
	d.log.Reset()
	if ended, err := d.EndUserSessions(t.Context(), alice.ID); err != nil || ended != 2 {
		t.Fatalf("ended %d, %v", ended, err)
	}
	d.recorded(t, "act=session.end_all", "username=alice", "sub="+alice.ID.String(), "sessions_ended=2")
	for _, token := range tokens {
		if err := d.refresh(t, token, client); !errors.Is(err, storage.ErrEnded) {
			t.Errorf("refresh: %v", err)
		}
		if s, err := d.Session(t.Context(), token.SessionID()); err != nil || s.EndReason != storage.EndedRevoked {
			t.Errorf("%+v, %v", s, err)
		}
	}
	if err := d.refresh(t, others, client); err != nil {
		t.Errorf("somebody else's: %v", err)
	}
	if _, err := d.EndUserSessions(t.Context(), uuid.New()); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("unknown user: %v", err)
	}
	d.silent(t)
}
