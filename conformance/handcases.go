package conformance

import (
	"context"
	"slices"
)

// passwordChangeCases run before the second user is disabled.
func passwordChangeCases() []Case {
	return group("pw", Case{
		ID: "pw-password-change-revokes", Section: "RFC 9700 §4.14.2", Level: BCP, Needs: []Input{NeedClient, NeedVictim, NeedChangePassword}, Run: passwordChanged,
		Expected: "After a change of the password the refresh tokens from before are 400 invalid_grant.",
		Means:    "Who changes the password because somebody else knows it does not get rid of him.",
	})
}

// grantCases run last of all: the second client can refresh no more after them.
func grantCases() []Case {
	return group("rt", Case{
		ID: "rt-revoked-client-grant", Section: "RFC 6749 §5.2", Level: Must, Needs: signsIn(NeedSecond, NeedRevokeGrant), Run: grantRevoked,
		Expected: "A client that may not refresh any more is refused: 400 unauthorized_client, or invalid_grant where its sessions were ended with it.",
		Means:    "What an operator takes from a client it keeps for as long as its sessions live.",
	})
}

// passwordChanged leaves the user with the password that it found.
func passwordChanged(ctx context.Context, p *Probe) Verdict {
	c, victim := p.target.Client, p.target.Victim
	t := p.victimGrant(ctx)
	if t.refresh == "" {
		return absent("client %s gets no refresh token", c.ID)
	}
	change := func(ctx context.Context, password string) {
		hooked(p.target.Hooks.ChangePassword(ctx, victim.Name, password))
		p.target.Victim.Password = password
	}
	other := random("Changed-1")
	p.secrets.name("USER2_OTHER_PASSWORD", "password", other)
	defer func() { // also when the run is interrupted, or a hook fails that did something
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), or(p.target.Hooks.Timeout, defaultHookTimeout))
		defer cancel()
		change(ctx, victim.Password)
	}()
	change(ctx, other)
	wait := watchEvery
	p.until(ctx, func() bool {
		a, err := p.exchange(ctx, p.as(c, p.passwordForm(p.target.Victim)))
		if _, ok := newTokens(a, nil); ok && err == nil {
			return true
		}
		p.pause(ctx, wait) // until it shows it is a wrong password: not so many that they are throttled
		wait *= 2
		return false
	}, undecided("the second user cannot sign in with the password that the hook was given"))
	return refused("invalid_grant")(p.send(ctx, p.as(c, refreshForm(t.refresh))))
}

func grantRevoked(ctx context.Context, p *Probe) Verdict {
	c := p.target.Second
	p.refreshes(ctx, c)
	token := p.refreshable(ctx, c).refresh
	hooked(p.target.Hooks.RevokeGrant(ctx, c.ID))
	var a answer
	p.until(ctx, func() bool {
		a = p.send(ctx, p.as(c, refreshForm(token)))
		next, ok := newTokens(a, nil)
		token = or(next.refresh, token)
		return !ok
	}, fail("client %s refreshes still", c.ID))
	return refused("unauthorized_client", "invalid_grant")(a)
}

// switchCases are about tokens of another algorithm.
func switchCases() []Case {
	return group("rot", Case{
		ID: "rot-alg-switch", Section: "OIDC Discovery §3", Level: BCP, Needs: signsIn(NeedSwitchAlg), Run: algSwitched,
		Expected: "An algorithm is in id_token_signing_alg_values_supported before the first token that is signed with it.",
		Means:    "APIs that allow what the metadata lists, as many do, refuse every token until they look again.",
	})
}

func algSwitched(ctx context.Context, p *Probe) Verdict {
	first := p.listedAlg(ctx)
	p.during(ctx, p.target.Hooks.SwitchAlg, func() { p.listedAlg(ctx) })
	p.until(ctx, func() bool { return p.listedAlg(ctx) != first },
		undecided("tokens are signed with %s as before: the hook changed nothing, or give it longer with --hook-wait", first))
	return pass()
}

// listedAlg is that of a token that was asked for when the metadata was here;
// the case fails if that does not list it.
func (p *Probe) listedAlg(ctx context.Context) string {
	const list = "id_token_signing_alg_values_supported"
	docs := slices.DeleteFunc(p.documents(ctx), func(doc answer) bool { return doc.json[list] == nil })
	if len(docs) == 0 {
		panic(stop{absent("the metadata has no %s", list)})
	}
	sent, got := p.sent, p.got
	alg, _ := p.accessToken(ctx).header["alg"].(string)
	for _, doc := range docs {
		if algs, _ := doc.list(list); !slices.Contains(algs, alg) {
			p.sent, p.got = sent, got
			panic(stop{fail("a token is signed with %s, and the metadata listed %q just before", alg, algs)})
		}
	}
	return alg
}
