package conformance

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// stormCases are about what many rotations leave behind.
func stormCases() []Case {
	return group("rot",
		Case{
			ID: "rot-never-unpublished", Section: "RFC 9068 §4; OIDC Core §10.1.1", Level: Must, Needs: signsIn(NeedRotate), Run: storm,
			Expected: "Over three rotations, with tokens issued all the time, no token names a key that is not in the set, at any node, when the token is here.",
			Means:    "An API that fetches the keys for an unknown kid does not find it, refuses a good token, and may remember for days that there is no such key.",
		},
		Case{
			ID: "rot-old-removed", Section: "OIDC Core §10.1.1", Level: BCP, Needs: signsIn(NeedRotate, NeedRetention), Run: oldRemoved,
			Expected: "A key that signs no more leaves the set when --key-retention is over, and its tokens are refused.",
			Means:    "A key that leaks years later, from an old disk, still signs tokens that every API accepts.",
		},
	)
}

const (
	stormRotations = 3
	stormClients   = 4
	stormEvery     = 50 * time.Millisecond // beside the pace, a client asks for a token
)

// A gale is what the clients see of the rotations.
type gale struct {
	kid  atomic.Value // of a token of late
	over atomic.Bool
	mu   sync.Mutex
	fail *Verdict
	got  string
}

func storm(ctx context.Context, p *Probe) Verdict {
	var g gale
	nodes := p.nodes()
	var clients []tokens
	for range stormClients {
		clients = append(clients, p.signIn(ctx, p.target.Client))
	}
	first := p.jwtOf(clients[0]).kid()
	if first == "" {
		return absent("the access token names no key")
	}
	address := p.jwksURI()
	g.kid.Store(first)
	var wg sync.WaitGroup
	for i, t := range clients {
		wg.Go(func() {
			for n := i; !g.over.Load() && ctx.Err() == nil; n++ {
				t = g.issue(ctx, p, nodes, nodes[n%len(nodes)], address, t)
				sleep(ctx, stormEvery) // an ended ctx ends the loop
			}
		})
	}
	ended := caught(func() {
		for range stormRotations {
			before := g.kid.Load()
			hooked(p.target.Hooks.Rotate(ctx))
			p.until(ctx, func() bool { return g.kid.Load() != before || g.failure() != nil },
				undecided("tokens are signed with the key %q as before: the hook changed nothing, or give it longer with --hook-wait", before))
		}
	})
	g.over.Store(true)
	wg.Wait()
	if v := g.failure(); v != nil {
		p.sent, p.got = "GET "+address, g.got
		return *v
	}
	if ended != nil {
		return *ended
	}
	return pass()
}

// issue gets a token at a node, by refresh where that is possible, and looks
// for its key at all of them. What a rotation has to do with other failures is
// for other cases.
func (g *gale) issue(ctx context.Context, p *Probe, nodes []*runner, node *runner, address string, t tokens) tokens {
	c := p.target.Client
	form := p.passwordForm(p.target.User)
	if t.refresh != "" {
		form = refreshForm(t.refresh)
	}
	a, err := node.exchange(ctx, p.as(c, form))
	next, ok := newTokens(a, nil)
	token, isJWT := parseJWT(next.access)
	if err != nil || !ok || !isJWT {
		return tokens{} // next time by password
	}
	for _, n := range nodes {
		set, err := n.fetch(ctx, "GET", address, nil, "")
		if err != nil || set.status != 200 {
			continue
		}
		var kids []string
		for _, k := range keysOf(set) {
			kid, _ := k["kid"].(string)
			kids = append(kids, kid)
		}
		if !slices.Contains(kids, token.kid()) {
			g.mu.Lock()
			v := fail("a token names the key %q, and when it was here the set had %q", token.kid(), kids)
			g.fail, g.got = &v, set.String()
			g.mu.Unlock()
		}
	}
	g.kid.Store(token.kid())
	next.refresh = or(next.refresh, t.refresh)
	return next
}

func (g *gale) failure() *Verdict {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fail
}

func oldRemoved(ctx context.Context, p *Probe) Verdict {
	keep := p.target.KeyRetention
	if keep > p.maxWait {
		return Verdict{Skipped, "it takes " + keep.String() + ": give --max-wait as long"}
	}
	c := p.target.Client
	told := p.isTold(ctx, c, p.signIn(ctx, c).access)
	t := p.turnover(ctx)
	old := t.tokens[0]
	p.pause(ctx, time.Until(t.turned.Add(keep)))
	var now turnover
	p.until(ctx, func() bool {
		p.view(ctx, &now)
		return !slices.Contains(now.last().kids, old.kid())
	}, fail("the key %q is in the set still", old.kid()))
	if told && p.send(ctx, p.question(c, old.compact)).json["active"] != false {
		return fail("introspection does not call a token of the key inactive")
	}
	return pass()
}
