package conformance

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// A keyView is the key set as it was answered once.
type keyView struct {
	keys []map[string]any
	kids []string
	body string
	etag string
}

// A turnover is a rotation as it was watched from outside. Several cases judge
// the same one: a hook may be slow, and servers keep many keys.
type turnover struct {
	views  []keyView
	lead   bool  // the new key was published before the hook ran
	tokens []jwt // in the order in which they were issued
	seenAt []int // for each token, the last view before it was asked for
	before int   // how many of the tokens are from before the hook ran
	grant  tokens
	turned time.Time // when another key had signed
	ended  *Verdict  // it could not be watched

	evidence Probe
}

func (t *turnover) last() keyView { return t.views[len(t.views)-1] }

// turnover returns the rotation of this run, and lets it happen if it has not.
func (p *Probe) turnover(ctx context.Context) *turnover {
	if p.turned == nil {
		p.turned = p.watch(ctx)
	}
	t := p.turned
	p.sent, p.got, p.wires = t.evidence.sent, t.evidence.got, t.evidence.wires
	if t.ended != nil {
		panic(stop{*t.ended})
	}
	return t
}

// watch runs the hook, and meanwhile fetches the keys and signs in by turns,
// until a token has another kid.
func (p *Probe) watch(ctx context.Context) *turnover {
	t := &turnover{}
	t.ended = caught(func() { p.rotate(ctx, t) })
	t.turned, t.evidence = time.Now(), *p
	return t
}

func (p *Probe) rotate(ctx context.Context, t *turnover) {
	p.view(ctx, t)
	if len(t.last().keys) == 0 {
		panic(stop{undecided("jwks_uri answers no keys")})
	}
	for range 3 {
		t.grant = p.issue(ctx, t)
	}
	t.before = len(t.tokens)
	old := t.tokens[0].kid()
	if old == "" {
		panic(stop{absent("the access token names no key")})
	}
	look := func() {
		p.view(ctx, t)
		p.issue(ctx, t)
	}
	p.during(ctx, p.target.Hooks.Rotate, look)
	p.until(ctx, func() bool {
		look()
		return t.tokens[len(t.tokens)-1].kid() != old
	}, undecided("tokens are signed with the key %q as before: the hook changed nothing, or give it longer with --hook-wait", old))
	t.lead = slices.Contains(t.views[0].kids, t.tokens[len(t.tokens)-1].kid())
	p.view(ctx, t)
}

// view fetches the keys; none at all is what was seen, too.
func (p *Probe) view(ctx context.Context, t *turnover) {
	a := p.get(ctx, p.jwksURI(), nil)
	v := keyView{body: string(a.body), etag: a.header.Get("ETag")}
	list, _ := a.json["keys"].([]any)
	for _, key := range list {
		if k, ok := key.(map[string]any); ok && a.status == http.StatusOK {
			kid, _ := k["kid"].(string)
			v.keys, v.kids = append(v.keys, k), append(v.kids, kid)
		}
	}
	t.views = append(t.views, v)
}

// issue gets a token; where its key is not in the set that was fetched last, it
// fetches the set again at once, as a verifier does.
func (p *Probe) issue(ctx context.Context, t *turnover) tokens {
	grant := p.signIn(ctx, p.target.Client)
	token := p.jwtOf(grant)
	t.tokens, t.seenAt = append(t.tokens, token), append(t.seenAt, len(t.views)-1)
	if !slices.Contains(t.last().kids, token.kid()) {
		p.view(ctx, t)
	}
	return grant
}

func (t jwt) kid() string {
	kid, _ := t.header["kid"].(string)
	return kid
}

// verifies reports why a token does not verify with the key that it names, or nil.
func (v keyView) verifies(token jwt) error {
	for _, k := range v.keys {
		if k["kid"] == token.kid() {
			return verify(token.compact, k)
		}
	}
	return errNoKey
}

// material is what makes a key another one: its public numbers.
func material(key map[string]any) string {
	part := map[string]any{}
	for _, name := range []string{"crv", "x", "y", "n", "e"} {
		part[name] = key[name]
	}
	text, _ := json.Marshal(part) // what JSON was read from
	return string(text)
}
