package storagetest

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/hallmark-auth/hallmark/storage"
)

// someUser is one of the users, or rarely nobody.
func (h *history) someUser(rt *rapid.T) storage.User {
	if rapid.IntRange(0, 9).Draw(rt, "unknown user") == 9 {
		return storage.User{ID: uuid.New(), Name: "nobody"}
	}
	u := rapid.SampledFrom(h.users).Draw(rt, "user")
	if now, err := h.model.UserByID(h.ctx, u.ID); err == nil {
		return now
	}
	return u // removed
}

func (h *history) addUser(rt *rapid.T, name, foreign string) {
	u := storage.User{
		ID: uuid.New(), Name: name, PasswordHash: "first", ForeignID: foreign, CreatedAt: h.now,
		Claims: storage.UserClaims{Roles: []string{name}},
	}
	_, err := both(h, rt, func(x *side) (any, error) { return nil, x.CreateUser(h.ctx, u) })
	if err == nil {
		h.users = append(h.users, u)
	}
}

func (h *history) addClient(rt *rapid.T, id string, change func(*storage.Client)) {
	c := storage.Client{
		ID: id, AuthMethod: storage.AuthNone, CreatedAt: h.now,
		ClientPolicy: storage.ClientPolicy{
			Grants: []string{storage.GrantPassword, storage.GrantRefreshToken},
			Scopes: []string{"read", "write"}, Audiences: []string{"https://a.example", "https://b.example"},
			RetryWindow: historyWindow, Rotate: true,
		},
	}
	change(&c)
	both(h, rt, func(x *side) (any, error) {
		created, err := x.CreateClient(h.ctx, c)
		if err == nil {
			x.clients = append(x.clients, created)
			return x.plain(created), nil
		}
		return nil, err
	})
}

func (h *history) createUser(rt *rapid.T) {
	names := rapid.SampledFrom([]string{"ada", "bob", "carol", "dave", "Ωmega"})
	h.addUser(rt, names.Draw(rt, "name"), rapid.SampledFrom([]string{"", "", "17", "18"}).Draw(rt, "foreign id"))
}

func (h *history) createClient(rt *rapid.T) {
	id := rapid.SampledFrom([]string{"client-0", "client-1", "client-3", "client-4", "client-5"}).Draw(rt, "id")
	h.addClient(rt, id, func(c *storage.Client) {
		if rapid.Bool().Draw(rt, "may not refresh") {
			c.Grants = []string{storage.GrantPassword}
		}
	})
}

func (h *history) login(rt *rapid.T) {
	if len(h.lineages) > 12 {
		rt.Skip("enough sessions")
	}
	u := h.someUser(rt)
	n := storage.NewSession{
		Token: storage.NewRefreshToken(), User: u.ID, PasswordHash: u.PasswordHash,
		Scope: []string{"read", "write"}, Audience: []string{"https://a.example", "https://b.example"},
		AbsoluteLifetime: time.Duration(rapid.SampledFrom([]int{8, 60}).Draw(rt, "absolute")) * time.Hour,
		IdleLifetime:     time.Duration(rapid.SampledFrom([]int{4, 30}).Draw(rt, "idle")) * time.Hour,
		Address:          "192.0.2.1", Now: h.now,
	}
	if rapid.IntRange(0, 9).Draw(rt, "stale hash") == 9 {
		n.PasswordHash = "stale"
	}
	client := rapid.IntRange(0, len(h.model.clients)-1).Draw(rt, "client")
	_, err := both(h, rt, func(x *side) (storage.Session, error) {
		n := n
		n.Client = x.clients[client].Number
		return x.CreateSession(h.ctx, n)
	})
	if err == nil {
		h.touched = []int{len(h.lineages)}
		h.lineages = append(h.lineages, []storage.RefreshToken{n.Token})
	}
}

// present refreshes with a token of a lineage. What the client does with the
// answer is drawn later: it may present any token again.
func (h *history) present(rt *rapid.T, lineage int, token storage.RefreshToken, change func(*side, *storage.Refresh)) {
	r := storage.Refresh{Token: token, Nonce: storage.NewNonce(), Address: fmt.Sprint("192.0.2.", lineage), Now: h.now}
	out, err := both(h, rt, func(x *side) (storage.Refreshed, error) {
		r := r
		row, err := x.RotateSession(h.ctx, peek(token, h.now))
		if verdict(err) == storage.ErrClient {
			r.Client = row.Before.Client
		}
		change(x, &r)
		return x.RotateSession(h.ctx, r)
	})
	if err == nil && out.Outcome == storage.Rotated {
		h.lineages[lineage] = append(h.lineages[lineage], out.Token)
	}
	h.touched = []int{lineage}
}

func (h *history) draw(rt *rapid.T) (lineage int) {
	if len(h.lineages) == 0 {
		rt.Skip("no session")
	}
	return rapid.IntRange(0, len(h.lineages)-1).Draw(rt, "session")
}

// refresh is an honest client: it has the last token, or the one before when
// it did not get the last answer.
func (h *history) refresh(rt *rapid.T) {
	i := h.draw(rt)
	tokens := h.lineages[i]
	lost := rapid.IntRange(0, 1).Draw(rt, "answers lost")
	h.present(rt, i, tokens[max(0, len(tokens)-1-lost)], func(*side, *storage.Refresh) {})
}

func (h *history) thief(rt *rapid.T) {
	i := h.draw(rt)
	h.present(rt, i, rapid.SampledFrom(h.lineages[i]).Draw(rt, "token"), func(*side, *storage.Refresh) {})
}

// setBack presents a token that the store does not know of yet.
func (h *history) setBack(rt *rapid.T) {
	i := h.draw(rt)
	last := h.lineages[i][len(h.lineages[i])-1]
	ahead := forged(last, last.Generation()+uint32(rapid.IntRange(0, 2).Draw(rt, "ahead")))
	h.present(rt, i, ahead, func(*side, *storage.Refresh) {})
}

func (h *history) refused(rt *rapid.T) {
	i := h.draw(rt)
	client := rapid.IntRange(0, len(h.model.clients)-1).Draw(rt, "client")
	fault := rapid.SampledFrom([]string{"client", "scope", "narrow", "resource", "narrow resource"}).Draw(rt, "fault")
	h.present(rt, i, rapid.SampledFrom(h.lineages[i]).Draw(rt, "token"), func(x *side, r *storage.Refresh) {
		switch fault {
		case "client":
			r.Client = x.clients[client].Number
		case "scope":
			r.Scope = []string{"read", "admin"}
		case "narrow":
			r.Scope = []string{"write"}
		case "resource":
			r.Resources = []string{"https://c.example"}
		case "narrow resource":
			r.Resources = []string{"https://a.example"}
		}
	})
}

func (h *history) setPassword(rt *rapid.T) {
	u, hash := h.someUser(rt), fmt.Sprint("hash ", rapid.IntRange(0, 3).Draw(rt, "hash"))
	both(h, rt, func(x *side) (int, error) { return setPassword(h.ctx, x, u.ID, hash, h.now) })
	h.touchAll()
}

func (h *history) rehash(rt *rapid.T) {
	u := h.someUser(rt)
	old := rapid.SampledFrom([]string{u.PasswordHash, u.PasswordHash, "stale"}).Draw(rt, "old")
	both(h, rt, func(x *side) (any, error) { return nil, x.Rehash(h.ctx, u.ID, old, u.PasswordHash+"+") })
}

func (h *history) setDisabled(rt *rapid.T) {
	u, disabled := h.someUser(rt), rapid.IntRange(0, 2).Draw(rt, "disabled") == 0
	both(h, rt, func(x *side) (int, error) { return setDisabled(h.ctx, x, u.ID, disabled, h.now) })
	h.touchAll()
}

func (h *history) lists(rt *rapid.T) {
	after, limit := rapid.SampledFrom([]string{"", "ada", "b", "z"}).Draw(rt, "after"), rapid.IntRange(1, 5).Draw(rt, "limit")
	both(h, rt, func(x *side) ([]storage.User, error) { return x.Users(h.ctx, after, limit) })
	both(h, rt, func(x *side) ([]storage.Client, error) { return x.Clients(h.ctx) })
	both(h, rt, func(x *side) (storage.User, error) { return x.UserByName(h.ctx, "carol") })
	both(h, rt, func(x *side) (storage.Client, error) { return x.ClientByID(h.ctx, "client-4") })
	both(h, rt, func(x *side) (any, error) { return nil, x.Check(h.ctx) })
}

type stored struct {
	Sealed  string
	Version storage.Version
}

func (h *history) ring(rt *rapid.T) {
	load := func(x *side) (stored, error) {
		sealed, v, err := x.LoadRing(h.ctx)
		return stored{string(sealed), v}, err
	}
	now, _ := both(h, rt, load)
	old := max(0, now.Version+storage.Version(rapid.SampledFrom([]int{0, 0, -1, 1}).Draw(rt, "old")))
	next := old + storage.Version(rapid.IntRange(-1, 3).Draw(rt, "next"))
	both(h, rt, func(x *side) (any, error) {
		return nil, x.ReplaceRing(h.ctx, old, next, fmt.Append(nil, "ring ", next))
	})
	both(h, rt, load)
}

func (h *history) passService(rt *rapid.T) {
	d := time.Duration(rapid.IntRange(1, 4).Draw(rt, "steps")) * serviceStep
	h.backend.AddService(d)
	h.model.AddService(d)
	both(h, rt, func(x *side) (storage.ServiceTime, error) { return x.ServiceTime(h.ctx) })
}

func (h *history) passWall(rt *rapid.T) {
	d := rapid.SampledFrom([]time.Duration{time.Minute, 3 * time.Hour, 25 * time.Hour, -2 * time.Hour}).Draw(rt, "time")
	h.now = h.now.Add(d)
}

// sweep walks through everything; the sides may cut their slices differently.
func (h *history) sweep(rt *rapid.T) {
	limit := rapid.IntRange(1, 5).Draw(rt, "limit")
	both(h, rt, func(x *side) (removed int, err error) {
		var after storage.SessionID
		for range 100 {
			next, n, err := x.SweepSessions(h.ctx, after, limit, h.now)
			if removed += n; err != nil || next == (storage.SessionID{}) {
				return removed, err
			}
			after = next
		}
		return removed, fmt.Errorf("%w: the walk has no end", errWrong)
	})
	h.touchAll()
}

func (h *history) reopen(*rapid.T) {
	h.backend.Backend = h.backend.Reopen()
	h.touchAll()
}
