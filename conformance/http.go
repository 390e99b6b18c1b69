package conformance

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// httpCases are about the headers of every answer.
func httpCases() []Case {
	return group("http",
		Case{
			ID: "http-nosniff", Section: "WHATWG Fetch", Level: BCP, Needs: signsIn(),
			Expected: "Metadata, keys and token answers have X-Content-Type-Options: nosniff.",
			Means:    "A browser that is led to an answer may take it for a page or a script, and run what is in it.",
			Run: eachAnswer(func(a answer) string {
				return unless(strings.EqualFold(a.header.Get("X-Content-Type-Options"), "nosniff"), "no nosniff")
			}),
		},
		Case{
			ID: "http-csp-json", Section: "OWASP ASVS 4.0 §14.4", Level: BCP, Needs: signsIn(), Run: eachAnswer(closedToBrowsers),
			Expected: "JSON answers have a Content-Security-Policy with default-src 'none', or sandbox.",
			Means:    "Should an answer ever be shown as a page, what an attacker got into it runs in the issuer's name.",
		},
		Case{
			ID: "http-hsts", Section: "RFC 6797 §6.1.1, §7.1, §7.2", Level: BCP, Needs: signsIn(), Run: hsts,
			Expected: "Over https answers have Strict-Transport-Security with a max-age of a year, over http never.",
			Means:    "A browser that is sent to http once sends what it has in the clear, before any redirect to https.",
		},
		Case{
			ID: "http-banner", Section: "RFC 9110 §10.2.4", Level: BCP, Needs: signsIn(), Run: eachAnswer(banner),
			Expected: "No answer names the version of the server's software, in Server or X-Powered-By.",
			Means:    "Who looks for servers with a known hole finds this one by a search.",
		},
		Case{
			ID: "http-no-compression", Section: "RFC 9325 §3.3", Level: BCP, Needs: signsIn(), Run: uncompressed,
			Expected: "Tokens are not compressed, even when the client would take that.",
			Means:    "An attacker who can have text of his put beside a secret reads it off the length of the answers.",
		},
		Case{
			ID: "http-request-id", Section: "measured: most issuers have one", Level: BCP, Needs: signsIn(), Run: requestID,
			Expected: "A request id, where answers have one, is another for each answer and holds no secret.",
			Means:    "What a user reports cannot be found in the log, or what may be reported gives a secret away.",
		},
		Case{
			ID: "http-date", Section: "RFC 9110 §6.6.1", Level: BCP, Needs: signsIn(),
			Expected: "Answers have a Date, within 30 s of the clock here.",
			Means:    "Tokens are expired or not yet valid where they are verified, for nobody's visible fault.",
			Run: eachAnswer(func(a answer) string {
				at, err := http.ParseTime(a.header.Get("Date"))
				if err != nil {
					return "no Date"
				}
				return unless(at.Sub(a.at).Abs() <= 30*time.Second, "the clocks differ by "+at.Sub(a.at).Round(time.Second).String())
			}),
		},
	)
}

func unless(holds bool, why string) string {
	if holds {
		return ""
	}
	return why
}

// eachAnswer wants complaint to have none about a token, an error, the metadata
// and the keys: one after the other, so that the one that has is the evidence.
func eachAnswer(complaint func(answer) string) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		c := p.target.Client
		next := []func() answer{
			func() answer { return p.signIn(ctx, c).answer },
			func() answer { return p.send(ctx, p.as(c, refreshForm(random("garbage")))) },
			func() answer { return p.documents(ctx)[0] },
		}
		if p.doc.text("jwks_uri") != "" {
			next = append(next, func() answer { return p.get(ctx, p.jwksURI(), nil) })
		}
		for _, answer := range next {
			if why := complaint(answer()); why != "" {
				return fail("%s", why)
			}
		}
		return pass()
	}
}

// closedToBrowsers reads a policy (Content Security Policy Level 3 §2.2).
func closedToBrowsers(a answer) string {
	for _, policy := range a.header.Values("Content-Security-Policy") {
		for directive := range strings.SplitSeq(policy, ";") {
			words := strings.Fields(strings.ToLower(directive))
			if len(words) == 2 && words[0] == "default-src" && words[1] == "'none'" || len(words) > 0 && words[0] == "sandbox" {
				return ""
			}
		}
	}
	return "no Content-Security-Policy that closes the answer"
}

const year = 365 * 24 * time.Hour

func hsts(ctx context.Context, p *Probe) Verdict {
	v := eachAnswer(func(a answer) string {
		value := a.header.Get("Strict-Transport-Security")
		if a.tls == nil {
			return unless(value == "", "Strict-Transport-Security over http") // RFC 6797 §7.2
		}
		for directive := range strings.SplitSeq(value, ";") {
			name, age, _ := strings.Cut(strings.TrimSpace(directive), "=")
			if seconds, err := strconv.Atoi(strings.Trim(age, `"`)); strings.EqualFold(name, "max-age") && err == nil {
				return unless(time.Duration(seconds)*time.Second >= year, "the max-age is shorter than a year")
			}
		}
		return "no Strict-Transport-Security"
	})(ctx, p)
	if v.Outcome == Pass && strings.HasPrefix(p.target.Issuer, "http:") {
		return absent("the issuer is not https, and does not claim to be")
	}
	return v
}

// version is a product with its version, as RFC 9110 §10.1.5 writes it.
var version = regexp.MustCompile(`[A-Za-z]/[0-9]`)

func banner(a answer) string {
	for _, name := range []string{"Server", "X-Powered-By", "X-AspNet-Version", "X-Runtime"} {
		if v := a.header.Get(name); version.MatchString(v) || v != "" && name != "Server" {
			return name + " tells the software: " + v
		}
	}
	return ""
}

func uncompressed(ctx context.Context, p *Probe) Verdict {
	c := p.target.Client
	p.signIn(ctx, c)
	q := p.as(c, p.passwordForm(p.target.User))
	q.header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
	a := p.send(ctx, q)
	if coding := a.header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return fail("the token is compressed with %s", coding)
	}
	return issued(a)
}

func requestID(ctx context.Context, p *Probe) Verdict {
	c := p.target.Client
	t := p.signIn(ctx, c)
	name := ""
	for _, known := range []string{"Request-Id", "X-Request-Id", "X-Correlation-Id", "Correlation-Id", "X-Trace-Id", "X-Amzn-Requestid", "Cf-Ray"} {
		if name == "" && t.header.Get(known) != "" {
			name = known
		}
	}
	if name == "" {
		return absent("answers have no request id")
	}
	first := t.header.Get(name)
	for _, secret := range []string{t.access, t.refresh, c.Secret, p.target.User.Password} {
		if secret != "" && strings.Contains(first, secret) {
			return fail("%s holds a secret", name)
		}
	}
	if p.signIn(ctx, c).header.Get(name) == first {
		return fail("%s is the same for two requests", name)
	}
	return pass()
}
