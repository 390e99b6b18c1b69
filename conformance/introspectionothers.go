package conformance

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// introspectionOtherCases are about who else is told of a token, and in which
// form.
func introspectionOtherCases() []Case {
	needs := []Input{NeedConfidential, NeedUser}
	return group("intro",
		Case{
			ID: "intro-no-store", Section: "RFC 7662 §4", Level: BCP, Needs: needs, Run: introNoStore,
			Expected: "An answer comes with Cache-Control: no-store, or private for a minute at most.",
			Means:    "A token that was revoked goes on to be active for whoever asks through a cache.",
		},
		Case{
			ID: "intro-refresh-hidden", Section: "RFC 7662 §4", Level: BCP, Needs: append(needs, NeedSecond), Run: introRefreshHidden,
			Expected: "A client is not told of another client's refresh token.",
			Means:    "Whoever finds refresh tokens learns which of them are worth using, and whose they are.",
		},
		Case{
			ID: "intro-client-token", Section: "RFC 7662 §4", Level: BCP, Needs: append(needs, NeedSecond), Run: introClientToken,
			Expected: "A client is not told of another client's access token, unless it is the token's audience.",
			Means:    "Any application that gets hold of tokens learns whose they are and what they allow.",
		},
		Case{
			ID: "intro-aud-isolation", Section: "RFC 7662 §2.2, §4", Level: Must, Needs: signsIn(NeedSecond, NeedAPI), Run: introIsolation,
			Expected: "An API is told of the tokens that are for it, and of those for other APIs nothing, or less.",
			Means:    "An API that other APIs' tokens get to, by mistake or by theft, learns whose they are and can tell which work.",
		},
		Case{
			ID: "intro-cnf", Section: "RFC 9449 §6.2", Level: Must, Needs: needs, Run: introBound,
			Expected: "Of a token that is bound by DPoP, cnf has the thumbprint of its key, and token_type is DPoP if it is said.",
			Means:    "Resource servers that ask take the token for a bearer token, and whoever steals it uses it.",
		},
		Case{
			ID: "intro-jwt-response", Section: "RFC 9701 §4, §5, §7", Level: Should, Needs: needs, Run: introJWT,
			Expected: "Where signed answers are offered, one is of the right type, for the caller, by the issuer, and verifies.",
			Means:    "A resource server that keeps the answer as evidence cannot show who gave it, or to whom.",
		},
	)
}

func introNoStore(ctx context.Context, p *Probe) Verdict {
	c, t := p.introspects(ctx)
	a := p.send(ctx, p.question(c, t.access))
	_, private := a.directives()["private"]
	age, err := strconv.Atoi(a.directives()["max-age"])
	if !a.noStore() && (!private || err != nil || age > 60) {
		return fail("the answer may be kept")
	}
	return pass()
}

// apart returns a client that is told of its own tokens, and another one.
func (p *Probe) apart(ctx context.Context) (asks, owns Client) {
	asks, _ = p.introspects(ctx)
	owns = first(func(c Client) bool { return c.ID != asks.ID }, p.target.Client, p.target.Second)
	if !owns.known() {
		panic(stop{undecided("--client-id and --client2-id are one client")})
	}
	return asks, owns
}

// untold wants the answer to say nothing of a token.
func untold(a answer) Verdict {
	switch {
	case a.status == http.StatusForbidden, a.status == http.StatusUnauthorized:
		return pass()
	case a.json["active"] == true:
		return fail("the token is told of")
	}
	return isInactive(a)
}

func introRefreshHidden(ctx context.Context, p *Probe) Verdict {
	asks, owns := p.apart(ctx)
	return untold(p.send(ctx, p.question(asks, p.refreshable(ctx, owns).refresh)))
}

func introClientToken(ctx context.Context, p *Probe) Verdict {
	asks, owns := p.apart(ctx)
	a := p.send(ctx, p.question(asks, p.signIn(ctx, owns).access))
	if auds := (jwt{claims: a.json}).audiences(); slices.Contains(auds, asks.ID) {
		return absent("client %s is the audience of client %s's tokens", asks.ID, owns.ID)
	}
	return untold(a)
}

// introIsolation compares what an API is told of two tokens.
func introIsolation(ctx context.Context, p *Probe) Verdict {
	p.documents(ctx) // the evidence
	if p.doc.text("introspection_endpoint") == "" {
		return absent("there is no introspection_endpoint")
	}
	own, others := p.signIn(ctx, p.target.Client), p.signIn(ctx, p.target.Second)
	one, ok := parseJWT(own.access)
	two, also := parseJWT(others.access)
	if ok && also && slices.Equal(one.audiences(), two.audiences()) {
		return undecided("the tokens of both clients are for %q: give a second client whose tokens are for another API", one.audiences())
	}
	told := p.send(ctx, p.question(p.target.API, own.access))
	introspectable(told)
	if told.json["active"] != true {
		return undecided("client %s is not told of a token of client %s, so nothing else would prove anything", p.target.API.ID, p.target.Client.ID)
	}
	a := p.send(ctx, p.question(p.target.API, others.access))
	if a.json["active"] == true && len(a.json) < len(told.json) {
		return Verdict{Pass, "it is told less: " + strings.Join(sortedNames(a.json), " ")}
	}
	return untold(a)
}

func introBound(ctx context.Context, p *Probe) Verdict {
	c, _ := p.introspects(ctx)
	t, key := p.bound(ctx, c)
	a := p.send(ctx, p.question(c, t.access))
	if a.json["active"] != true {
		return undecided("client %s is not told of its own bound token", c.ID)
	}
	if why := key.wrongBinding(a.json["cnf"]); why != "" {
		return fail("%s", why)
	}
	if typ, said := a.json["token_type"]; said && !strings.EqualFold(a.text("token_type"), "DPoP") {
		return fail("token_type is %v", typ)
	}
	return pass()
}

func introJWT(ctx context.Context, p *Probe) Verdict {
	const media = "token-introspection+jwt"
	p.documents(ctx) // the evidence
	if p.doc.json["introspection_signing_alg_values_supported"] == nil {
		return absent("there is no introspection_signing_alg_values_supported")
	}
	c, t := p.introspects(ctx)
	q := p.question(c, t.access)
	q.header.Set("Accept", "application/"+media)
	a := p.send(ctx, q)
	sent, got := p.sent, p.got
	token, ok := parseJWT(strings.TrimSpace(string(a.body)))
	if !ok || !strings.HasPrefix(strings.ToLower(a.header.Get("Content-Type")), "application/"+media) {
		return fail("asked for %s, it answers something else", media)
	}
	kid, typ := token.header["kid"], token.header["typ"]
	keys := p.keySet(ctx)
	p.sent, p.got = sent, got
	if !slices.ContainsFunc(keys, func(k map[string]any) bool { return k["kid"] == kid && verify(token.compact, k) == nil }) {
		return fail("the answer does not verify with the key that it names, %v", kid)
	}
	name, _ := typ.(string)
	told, _ := token.claims["token_introspection"].(map[string]any)
	_, dated := token.claims["iat"].(json.Number)
	switch {
	case strings.TrimPrefix(strings.ToLower(name), "application/") != media:
		return fail("typ is %v", typ)
	case token.text("iss") != p.target.Issuer:
		return fail("iss is %q", token.text("iss"))
	case len(token.audiences()) == 0 || slices.Contains(token.audiences(), ""):
		return fail("it is for nobody: aud is missing or empty")
	case !dated:
		return fail("iat is not a number")
	case told["active"] != true:
		return fail("token_introspection does not say that the token is active")
	}
	return pass()
}
