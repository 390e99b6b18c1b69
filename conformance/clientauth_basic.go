package conformance

import (
	"context"
	"encoding/base64"
	"net/url"
	"strings"
)

// clientAuthBasicCases are about how Basic credentials may be written.
func clientAuthBasicCases() []Case {
	needs := []Input{NeedBasic, NeedUser}
	return group("cauth",
		Case{
			ID: "cauth-basic-form-encoded", Section: "RFC 6749 §2.3.1, App. B", Level: Must, Needs: needs, Run: formEncodedBasic,
			Expected: "An id and secret that form-encoding changes work by Basic when they are form-encoded.",
			Means:    "A client whose secret has a reserved character is locked out, and works again by chance when a new one is drawn.",
		},
		Case{
			ID: "cauth-basic-raw-interop", Section: "RFC 6749 §2.3.1, App. B (measured: @badgateway/oauth2-client 3.3.1)", Level: BCP, Needs: needs, Run: rawBasic,
			Expected: "An id and secret without % and + work by Basic when they are not encoded: decoding them changes nothing.",
			Means:    "Client libraries that encode nothing, and there are many, cannot sign anybody in.",
		},
		Case{
			ID: "cauth-basic-scheme-case", Section: "RFC 9110 §11.1; RFC 7617 §2", Level: Must, Needs: needs, Run: schemeCase,
			Expected: "The scheme's name is Basic in lower case, upper case or both.",
			Means:    "A client library that writes basic in small letters cannot sign anybody in.",
		},
		Case{
			ID: "cauth-basic-extra-space", Section: "RFC 9110 §11.4", Level: Should, Needs: needs, Run: extraSpace,
			Expected: "Two spaces after the scheme are taken as one, or refused with 400 or 401.",
			Means:    "A request that is only written oddly is answered as a fault of the server.",
		},
		Case{
			ID: "cauth-basic-no-colon", Section: "RFC 7617 §2; RFC 6749 §5.2", Level: Must, Needs: needs,
			Expected: "Basic credentials without a colon are 401 (or 400) invalid_client or invalid_request.",
			Means:    "A malformed request is taken for a client, or for a fault of the server.",
			Run: badBasic(func(c Client) []string {
				return []string{base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.ID) + url.QueryEscape(c.Secret)))}
			}),
		},
		Case{
			ID: "cauth-basic-bad-base64", Section: "RFC 7617 §2; RFC 4648 §3.3", Level: Must, Needs: needs, Run: badBasic(notBase64),
			Expected: "Basic credentials with characters that base64 does not have are 401 (or 400), the right ones too.",
			Means:    "Two components read different credentials out of one request, so that one lets pass what the other would refuse.",
		},
		Case{
			ID: "cauth-basic-two-headers", Section: "RFC 9110 §5.3; RFC 6749 §2.3", Level: BCP, Needs: needs, Run: twoHeaders,
			Expected: "Two Authorization headers are refused, 400 or 401, whichever of them is right.",
			Means:    "A proxy may check one client's credentials and the server act for another's.",
		},
		Case{
			ID: "cauth-basic-empty-secret", Section: "RFC 6749 §2.3.1, §5.2", Level: Must, Needs: needs, Run: emptySecret,
			Expected: "An empty secret by Basic is 401 invalid_client (or 400 invalid_request) for a client that has one.",
			Means:    "Anybody who knows the public client_id can act as the client: the secret protects nothing.",
		},
		Case{
			ID: "cauth-bearer-scheme", Section: "RFC 6749 §2.3, §5.2", Level: Must, Needs: needs, Run: bearerScheme,
			Expected: "A scheme that is no client authentication, such as Bearer, does not authenticate: 400 or 401.",
			Means:    "Any header at all passes for a client's credentials.",
		},
	)
}

// basicWhere returns a client of client_secret_basic that passes ok, or none.
func (t Target) basicWhere(ok func(Client) bool) Client {
	return first(func(c Client) bool { return c.method() == AuthBasic && ok(c) }, t.Basic, t.Client, t.Second, t.Strict)
}

// encodes reports whether form-encoding changes the id or the secret of c.
func encodes(c Client) bool { return url.QueryEscape(c.ID+c.Secret) != c.ID+c.Secret }

// byBasic is a valid password request of c but for its Authorization headers.
func (p *Probe) byBasic(c Client, headers ...string) call {
	q := p.as(c, p.passwordForm(p.target.User))
	q.header["Authorization"] = headers
	return q
}

// credentials are what c sends after the scheme.
func credentials(c Client) string {
	_, text, _ := strings.Cut(basicHeader(url.QueryEscape(c.ID), url.QueryEscape(c.Secret)), " ")
	return text
}

func formEncodedBasic(ctx context.Context, p *Probe) Verdict {
	c := p.target.basicWhere(encodes)
	if !c.known() {
		return Verdict{Skipped, "give --basic-client-id and --basic-client-secret-file of a client that has a reserved character in one of them"}
	}
	return issued(p.send(ctx, p.as(c, p.passwordForm(p.target.User))))
}

func rawBasic(ctx context.Context, p *Probe) Verdict {
	c := p.target.basicWhere(func(c Client) bool {
		return encodes(c) && !strings.ContainsAny(c.ID+c.Secret, "%+") && !strings.Contains(c.ID, ":")
	})
	if !c.known() {
		return Verdict{Skipped, "give --basic-client-id and --basic-client-secret-file of a client that has a reserved character other than % and + in one of them"}
	}
	p.signIn(ctx, c)
	return issued(p.send(ctx, p.byBasic(c, basicHeader(c.ID, c.Secret))))
}

func schemeCase(ctx context.Context, p *Probe) Verdict {
	c := p.target.basic()
	p.signIn(ctx, c)
	for _, scheme := range []string{"basic", "BASIC", "bAsIc"} {
		if v := issued(p.send(ctx, p.byBasic(c, scheme+" "+credentials(c)))); v.Outcome != Pass {
			return v
		}
	}
	return pass()
}

func extraSpace(ctx context.Context, p *Probe) Verdict {
	c := p.target.basic()
	p.signIn(ctx, c)
	a := p.send(ctx, p.byBasic(c, "Basic  "+credentials(c)))
	if _, ok := newTokens(a, nil); ok {
		return pass()
	}
	return refusedWith([]int{400, 401})(a)
}

// badBasic sends credentials that are none of the scheme, however they are read.
func badBasic(made func(Client) []string) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		c := p.target.basic()
		p.signIn(ctx, c)
		for _, text := range made(c) {
			v := refusedWith([]int{400, 401}, "invalid_client", "invalid_request")(p.send(ctx, p.byBasic(c, "Basic "+text)))
			if v.Outcome != Pass {
				return v
			}
		}
		return pass()
	}
}

// notBase64 are the right credentials as only a lenient decoder reads them, and
// what none does. Padding is left alone: no sentence tells decoders to ask for it.
func notBase64(c Client) []string {
	text := credentials(c)
	half := len(text) / 2
	out := []string{"%%%", text[:half] + "!" + text[half:], text[:half] + " " + text[half:]}
	if other := strings.NewReplacer("+", "-", "/", "_").Replace(text); other != text { // RFC 4648 §5
		out = append(out, other)
	}
	return out
}

func twoHeaders(ctx context.Context, p *Probe) Verdict {
	c := p.target.basic()
	p.signIn(ctx, c)
	other := p.target.basicWhere(func(o Client) bool { return o.ID != c.ID })
	if !other.known() {
		other = Client{ID: random("nobody"), Secret: random("wrong")}
	}
	one, two := "Basic "+credentials(c), "Basic "+credentials(other)
	for _, headers := range [][]string{{one, two}, {two, one}} {
		if v := refusedWith([]int{400, 401})(p.send(ctx, p.byBasic(c, headers...))); v.Outcome != Pass {
			return v
		}
	}
	return pass()
}

func emptySecret(ctx context.Context, p *Probe) Verdict {
	c := p.target.basic()
	p.signIn(ctx, c)
	a := p.send(ctx, p.byBasic(c, basicHeader(url.QueryEscape(c.ID), "")))
	if a.status == 400 { // as malformed
		return refused("invalid_request")(a)
	}
	return refusedWith([]int{401}, "invalid_client")(a)
}

// bearerScheme tries it with and without a client_id beside it.
func bearerScheme(ctx context.Context, p *Probe) Verdict {
	c := p.target.basic()
	p.signIn(ctx, c)
	for _, id := range []string{"", c.ID} {
		q := p.byBasic(c, "Bearer "+random("garbage"))
		if id != "" {
			q.body = q.body.and("client_id", id)
		}
		if v := refusedWith([]int{400, 401})(p.send(ctx, q)); v.Outcome != Pass {
			return v
		}
	}
	return pass()
}
