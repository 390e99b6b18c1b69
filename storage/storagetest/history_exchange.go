package storagetest

import (
	"time"

	"pgregory.net/rapid"

	"github.com/hallmark-auth/hallmark/storage"
)

// exchange presents one of a few tokens of another system, or blacklists one, or
// has those forgotten that are over.
func (h *history) exchange(rt *rapid.T) {
	h.one(rt, h.exchangeToken, h.exchangeToken, h.exchangeToken, h.spendTokens, h.sweepSpent)
}

func (h *history) someForeign(rt *rapid.T) storage.Exchange {
	name := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(rt, "foreign token")
	if e, known := h.foreign[name]; known {
		return e
	}
	token, err := storage.ForeignToken([]byte(name))
	if err != nil {
		rt.Fatal(err)
	}
	h.foreign[name] = storage.Exchange{
		ID: storage.SpentID(name), Token: token, User: rapid.SampledFrom([]string{"17", "17", "18", ""}).Draw(rt, "foreign id"),
		IssuedAt: h.now, ExpiresAt: h.now.Add(rapid.SampledFrom([]time.Duration{time.Hour, 100 * time.Hour}).Draw(rt, "lifetime")),
		Mark: rapid.SampledFrom([]string{"", "", storage.PasswordMark("first"), storage.PasswordMark("legacy 1")}).Draw(rt, "mark"),
	}
	return h.foreign[name]
}

func (h *history) exchangeToken(rt *rapid.T) {
	e, client := h.someForeign(rt), rapid.IntRange(0, len(h.model.clients)-1).Draw(rt, "client")
	e.Scope, e.Audience = []string{"read", "write"}, []string{"https://a.example", "https://b.example"}
	e.AbsoluteLifetime, e.IdleLifetime = 60*time.Hour, 30*time.Hour
	e.Nonce, e.Address, e.Now = storage.NewNonce(), "192.0.2.17", h.now
	out, err := both(h, rt, func(x *side) (storage.Refreshed, error) {
		e := e
		e.Client = x.clients[client].Number
		return x.ExchangeToken(h.ctx, e)
	})
	h.touchAll()
	if err == nil && out.Outcome == storage.Exchanged {
		h.touched = append(h.touched, len(h.lineages))
		h.lineages = append(h.lineages, []storage.RefreshToken{e.Token, out.Token})
	}
	h.lookAtSpent(rt, e.ID)
	h.everyUser(rt)
}

func (h *history) spendTokens(rt *rapid.T) {
	one, two := h.someForeign(rt), h.someForeign(rt)
	both(h, rt, func(x *side) (int, error) {
		return x.SpendTokens(h.ctx, storage.Spent{ID: one.ID, ExpiresAt: one.ExpiresAt}, storage.Spent{ID: two.ID, ExpiresAt: two.ExpiresAt})
	})
	h.lookAtSpent(rt, one.ID)
}

// sweepSpent removes all that may go: which of two comes first is not said.
func (h *history) sweepSpent(rt *rapid.T) {
	both(h, rt, func(x *side) (int, error) { return x.SweepSpent(h.ctx, 10, h.now) })
	for _, e := range h.foreign {
		h.lookAtSpent(rt, e.ID)
	}
}

func (h *history) lookAtSpent(rt *rapid.T, id storage.Digest) {
	both(h, rt, func(x *side) (storage.Spent, error) { return x.SpentToken(h.ctx, id) })
}
