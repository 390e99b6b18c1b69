package storagetest

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/hallmark-auth/hallmark/storage"
)

func (h *history) change(rt *rapid.T) {
	h.one(rt, h.changeUser, h.changeUser, h.changeClient)
}

func (h *history) remove(rt *rapid.T) {
	h.one(rt, h.removeUser, h.removeClient, func(rt *rapid.T) { rt.Skip("there must be some") })
}

func (h *history) end(rt *rapid.T) {
	h.one(rt, h.endSession, h.endSessions, h.endMatching)
}

func (h *history) look(rt *rapid.T) {
	h.one(rt, h.sessions, h.operatorTokens, h.someReplicas, h.audit)
}

func (h *history) one(rt *rapid.T, steps ...func(*rapid.T)) {
	steps[rapid.IntRange(0, len(steps)-1).Draw(rt, "which")](rt)
}

type changedUser struct {
	User  any // tidy
	Ended int
}

// some draws one of some values, or usually none.
func some[T any](rt *rapid.T, label string, values ...T) *T {
	if i := rapid.IntRange(-2*len(values), len(values)-1).Draw(rt, label); i >= 0 {
		return &values[i]
	}
	return nil
}

// someSession is the id of a session that is or was, or of none.
func (h *history) someSession(rt *rapid.T) storage.SessionID {
	i := rapid.IntRange(-1, len(h.lineages)-1).Draw(rt, "session")
	if i < 0 {
		return storage.SessionID{}
	}
	return h.lineages[i][0].SessionID()
}

// someClient is an id that may be taken.
func someClient(rt *rapid.T) string {
	return rapid.SampledFrom([]string{"client-0", "client-1", "client-2", "client-3", "client-4", "client-5"}).Draw(rt, "client")
}

func (h *history) changeUser(rt *rapid.T) {
	u := h.someUser(rt)
	c := storage.UserChange{
		Name:         some(rt, "name", "ada", "bob", "carol", "Ωmega"),
		PasswordHash: some(rt, "hash", "hash 1", ""),
		ImportHash:   some(rt, "import", "legacy 1", "legacy 2", u.PasswordHash),
		Disabled:     some(rt, "disabled", true, false, false),
		Claims:       some(rt, "claims", storage.UserClaims{Groups: []string{"g"}, Extra: map[string]any{"n": 1}}),
		ForeignID:    some(rt, "foreign id", "17", "18", ""),
		If:           some(rt, "if", u.PasswordHash, "stale"),
		IfClaims:     some(rt, "if claims", u.Claims, storage.UserClaims{Groups: []string{"other"}}),
		Keep:         h.someSession(rt), Now: h.now,
	}
	both(h, rt, func(x *side) (changedUser, error) {
		after, ended, err := x.ChangeUser(h.ctx, u.ID, c)
		if err != nil {
			return changedUser{Ended: ended}, err
		}
		return changedUser{tidy(after), ended}, nil
	})
	h.everyUser(rt)
	h.touchAll()
}

func (h *history) removeUser(rt *rapid.T) {
	u := h.someUser(rt)
	both(h, rt, func(x *side) (int, error) { return x.RemoveUser(h.ctx, u.ID) })
	h.everyUser(rt)
	h.touchAll()
}

func (h *history) everyUser(rt *rapid.T) {
	both(h, rt, func(x *side) ([]storage.User, error) { return x.Users(h.ctx, "", 100) })
	for _, foreign := range []string{"17", ""} {
		both(h, rt, func(x *side) (storage.User, error) { return x.UserByForeignID(h.ctx, foreign) })
	}
	u := h.someUser(rt)
	both(h, rt, func(x *side) (storage.User, error) { return x.UserByID(h.ctx, u.ID) })
}

func (h *history) changeClient(rt *rapid.T) {
	id := someClient(rt)
	c := storage.ClientChange{
		Name:      some(rt, "name", "renamed"),
		AddSecret: some(rt, "secret", storage.Digest{1}, storage.Digest{2}),
		DropOld:   rapid.IntRange(0, 2).Draw(rt, "drop") == 0,
	}
	if now, err := h.model.ClientByID(h.ctx, id); err == nil && rapid.Bool().Draw(rt, "policy") {
		before := now.ClientPolicy
		now.Rotate = rapid.Bool().Draw(rt, "rotate")
		now.Scopes = rapid.SampledFrom([][]string{{"read"}, {"read", "write"}}).Draw(rt, "scopes")
		c.Policy = &now.ClientPolicy
		c.IfPolicy = some(rt, "if policy", before, storage.ClientPolicy{})
	}
	both(h, rt, func(x *side) (storage.Client, error) {
		after, err := x.ChangeClient(h.ctx, id, c)
		if err != nil {
			return storage.Client{}, err
		}
		return after, nil
	})
	both(h, rt, func(x *side) ([]storage.Client, error) { return x.Clients(h.ctx) })
}

func (h *history) removeClient(rt *rapid.T) {
	id := someClient(rt)
	both(h, rt, func(x *side) (any, error) { return nil, x.RemoveClient(h.ctx, id) })
	h.touchAll()
	h.sessions(rt)
}

func (h *history) endSession(rt *rapid.T) {
	id := h.someSession(rt)
	why := rapid.SampledFrom([]storage.EndReason{storage.EndedRevoked, storage.EndedLogout}).Draw(rt, "why")
	both(h, rt, func(x *side) (storage.SessionEntry, error) { return x.EndSession(h.ctx, id, why, h.now) })
	h.touchAll()
}

func (h *history) endSessions(rt *rapid.T) {
	u, keep := h.someUser(rt), h.someSession(rt)
	both(h, rt, func(x *side) (int, error) { return x.EndSessions(h.ctx, u.ID, keep, storage.EndedRevoked, h.now) })
	h.touchAll()
}

// endMatching walks through it all, in slices of any size.
func (h *history) endMatching(rt *rapid.T) {
	u, limit := h.someUser(rt), rapid.IntRange(1, 9).Draw(rt, "limit")
	m := storage.SessionMatch{Client: int64(rapid.IntRange(0, 3).Draw(rt, "number"))}
	if rapid.Bool().Draw(rt, "of a user") {
		m.User = u.ID
	}
	if ago := some(rt, "ago", 0, time.Minute, time.Hour, 24*time.Hour); ago != nil {
		m.UsedBefore = h.now.Add(-*ago)
	}
	both(h, rt, func(x *side) (all []storage.SessionID, err error) {
		for after := (storage.SessionID{}); ; {
			next, ended, err := x.EndMatching(h.ctx, after, limit, m, storage.EndedRevoked, h.now)
			if all = append(all, ended...); err != nil || next == (storage.SessionID{}) {
				return all, err
			}
			after = next
		}
	})
	h.touchAll()
}

func (h *history) sessions(rt *rapid.T) {
	after, limit, u := h.someSession(rt), rapid.IntRange(0, 9).Draw(rt, "limit"), h.someUser(rt)
	both(h, rt, func(x *side) ([]storage.SessionEntry, error) { return x.Sessions(h.ctx, after, limit) })
	both(h, rt, func(x *side) ([]storage.SessionEntry, error) { return x.UserSessions(h.ctx, u.ID, limit) })
	both(h, rt, func(x *side) (storage.SessionEntry, error) { return x.SessionByID(h.ctx, after) })
}

func (h *history) operatorTokens(rt *rapid.T) {
	for range 4 {
		h.operatorToken(rt)
	}
	both(h, rt, func(x *side) ([]storage.OperatorToken, error) { return x.OperatorTokens(h.ctx) })
}

func (h *history) operatorToken(rt *rapid.T) {
	t := storage.OperatorToken{
		Name:   rapid.SampledFrom([]string{"a", "b", "Ω"}).Draw(rt, "name"),
		Digest: storage.Digest{byte(rapid.IntRange(0, 3).Draw(rt, "digest"))}, Scopes: []string{fmt.Sprint(len(h.users))},
		CreatedAt: h.now, ExpiresAt: h.now,
	}
	remove := rapid.IntRange(0, 3).Draw(rt, "remove") == 0
	both(h, rt, func(x *side) (any, error) {
		if remove {
			return nil, x.RemoveOperatorToken(h.ctx, t.Name)
		}
		return nil, x.CreateOperatorToken(h.ctx, t)
	})
	both(h, rt, func(x *side) (storage.OperatorToken, error) { return x.OperatorToken(h.ctx, t.Digest) })
}

// someReplicas has processes report and end, with hours between them.
func (h *history) someReplicas(rt *rapid.T) {
	for range 3 {
		r := storage.Replica{
			ID: rapid.SampledFrom(h.replicas).Draw(rt, "replica"), Name: fmt.Sprint(len(h.users)),
			Version: storage.Version(rapid.IntRange(1, 3).Draw(rt, "version")), AdoptedAt: h.now, SeenAt: h.now,
		}
		remove := rapid.IntRange(0, 3).Draw(rt, "remove") == 0
		both(h, rt, func(x *side) (any, error) {
			if remove {
				return nil, x.RemoveReplica(h.ctx, r.ID)
			}
			return nil, x.ReportReplica(h.ctx, r)
		})
		both(h, rt, func(x *side) ([]storage.Replica, error) { return x.Replicas(h.ctx) })
		if rapid.IntRange(0, 3).Draw(rt, "hours later") == 0 {
			for _, x := range []*side{h.backend, h.model} {
				x.AddService(1100 * serviceStep)
			}
		}
	}
}
