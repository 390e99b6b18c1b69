package conformance

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// introspectionCases are about what a client is told of its own tokens: what
// an issuer lets others ask about is a matter of its registration.
func introspectionCases() []Case {
	needs := []Input{NeedConfidential, NeedUser}
	return group("intro",
		Case{
			ID: "intro-active", Section: "RFC 7662 §2.2", Level: Must, Needs: needs, Run: introActive,
			Expected: "Of a valid token, active is true, and what is said of it should be what a JWT says.",
			Means:    "A resource server that asks refuses valid tokens, or believes what is not in the token.",
		},
		Case{
			ID: "intro-auth-required", Section: "RFC 7662 §2.1, §2.3, §4", Level: Must, Needs: needs, Run: introAuth,
			Expected: "Nobody is told anything without authenticating: 401.",
			Means:    "Anybody can try tokens until one is active, and learns whose it is.",
		},
		Case{
			ID: "intro-inactive", Section: "RFC 7662 §2.2", Level: Must, Needs: needs, Run: introInactive,
			Expected: "A token that was never issued is 200 with active false, and nothing else.",
			Means:    "A resource server takes a token that nobody issued for a valid one, or its library reports an outage.",
		},
		Case{
			ID: "intro-hint-wrong", Section: "RFC 7662 §2.1", Level: Must, Needs: needs, Run: introHint,
			Expected: "A token is found whatever token_type_hint says.",
			Means:    "A valid token is refused, because the client guessed its kind wrongly.",
		},
		Case{
			ID: "intro-get", Section: "RFC 7662 §2.1, §4", Level: BCP, Needs: needs, Run: introGet, // §4: it MAY be disallowed
			Expected: "GET is not answered: a token in a URL is written to logs.",
			Means:    "Tokens stand in the access logs of the issuer and of every proxy before it.",
		},
		Case{
			ID: "intro-missing-token", Section: "RFC 7662 §2.1; RFC 6749 §5.2", Level: Should, Needs: needs, Run: introMissing,
			Expected: "A request without a token is 400 invalid_request.",
			Means:    "A client that forgets the token is not told what is wrong.",
		},
		Case{
			ID: "intro-tampered-jwt", Section: "RFC 7662 §4", Level: Must, Needs: needs, Run: introTampered,
			Expected: "A JWT with a changed claim under the old signature is inactive.",
			Means:    "Who has any token writes a better one, and the issuer itself vouches for it.",
		},
		Case{
			ID: "intro-revoked-now", Section: "RFC 7662 §4", Level: Must, Needs: needs, Run: introRevoked,
			Expected: "A token that was revoked is inactive at once.",
			Means:    "Who stole a token goes on using it after the user has logged out.",
		},
	)
}

// question asks about a token as c, or as nobody.
func (p *Probe) question(c Client, token string) call {
	q := call{method: http.MethodPost, header: http.Header{}, body: params{{"token", token}}, encode: formEncoded}
	if c.known() {
		q = p.as(c, q.body)
	}
	q.to = "introspection_endpoint"
	return q
}

// introspects is the positive control: a client with a secret that is told of
// an access token of its own.
func (p *Probe) introspects(ctx context.Context) (Client, tokens) {
	c := p.target.confidential()
	return c, p.introspectsAs(ctx, c)
}

func (p *Probe) introspectsAs(ctx context.Context, c Client) tokens {
	p.documents(ctx) // the evidence
	if p.doc.text("introspection_endpoint") == "" {
		panic(stop{absent("there is no introspection_endpoint")})
	}
	t := p.signIn(ctx, c)
	a := p.send(ctx, p.question(c, t.access))
	introspectable(a)
	switch {
	case a.status == http.StatusForbidden, a.status == http.StatusUnauthorized: // whether rightly, meta-introspection-endpoint asks
		panic(stop{Verdict{Skipped, "client " + c.ID + " may not introspect: give a client with a secret that may ask about its own tokens"}})
	case a.status != http.StatusOK || a.json["active"] == false:
		panic(stop{undecided("client %s is not told of its own access token, so nothing else would prove anything", c.ID)})
	}
	return t
}

// introspectable ends the case where access tokens are not asked about at all:
// some servers say so with the code of RFC 7009, of JWTs, which are verified offline.
func introspectable(a answer) {
	if a.code() == "unsupported_token_type" {
		panic(stop{absent("access tokens of this kind are not introspected: %s", a.code())})
	}
}

// introActive compares what is said twice. To differ is no breach: RFC 7662 §2.2
// allows other answers for other askers.
func introActive(ctx context.Context, p *Probe) Verdict {
	c, t := p.introspects(ctx)
	a := p.send(ctx, p.question(c, t.access))
	if active, isBool := a.json["active"].(bool); !isBool || !active {
		return fail("active is not the boolean true")
	}
	if !a.isJSON() {
		return fail("the answer is not application/json")
	}
	token, ok := parseJWT(t.access)
	if !ok {
		return pass()
	}
	for _, name := range []string{"scope", "client_id", "exp", "iat", "nbf", "sub", "aud", "iss", "jti"} {
		said, told := token.claims[name], a.json[name]
		if said != nil && told != nil && !reflect.DeepEqual(said, told) && !sameTexts(said, told) {
			return Verdict{Warn, name + " differs from the token's"}
		}
	}
	return pass()
}

// sameTexts allows scopes and audiences in another order, and a lone audience
// to be a list here and none there.
func sameTexts(a, b any) bool {
	texts := func(v any) (all []string) {
		for _, aud := range (jwt{claims: map[string]any{"aud": v}}).audiences() {
			all = append(all, strings.Fields(aud)...)
		}
		return sorted(all)
	}
	return texts(a) != nil && slices.Equal(texts(a), texts(b))
}

func introAuth(ctx context.Context, p *Probe) Verdict {
	c, t := p.introspects(ctx)
	wrong := c
	wrong.Secret = random("wrong")
	for _, who := range []Client{{}, {ID: c.ID, Method: AuthNone}, wrong} {
		a := p.send(ctx, p.question(who, t.access))
		if a.json["active"] != nil {
			return fail("the question is answered")
		}
		if v := refusedWith([]int{401, 403, 400})(a); v.Outcome != Pass {
			return v
		}
	}
	return pass()
}

func introInactive(ctx context.Context, p *Probe) Verdict {
	c, _ := p.introspects(ctx)
	a := p.send(ctx, p.question(c, random("garbage")))
	if v := isInactive(a); v.Outcome != Pass {
		return v
	}
	if len(a.json) > 1 { // a SHOULD NOT
		return Verdict{Warn, "more is said than active: " + strings.Join(sortedNames(a.json), " ")}
	}
	return pass()
}

func isInactive(a answer) Verdict {
	if active, isBool := a.json["active"].(bool); a.status != http.StatusOK || !isBool || active {
		return fail("it is not answered 200 with active false")
	}
	return pass()
}

func introHint(ctx context.Context, p *Probe) Verdict {
	c, t := p.introspects(ctx)
	for _, hint := range []string{"refresh_token", random("type")} {
		q := p.question(c, t.access)
		q.body = q.body.and("token_type_hint", hint)
		if a := p.send(ctx, q); a.json["active"] != true {
			return fail("with a wrong hint a valid token is not active")
		}
	}
	return pass()
}

// introGet asks about a token that nobody issued, as a client whose secret is
// in a header: nothing that stays in the server's log is worth anything.
func introGet(ctx context.Context, p *Probe) Verdict {
	c := p.target.basic()
	if !c.known() {
		return Verdict{Skipped, "a secret is not put into a URL: give " + string(NeedBasic)}
	}
	p.introspectsAs(ctx, c)
	a := p.send(ctx, inURL(p.question(c, random("garbage"))))
	if a.json["active"] != nil || !slices.Contains([]int{405, 400, 401, 404, 501}, a.status) {
		return fail("GET is answered %d", a.status)
	}
	return pass()
}

func introMissing(ctx context.Context, p *Probe) Verdict {
	c, _ := p.introspects(ctx)
	for _, empty := range []bool{false, true} { // RFC 6749 §3.2: empty is missing
		q := p.question(c, "")
		if !empty {
			q.body = q.body[1:]
		}
		q.body = q.body.and("token_type_hint", "access_token") // or there may be no body, and its type is missing too
		if v := refused("invalid_request")(p.send(ctx, q)); v.Outcome != Pass {
			return v
		}
	}
	return pass()
}

func introTampered(ctx context.Context, p *Probe) Verdict {
	c, t := p.introspects(ctx)
	token := p.jwtOf(t)
	parts := strings.Split(token.compact, ".")
	token.claims["scope"] = random("scope")
	payload, err := json.Marshal(token.claims)
	if err != nil {
		return undecided("the claims cannot be changed: %v", err)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString(payload)
	return isInactive(p.send(ctx, p.question(c, strings.Join(parts, "."))))
}

func introRevoked(ctx context.Context, p *Probe) Verdict {
	c, t := p.introspects(ctx)
	switch {
	case p.doc.text("revocation_endpoint") == "":
		return absent("there is no revocation_endpoint")
	case t.refresh == "":
		return absent("client %s gets no refresh token", c.ID)
	}
	token := t.refresh
	if a := p.send(ctx, p.question(c, token)); a.json["active"] != true {
		token = t.access // some tell of these only
	}
	a := p.send(ctx, p.revocation(c, token))
	switch {
	case a.code() == "unsupported_token_type": // RFC 7009 §2.2.1
		return absent("client %s is not told of its refresh token, and does not revoke its access token", c.ID)
	case a.status != http.StatusOK:
		return undecided("the revocation is answered %d", a.status)
	}
	return isInactive(p.send(ctx, p.question(c, token)))
}
