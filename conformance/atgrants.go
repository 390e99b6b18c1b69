package conformance

import (
	"context"
	"slices"
	"strings"
)

// atGrantCases are about access tokens of servers that also issue others, or
// bind them to a key.
func atGrantCases() []Case {
	return group("at",
		Case{
			ID: "at-not-id-token", Section: "RFC 9068 §5; RFC 8725 §3.12", Level: Must, Needs: signsIn(), Run: notIDToken,
			Expected: "An ID token that comes along has another typ or another audience than the access token, should have both, and its typ is not at+jwt.",
			Means:    "A page that only asks who the user is gets a token that opens the user's data.",
		},
		Case{
			ID: "at-client-credentials-sub", Section: "RFC 9068 §2.2, §5; RFC 9700 §4.15.1", Level: Must, Needs: signsIn(NeedConfidential),
			Run:      clientSubject,
			Expected: "The sub of a client's own token is there, and should not be that of a user.",
			Means:    "Resource servers take the client for the user, and show it the user's data.",
		},
		Case{
			ID: "at-cnf", Section: "RFC 9449 §6.1", Level: Must, Needs: signsIn(), Run: boundToken,
			Expected: "A token got with a DPoP proof has cnf with the thumbprint of that key.",
			Means:    "Whoever steals the token uses it like any bearer token, though all believe that it is bound.",
		},
	)
}

func notIDToken(ctx context.Context, p *Probe) Verdict {
	t := p.signIn(ctx, p.target.Client)
	access := p.jwtOf(t)
	id, ok := parseJWT(t.text("id_token"))
	if !ok {
		return absent("no signed ID token comes with the access token")
	}
	typ := func(t jwt) string {
		s, _ := t.header["typ"].(string)
		return strings.TrimPrefix(strings.ToLower(s), "application/")
	}
	auds, idAuds := access.audiences(), id.audiences()
	switch {
	case typ(id) == "at+jwt":
		return fail("the ID token has the typ of access tokens")
	case typ(id) == typ(access) && slices.Equal(auds, idAuds):
		return fail("both have the typ %q and the audience %q", typ(id), auds)
	case typ(id) == typ(access): // RFC 8725 §3.12: one difference is enough
		return Verdict{Warn, "both have the same typ, so that only the audience tells them apart"}
	case slices.Equal(auds, idAuds):
		return Verdict{Warn, "both have the same audience, so that only the typ tells them apart"}
	}
	return pass()
}

// clientSubject tries one client; whose names could be a user's at all is for
// the server to know.
func clientSubject(ctx context.Context, p *Probe) Verdict {
	p.documents(ctx) // the evidence
	if !slices.Contains(p.list("grant_types_supported"), "client_credentials") {
		return absent("grant_types_supported does not list client_credentials")
	}
	user, c := p.accessToken(ctx).text("sub"), p.target.confidential()
	a := p.send(ctx, p.as(c, params{{"grant_type", "client_credentials"}}))
	t, ok := newTokens(a, nil)
	if !ok {
		return undecided("client %s gets no token of its own", c.ID)
	}
	switch sub := p.jwtOf(t).text("sub"); sub {
	case "":
		return fail("there is no sub")
	case user: // RFC 9068 §2.2, RFC 9700 §4.15.1: a SHOULD
		return Verdict{Warn, "sub is " + sub + ", as in the user's tokens"}
	case c.ID:
		return pass()
	default: // RFC 9068 §2.2: one that the server knows the client by
		return Verdict{Pass, "sub is not the client_id"}
	}
}

func boundToken(ctx context.Context, p *Probe) Verdict {
	t, key := p.bound(ctx, p.target.Client)
	cnf := p.jwtOf(t).claims["cnf"]
	if why := key.wrongBinding(cnf); why != "" {
		return fail("%s", why)
	}
	if members, _ := cnf.(map[string]any); len(members) > 1 {
		return Verdict{Warn, "cnf has more than jkt, which some verifiers refuse"}
	}
	return pass()
}
