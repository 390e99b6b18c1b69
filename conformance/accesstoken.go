package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

func accessTokenCases() []Case {
	return group("at",
		Case{
			ID: "at-typ", Section: "RFC 9068 §2.1", Level: Must, Needs: signsIn(), Run: atTyp,
			Expected: "The header's typ is at+jwt or application/at+jwt.",
			Means:    "An ID token, which is handed to pages more freely, passes for an access token.",
		},
		Case{
			ID: "at-kid", Section: "RFC 7515 §4.1.4; OIDC Core §10.1", Level: Should, Needs: signsIn(), Run: atKid,
			Expected: "The header has a kid, and it is in the key set.",
			Means:    "Verifiers try every key, or refuse the token; many look keys up by kid only.",
		},
		Case{
			ID: "at-exp", Section: "RFC 9068 §2.2", Level: Must, Needs: signsIn(), Run: atExp,
			Expected: "exp is a number of seconds, in the future.",
			Means:    "The token is refused at once, or is good for ever once it is stolen.",
		},
		Case{
			ID: "at-iat", Section: "RFC 9068 §2.2; measured", Level: Must, Needs: signsIn(), Run: atIat,
			Expected: "iat is an integer and not in the future. Up to five seconds ahead it warns: verifiers without leeway refuse such a token.",
			Means:    "Verifiers refuse fresh tokens now and then, depending on whose clock is ahead.",
		},
		Case{
			ID: "at-nbf-harmless", Section: "RFC 7519 §4.1.5; measured", Level: BCP, Needs: signsIn(), Run: atNbf,
			Expected: "nbf is absent or not after iat: verifiers without leeway refuse the token otherwise.",
			Means:    "Verifiers without leeway refuse fresh tokens for a second or more.",
		},
		Case{
			ID: "at-aud", Section: "RFC 9068 §2.2, §3", Level: Must, Needs: signsIn(), Run: atAud,
			Expected: "aud names at least one audience, and should not name just the client.",
			Means:    "A token for one resource server opens all the others, which cannot tell whom it is for.",
		},
		Case{
			ID: "at-client-id", Section: "RFC 9068 §2.2; RFC 8693 §4.3", Level: Must, Needs: signsIn(), Run: atClientID,
			Expected: "client_id is the client that asked.",
			Means:    "A resource server does not know which application it serves, and cannot lock one out.",
		},
		Case{
			ID: "at-sub", Section: "RFC 9068 §2.2, §6", Level: Must, Needs: signsIn(), Run: atSub,
			Expected: "sub is a non-empty string, and the same in each token of the user.",
			Means:    "A resource server cannot tell users apart, or takes one for several.",
		},
		Case{
			ID: "at-jti", Section: "RFC 9068 §2.2; RFC 7519 §4.1.7", Level: Must, Needs: signsIn(), Run: atJTI,
			Expected: "jti is there and differs in a sample of tokens, of one session and of several. It warns where it is too short for 96 bits.",
			Means:    "A single token cannot be revoked or found in a log, and replays cannot be noticed.",
		},
	)
}

func atTyp(ctx context.Context, p *Probe) Verdict {
	typ, _ := p.accessToken(ctx).header["typ"].(string)
	if !slices.Contains([]string{"at+jwt", "application/at+jwt"}, strings.ToLower(typ)) {
		return fail("typ is %q: an ID token could pass for it", typ)
	}
	return pass()
}

func atKid(ctx context.Context, p *Probe) Verdict {
	kid, _ := p.accessToken(ctx).header["kid"].(string)
	if kid == "" {
		return fail("no kid")
	}
	if !slices.ContainsFunc(p.keySet(ctx), func(k map[string]any) bool { return k["kid"] == kid }) {
		return fail("kid %q is not in the key set", kid)
	}
	return pass()
}

func atExp(ctx context.Context, p *Probe) Verdict {
	token := p.accessToken(ctx)
	number, _ := token.claims["exp"].(json.Number)
	exp, err := number.Float64() // RFC 7519 §2 allows fractions
	now, _ := token.clock()
	switch {
	case err != nil:
		return fail("exp is absent or not a number")
	case exp <= float64(now):
		return fail("exp is %.0f s in the past", float64(now)-exp)
	}
	return pass()
}

func atIat(ctx context.Context, p *Probe) Verdict {
	token := p.accessToken(ctx)
	iat, ok := token.date("iat")
	server, ours := token.clock()
	if !ok {
		return fail("iat is absent or not an integer number")
	}
	v := fail("iat is %d s ahead of the server's Date, %d s ahead of our clock", iat-server, iat-ours)
	switch ahead := iat - min(server, ours); {
	case ahead <= 0:
		return pass()
	case ahead <= clockLeeway: // no RFC demands clocks that agree
		v.Outcome = Warn
	}
	return v
}

func atNbf(ctx context.Context, p *Probe) Verdict {
	token := p.accessToken(ctx)
	if _, ok := token.claims["nbf"]; !ok {
		return pass()
	}
	nbf, ok := token.date("nbf")
	iat, _ := token.date("iat")
	if !ok || nbf > iat {
		return fail("nbf is %v, iat %d", token.claims["nbf"], iat)
	}
	return pass()
}

func atAud(ctx context.Context, p *Probe) Verdict {
	auds := p.accessToken(ctx).audiences()
	if len(auds) == 0 || slices.Contains(auds, "") {
		return fail("aud is absent, empty or not made of strings")
	}
	if len(auds) == 1 && auds[0] == p.target.Client.ID {
		return Verdict{Warn, "aud is the client_id, as in an ID token: no resource server is named, unless the client is one"}
	}
	return pass()
}

func atClientID(ctx context.Context, p *Probe) Verdict {
	if got := p.accessToken(ctx).text("client_id"); got != p.target.Client.ID {
		return fail("client_id is %q, asked as %q", got, p.target.Client.ID)
	}
	return pass()
}

func atSub(ctx context.Context, p *Probe) Verdict {
	one, two := p.accessToken(ctx).text("sub"), p.accessToken(ctx).text("sub")
	switch {
	case one == "" || two == "":
		return fail("sub is missing, empty or not a string")
	case one != two: // RFC 9068 §6 allows it, against being recognised
		return Verdict{Warn, "the user has another sub in each token: no resource server can recognise who comes again"}
	}
	return pass()
}

func atJTI(ctx context.Context, p *Probe) Verdict {
	seen, v := map[string]bool{}, pass()
	for range 4 {
		t := p.signIn(ctx, p.target.Client)
		sample := []jwt{p.jwtOf(t)}
		if t.refresh != "" {
			sample = append(sample, p.jwtOf(p.control(ctx, "refreshing", p.as(p.target.Client, refreshForm(t.refresh)))))
		}
		for _, token := range sample {
			jti := token.text("jti")
			switch {
			case jti == "":
				return fail("jti is missing, empty or not a string")
			case seen[jti]:
				return fail("two tokens have the jti %q", jti)
			case len(jti) < 16: // 96 bits in base64url; RFC 7519 §4.1.7 has other ways to be unique
				v = Verdict{Warn, fmt.Sprintf("jti is %q: too short for one that is random", jti)}
			}
			seen[jti] = true
		}
	}
	return v
}
