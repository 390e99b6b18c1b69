package conformance

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
)

// tokenAnswerCases are about what every answer of the token endpoint looks like.
func tokenAnswerCases() []Case {
	return group("token",
		Case{
			ID: "tok-success-200", Section: "RFC 6749 §5.1", Level: Must, Needs: signsIn(), Expected: "A token comes with status 200.",
			Run: success(func(a answer) bool { return a.status == 200 }, "the status is not 200"),
		},
		Case{
			ID: "tok-success-ct", Section: "RFC 6749 §5.1", Level: Must, Needs: signsIn(), Expected: "A token comes as application/json.",
			Run: success(func(a answer) bool { return a.isJSON() }, "the Content-Type is not application/json"),
		},
		Case{
			ID: "tok-success-members", Section: "RFC 6749 §5.1, App. A.12–A.14", Level: Must, Needs: signsIn(),
			Expected: "access_token and token_type are non-empty strings, expires_in is a positive integer, not a string.",
			Run:      success(tokenMembers, "token_type or expires_in is absent or of another type"),
		},
		Case{
			ID: "tok-no-store", Section: "RFC 6749 §5.1", Level: Must, Needs: signsIn(), Expected: "A token comes with Cache-Control: no-store.",
			Run: success(answer.noStore, "no no-store: a cache may keep the token"),
		},
		Case{
			ID: "tok-no-store-errors", Section: "RFC 6749 §5.1, §5.2", Level: Should, Needs: signsIn(),
			Expected: "Errors, 400 and 401, come with Cache-Control: no-store.",
			Run: eachError(func(a answer) string {
				if a.noStore() {
					return ""
				}
				return "no no-store"
			}),
		},
		Case{
			ID: "tok-error-400", Section: "RFC 6749 §5.2", Level: Must, Needs: signsIn(),
			Expected: "An error has status 400, or 401 for invalid_client.", Run: eachError(errorStatus),
		},
		Case{
			ID: "tok-error-code-registered", Section: "RFC 6749 §5.2, §11.4", Level: Must, Needs: signsIn(),
			Expected: "error is one of RFC 6749 §5.2 or registered for this endpoint.", Run: eachError(errorCode),
		},
	)
}

// success is a case about the answer to a valid request.
func success(holds func(answer) bool, otherwise string) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		if t := p.signIn(ctx, p.target.Client); !holds(t.answer) {
			return fail("%s", otherwise)
		}
		return pass()
	}
}

func tokenMembers(a answer) bool {
	expires, isNumber := a.json["expires_in"].(json.Number)
	seconds, err := strconv.ParseInt(expires.String(), 10, 64)
	_, given := a.json["expires_in"]
	return a.text("token_type") != "" && (!given || isNumber && err == nil && seconds > 0) // RFC 6749 §5.1: RECOMMENDED only
}

// eachError provokes the errors of RFC 6749 §5.2 and wants complaint to have
// none about any of them.
func eachError(complaint func(answer) string) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		p.signIn(ctx, p.target.Client)
		for _, q := range p.errors() {
			a := p.send(ctx, q)
			if a.hasToken() {
				return undecided("a request that should be refused got a token")
			}
			if why := complaint(a); why != "" {
				return fail("%s", why)
			}
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
		"invalid_target",                                      // RFC 8707 §2
		"authorization_pending", "slow_down", "expired_token", // RFC 8628 §3.5
		"invalid_dpop_proof", "use_dpop_nonce", "invalid_authorization_details", // RFC 9449 §12.2, RFC 9396 §14.6
	}
}

func errorCode(a answer) string {
	if slices.Contains(registered(), a.code()) {
		return ""
	}
	return "error is " + strconv.Quote(a.code())
}
