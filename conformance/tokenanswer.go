package conformance

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// tokenAnswerCases are about what an answer with a token looks like.
func tokenAnswerCases() []Case {
	return group("token",
		Case{
			ID: "tok-success-200", Section: "RFC 6749 §5.1", Level: Must, Needs: signsIn(), Expected: "A token comes with status 200.",
			Means: "Client libraries that look for 200 throw the token away and report an error.",
			Run:   success(func(a answer) bool { return a.status == 200 }, "the status is not 200"),
		},
		Case{
			ID: "tok-success-ct", Section: "RFC 6749 §5.1", Level: Must, Needs: signsIn(), Expected: "A token comes as application/json.",
			Means: "Strict client libraries, openid-client for one, refuse the answer.",
			Run:   success(func(a answer) bool { return a.isJSON() }, "the Content-Type is not application/json"),
		},
		Case{
			ID: "tok-success-members", Section: "RFC 6749 §5.1, App. A.12–A.14", Level: Must, Needs: signsIn(),
			Expected: "access_token and token_type are non-empty strings, expires_in is a positive integer, not a string.",
			Means:    "Typed clients fail to read the answer, or never renew the token.",
			Run:      success(tokenMembers, "token_type or expires_in is absent or of another type"),
		},
		Case{
			ID: "tok-success-types", Section: "RFC 6749 §5.1, §3.2, App. A.17", Level: Must, Needs: signsIn(),
			Expected: "refresh_token and scope, where present, are strings; no member of RFC 6749 is null, none comes twice.",
			Means:    "Typed clients fail to read the answer, and two readers of one answer may see two tokens.",
			Run: func(ctx context.Context, p *Probe) Verdict {
				if why := memberComplaint(p.signIn(ctx, p.target.Client).answer); why != "" {
					return fail("%s", why)
				}
				return pass()
			},
		},
		Case{
			ID: "tok-success-expires-truth", Section: "RFC 6749 §5.1; RFC 9068 §2.2", Level: BCP, Needs: signsIn(), Run: expiresTruth,
			Expected: "expires_in is exp − iat of the token, or up to a second less.",
			Means:    "Clients go on using tokens that APIs refuse already, or ask for new ones too often.",
		},
		Case{
			ID: "tok-no-store", Section: "RFC 6749 §5.1", Level: Must, Needs: signsIn(), Expected: "A token comes with Cache-Control: no-store.",
			Means: "A cache on the way keeps the token and may hand it to others.",
			Run:   success(answer.noStore, "no no-store: a cache may keep the token"),
		},
		Case{
			ID: "tok-pragma", Section: "RFC 6749 §5.1 (not in draft-ietf-oauth-v2-1)", Level: Should, Needs: signsIn(),
			Expected: "A token comes with Pragma: no-cache.",
			Means:    "Caches of HTTP/1.0, of which few are left, may keep the token.",
			Run: success(func(a answer) bool {
				return strings.Contains(strings.ToLower(strings.Join(a.header.Values("Pragma"), ",")), "no-cache")
			}, "there is no Pragma: no-cache"),
		},
		Case{
			ID: "tok-no-set-cookie", Section: "RFC 6265 §8.2", Level: BCP, Needs: signsIn(), Run: everyAnswer(cookieComplaint),
			Expected: "No answer, token or error, sets a cookie.",
			Means:    "Something takes part in the session that neither the client nor a logout knows of.",
		},
		Case{
			ID: "tok-no-redirect", Section: "RFC 6749 §5.1, §5.2; RFC 9700 §4.12", Level: Must, Needs: signsIn(), Run: noRedirect,
			Expected: "No answer, token or error, is a redirect.",
			Means:    "A client that follows it sends the user's password, or the secret, to wherever it points.",
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

// lifetime returns expires_in, if there is one.
func (a answer) lifetime() (seconds int64, given, ok bool) {
	value, given := a.json["expires_in"]
	number, isNumber := value.(json.Number)
	seconds, err := strconv.ParseInt(number.String(), 10, 64)
	return seconds, given, isNumber && err == nil && seconds > 0
}

func tokenMembers(a answer) bool {
	_, given, ok := a.lifetime()
	return a.text("token_type") != "" && (!given || ok) // RFC 6749 §5.1: RECOMMENDED only
}

// memberComplaint says what is wrong with the members that RFC 6749 §5.1 has.
func memberComplaint(a answer) string {
	if err := strictJSON(a.body); err != nil {
		return err.Error()
	}
	for _, name := range sortedNames(a.json) {
		_, isText := a.json[name].(string)
		switch {
		case !slices.Contains([]string{"access_token", "token_type", "expires_in", "refresh_token", "scope"}, name):
		case a.json[name] == nil:
			return name + " is null"
		case name != "expires_in" && !isText:
			return name + " is not a string"
		}
	}
	return ""
}

func expiresTruth(ctx context.Context, p *Probe) Verdict {
	token := p.accessToken(ctx)
	seconds, given, ok := token.answer.lifetime()
	exp, hasExp := token.date("exp")
	iat, hasIat := token.date("iat")
	switch {
	case !given:
		return pass() // so nothing untrue is said
	case !ok || !hasExp || !hasIat:
		return undecided("expires_in, exp or iat is not an integer")
	case seconds > exp-iat:
		return fail("expires_in is %d, the token lives %d s", seconds, exp-iat)
	case seconds < exp-iat-1:
		return fail("expires_in is only %d, the token lives %d s", seconds, exp-iat)
	}
	return pass()
}

// everyAnswer wants complaint to have none about a token and about errors.
func everyAnswer(complaint func(answer) string) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		if why := complaint(p.signIn(ctx, p.target.Client).answer); why != "" {
			return fail("%s", why)
		}
		return eachError(complaint)(ctx, p)
	}
}

func cookieComplaint(a answer) string {
	if len(a.header.Values("Set-Cookie")) > 0 {
		return "a cookie is set"
	}
	return ""
}

func redirectComplaint(a answer) string {
	if a.status/100 == 3 {
		return "the status is " + strconv.Itoa(a.status)
	}
	return ""
}

// noRedirect looks at the valid request first: where that is redirected it
// cannot serve as the control.
func noRedirect(ctx context.Context, p *Probe) Verdict {
	if why := redirectComplaint(p.send(ctx, p.as(p.target.Client, p.passwordForm(p.target.User)))); why != "" {
		return fail("%s", why)
	}
	return everyAnswer(redirectComplaint)(ctx, p)
}
