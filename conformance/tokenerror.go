package conformance

import (
	"context"
	"slices"
	"strconv"
)

// tokenErrorCases are about what every error of the token endpoint looks like.
func tokenErrorCases() []Case {
	return group("token",
		Case{
			ID: "tok-no-store-errors", Section: "RFC 6749 §5.2 (example)", Level: BCP, Needs: signsIn(),
			Expected: "Errors, 400 and 401, come with Cache-Control: no-store.",
			Means:    "A cache goes on refusing a client after its mistake is mended.",
			Run: eachError(func(a answer) string {
				if a.noStore() {
					return ""
				}
				return "no no-store"
			}),
		},
		Case{
			ID: "tok-error-400", Section: "RFC 6749 §5.2", Level: Must, Needs: signsIn(), Run: eachError(errorStatus),
			Expected: "An error has status 400, or 401 for invalid_client.",
			Means:    "Client libraries do not see an OAuth error, but a broken server: they retry, or say nothing useful.",
		},
		Case{
			ID: "tok-error-json", Section: "RFC 6749 §5.2", Level: Must, Needs: signsIn(), Run: eachError(jsonComplaint),
			Expected: "An error is an application/json object with a string error.",
			Means:    "Client libraries cannot tell a wrong password from a broken server.",
		},
		Case{
			ID: "tok-error-code-registered", Section: "RFC 6749 §5.2, §8.5, §11.4", Level: Must, Needs: signsIn(), Run: eachError(errorCode),
			Expected: "error is one of RFC 6749 §5.2 or registered for this endpoint.",
			Means:    "No client library knows what to do: whether to ask the user again, or to give up.",
		},
		Case{
			ID: "tok-error-no-token-members", Section: "RFC 6749 §5, §5.2", Level: Must, Needs: signsIn(), Run: eachError(tokenBeside),
			Expected: "There is no access_token and no refresh_token beside an error.",
			Means:    "Some clients look for a token first and go on with it, though the server refused them.",
		},
	)
}

// eachError provokes the errors of RFC 6749 §5.2 and wants complaint to have
// none about any of them. One that is none here, as where unknown scopes are
// ignored (§3.3), is left to the others.
func eachError(complaint func(answer) string) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		p.signIn(ctx, p.target.Client)
		judged := 0
		for _, q := range p.errors() {
			a := p.send(ctx, q)
			if _, ok := newTokens(a, nil); ok && a.json["error"] == nil {
				continue
			}
			if why := complaint(a); why != "" {
				return fail("%s", why)
			}
			judged++
		}
		if judged == 0 {
			return undecided("every request that should be refused got a token")
		}
		return pass()
	}
}

// errors returns requests that must be refused, none of them as a wrong
// password of somebody.
func (p *Probe) errors() []call {
	c, valid := p.target.Client, p.passwordForm(p.target.User)
	calls := []call{
		p.as(c, valid.without("grant_type")),
		p.as(c, valid.set("grant_type", "foo")),
		p.as(c, valid.without("username")),
		p.as(c, refreshForm(random("garbage"))),
		p.as(c, valid.without("scope").and("scope", `not"a-scope`)),
	}
	if basic := p.target.basic(); basic.known() {
		basic.Secret = random("wrong")
		calls = append(calls, p.as(basic, valid))
	}
	return calls
}

func errorStatus(a answer) string {
	if a.status == 400 || a.status == 401 && a.code() == "invalid_client" {
		return ""
	}
	return "the status is " + strconv.Itoa(a.status)
}

// registered are the codes of the OAuth Extensions Error registry, and of RFC
// 6749 §5.2, that a token endpoint may answer.
func registered() []string {
	return []string{
		"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
		"invalid_target",                                                       // RFC 8707 §2
		"authorization_pending", "slow_down", "expired_token", "access_denied", // RFC 8628 §3.5
		"invalid_dpop_proof", "use_dpop_nonce", "invalid_authorization_details", // RFC 9449 §12.2, RFC 9396 §14.6
	}
}

func errorCode(a answer) string {
	if slices.Contains(registered(), a.code()) {
		return ""
	}
	return "error is " + strconv.Quote(a.code())
}

func jsonComplaint(a answer) string {
	switch {
	case !a.isJSON():
		return "the Content-Type is not application/json"
	case a.json == nil:
		return "the body is not a JSON object"
	case a.code() == "":
		return "there is no error, or it is not a string"
	}
	return ""
}

func tokenBeside(a answer) string {
	for _, name := range []string{"access_token", "refresh_token"} {
		if _, given := a.json[name]; given && a.code() != "" {
			return "there is " + name + " beside the error"
		}
	}
	return ""
}
