package interop

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// maxAge is the pages' JWKS_MAX_AGE, which is 300 there.
const maxAge = 5 * time.Second

// A running peer is what the phases of a test speak with.
type running struct {
	peer
	api
}

// begin starts every peer that is installed.
func begin(t *testing.T, s site) (all []running) {
	t.Helper()
	for _, p := range peers() {
		installed := p.need == nil
		if !installed {
			t.Run(p.name, func(t *testing.T) { p.need(t); installed = true })
		}
		if installed {
			all = append(all, running{p, p.start(t, s, p.files)})
		}
	}
	return all
}

// each lets all peers go through a phase.
func each(t *testing.T, phase string, all []running, check func(*testing.T, running)) {
	t.Helper()
	t.Run(phase, func(t *testing.T) {
		for _, p := range all {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				check(t, p)
			})
		}
	})
}

// accepts and refuses hold what a peer says of a token.
func (p running) accepts(t *testing.T, what, token, subject string) {
	t.Helper()
	if got, ok := p.ask(t, token); !ok || got != subject {
		t.Errorf("%s: accepted: %v, as %q; want it accepted as %q", what, ok, got, subject)
	}
}

func (p running) refuses(t *testing.T, what, token string) {
	t.Helper()
	if _, ok := p.ask(t, token); ok {
		t.Errorf("%s: accepted", what)
	}
}

// bad presents a token that should be refused, and is, unless the page says otherwise.
func (p running) bad(t *testing.T, what, token string) {
	t.Helper()
	if _, ok := p.ask(t, token); ok != slices.Contains(p.lets, what) {
		t.Errorf("%s: accepted: %v, and its page says otherwise", what, ok)
	}
}

// TestPeers has every peer verify the tokens of a running server, across a
// rotation that was announced and the revocation of the key that signs.
func TestPeers(t *testing.T) {
	t.Parallel()
	d := serve(t)
	first := d.present(t)
	other := d.strangers(t)
	all := begin(t, site{issuer: d.Issuer, audience: audience, maxAge: maxAge, pem: func(t *testing.T) string { return d.exportPEM(t) }})
	subject := call(t, d.client().Client(t.Context(), d.login(t)), d)

	each(t, "tokens", all, func(t *testing.T, p running) {
		if p.await != nil {
			p.await(t)
		}
		for _, alg := range both {
			if slices.Contains(p.algs, alg) {
				p.accepts(t, alg, first[alg], subject)
			} else {
				p.refuses(t, alg, first[alg])
			}
		}
		alg := p.algs[0]
		good := first[alg]
		if token := other[alg][audList]; slices.Contains(p.minds, audList) {
			p.refuses(t, audList, token)
		} else {
			p.accepts(t, audList, token, subject)
		}
		for _, what := range []string{otherAud, otherIss, expired} {
			p.bad(t, what, other[alg][what])
		}
		p.refuses(t, "another server's", other[alg]["another server's"])
		p.refuses(t, "another signature", good[:len(good)-8]+"AAAAAAAA")
		p.refuses(t, "no signature", good[:strings.LastIndexByte(good, '.')+1])
		p.refuses(t, "garbage", "garbage")
	})

	d.operate(t, "keys", "rotate", "--now") // the keys that sign from now on were published when the peers began
	second := d.successors(t, first)
	each(t, "rotation", all, func(t *testing.T, p running) {
		for _, alg := range p.algs {
			p.accepts(t, "signed with the new key", second[alg], subject)
			p.accepts(t, "signed with the old key", first[alg], subject)
		}
	})

	time.Sleep(maxAge + time.Second) // for the peers, the keys that were published at the rotation are old as well
	each(t, "routine", all, func(t *testing.T, p running) {
		for _, alg := range p.algs {
			p.accepts(t, "signed with the new key", second[alg], subject)
		}
		if p.refill != nil {
			p.refill(t)
		}
	})
	for _, alg := range both {
		d.operate(t, "keys", "revoke", "--reason", "a test", "--yes", "--", kid(t, second[alg]))
	}
	third := d.successors(t, second)
	each(t, "revocation", all, func(t *testing.T, p running) {
		revoked := second[p.algs[0]]
		if p.operator != "" {
			p.accepts(t, "signed with a revoked key, and nothing was done about it", revoked, subject)
			for _, alg := range p.algs {
				p.learns(t, third[alg])
			}
			p.forget(t)
		}
		p.forgets(t, revoked) // before a kid that is new to it has it look at the keys
		for _, alg := range p.algs {
			p.refuses(t, "signed with a revoked key", second[alg])
			p.accepts(t, "signed with the promoted key", third[alg], subject)
			p.accepts(t, "signed with the retired key", first[alg], subject)
		}
	})
}

// learns waits until a token of a new key is accepted: who was reloaded for it
// may not be ready.
func (p running) learns(t *testing.T, token string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for ok := false; !ok; time.Sleep(100 * time.Millisecond) {
		if _, ok = p.ask(t, token); !ok && time.Now().After(deadline) {
			t.Fatal("it does not know the promoted key")
		}
	}
}

// forgets waits until a token of a revoked key is refused: JWKS_MAX_AGE, and
// some time for a slow machine.
func (p running) forgets(t *testing.T, token string) {
	t.Helper()
	deadline := time.Now().Add(maxAge + 30*time.Second)
	for ; time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if _, ok := p.ask(t, token); !ok {
			return
		}
	}
	t.Error("it goes on with the revoked key")
}

// present returns a good token for each algorithm.
func (d demo) present(t *testing.T) map[string]string {
	t.Helper()
	tokens := map[string]string{es256: d.login(t).AccessToken}
	d.addClient(t, "--id", "rs256", "--auth", "none", "--algorithm", rs256)
	tokens[rs256] = d.loginAs(t, d.Issuer, "rs256").AccessToken
	return tokens
}

// successors returns tokens under other keys than earlier ones: the running
// server learns of what operators did within a poll.
func (d demo) successors(t *testing.T, earlier map[string]string) map[string]string {
	t.Helper()
	d.eventually(t, &oauth2.Token{AccessToken: earlier[es256]})
	tokens := map[string]string{es256: d.login(t).AccessToken, rs256: d.loginAs(t, d.Issuer, "rs256").AccessToken}
	for alg, token := range tokens {
		if kid(t, token) == kid(t, earlier[alg]) {
			t.Fatalf("%s: the key did not change", alg)
		}
	}
	return tokens
}

// strangers returns, for each algorithm, tokens that are not as those of the
// peers' API usually are. Nothing but what their names say is wrong with them.
func (d demo) strangers(t *testing.T) map[string]map[string]string {
	t.Helper()
	sibling, unknown := d.sibling(t), serve(t)
	all := map[string]map[string]string{}
	for _, alg := range both {
		client := func(name string, flags ...string) string {
			id := name + "-" + alg
			flags = append([]string{"client", "add", "--id", id, "--auth", "none", "--algorithm", alg}, flags...)
			d.operate(t, flags...)
			return id
		}
		lists := client("lists", "--audience", audience+" https://stranger.example", "--default-audience", audience+" https://stranger.example")
		plain := client("plain", "--audience", audience)
		all[alg] = map[string]string{
			expired:  d.loginAs(t, d.Issuer, client("short", "--audience", audience, "--access-lifetime", "1s")).AccessToken,
			otherAud: d.loginAs(t, d.Issuer, client("stranger", "--audience", "https://stranger.example")).AccessToken,
			audList:  d.loginAs(t, d.Issuer, lists).AccessToken,
			otherIss: d.loginAs(t, sibling, plain).AccessToken,
		}
		unknown.operate(t, "client", "add", "--id", "plain-"+alg, "--auth", "none", "--algorithm", alg, "--audience", audience)
		all[alg]["another server's"] = unknown.loginAs(t, unknown.Issuer, "plain-"+alg).AccessToken
	}
	time.Sleep(7 * time.Second) // the most lenient of the peers allows five for clocks
	return all
}

// sibling runs another issuer with the same users, clients and keys.
func (d demo) sibling(t *testing.T) (issuer string) {
	t.Helper()
	port := freePort(t)
	issuer = "http://127.0.0.1:" + port
	p := launch(t, port, func() *exec.Cmd {
		return exec.Command(binary, "serve", "--issuer", issuer, "--data", d.data, "--listen", "127.0.0.1:"+port, "--ops-listen", "127.0.0.1:0")
	})
	p.await(t)
	return issuer
}
