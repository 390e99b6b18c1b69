package conformance

import (
	"context"
	"net/url"
	"regexp"
	"strings"
)

// tokenLeakCases are about what errors say of what was sent, and of the server.
func tokenLeakCases() []Case {
	return group("token",
		Case{
			ID: "tok-error-charset", Section: "RFC 6749 §5.2, App. A.7, A.8", Level: Must, Needs: signsIn(), Run: eachOdd(charsetComplaint),
			Expected: "error and error_description have only %x20-21, %x23-5B and %x5D-7E, whatever was sent.",
			Means:    "What an attacker sends gets into terminals, logs and pages that show the description.",
		},
		Case{
			ID: "tok-error-uri-charset", Section: "RFC 6749 §5.2, App. A.9", Level: Must, Needs: signsIn(), Run: eachOdd(uriComplaint),
			Expected: "error_uri is absent or a URI reference, whatever was sent.",
			Means:    "A client that shows it as a link shows a broken one, or one that an attacker made.",
		},
		Case{
			ID: "tok-error-no-reflection", Section: "OWASP ASVS 5.0 §16.5.1; RFC 6749 §10.14", Level: BCP, Needs: signsIn(), Run: noReflection,
			Expected: "password, client_secret and refresh_token are not in the answer, other parameters not as HTML.",
			Means:    "Secrets get into logs of answers, and an attacker's markup into a page of the issuer.",
		},
		Case{
			ID: "tok-error-no-stack", Section: "CWE-209; OWASP ASVS 5.0 §16.5.1", Level: BCP, Needs: signsIn(), Run: eachOdd(stackComplaint),
			Expected: "No stack trace, file path, SQL or framework page is answered to odd requests.",
			Means:    "An attacker learns which versions, files and queries to attack.",
		},
	)
}

// odd are values with what errors may not repeat; the second has no control
// characters, so that it gets further.
func odd() []string { return []string{"a\"b\\c\r\nd\u00e9\x00", `"<b>'é\` + strings.Repeat("A", 300)} }

// oddCalls have an odd value in each parameter. None is a wrong password of
// somebody.
func (p *Probe) oddCalls() (calls []call) {
	c, valid := p.target.Client, p.passwordForm(p.target.User)
	for _, v := range odd() {
		calls = append(calls,
			p.as(c, valid.set("grant_type", v)), p.as(c, p.passwordForm(User{"nobody" + v, v})),
			p.as(c, valid.without("scope").and("scope", v)), p.as(c, refreshForm(v)),
			p.claiming(c, v, valid), p.as(Client{ID: c.ID, Secret: v, Method: AuthPost}, valid), p.as(Client{ID: v, Secret: v}, valid),
		)
	}
	return append(calls, p.as(c, valid.and(`"é<`, `"é<`).without("grant_type")))
}

// eachOdd wants complaint to have none about any answer to odd requests.
func eachOdd(complaint func(answer) string) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		p.signIn(ctx, p.target.Client)
		for _, q := range p.oddCalls() {
			if why := complaint(p.send(ctx, q)); why != "" {
				return fail("%s", why)
			}
		}
		return pass()
	}
}

func charsetComplaint(a answer) string {
	for _, name := range []string{"error", "error_description"} {
		if strings.ContainsFunc(a.text(name), func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) {
			return name + " has characters that it may not have"
		}
	}
	return ""
}

func uriComplaint(a answer) string {
	value, given := a.json["error_uri"]
	text, isText := value.(string)
	_, err := url.Parse(text)
	switch {
	case !given:
		return ""
	case !isText || err != nil || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("\"\\<>^`{|}", c) }):
		return "error_uri is not a URI reference"
	}
	return ""
}

// noReflection sends what can be found again.
func noReflection(ctx context.Context, p *Probe) Verdict {
	c, valid := p.target.Client, p.passwordForm(p.target.User)
	p.signIn(ctx, c)
	secret, html := random("marker"), "<i>"+random("marker")+"</i>"
	for _, q := range []call{
		p.as(c, p.passwordForm(User{html, secret})), p.as(c, refreshForm(secret)),
		p.as(Client{ID: c.ID, Secret: secret, Method: AuthPost}, valid), p.as(Client{ID: c.ID, Secret: secret}, valid),
		p.as(c, valid.set("grant_type", html)), p.as(c, valid.without("scope").and("scope", html)), p.claiming(c, html, valid),
	} {
		a := p.send(ctx, q)
		switch {
		case a.says(secret):
			return fail("the answer repeats a secret")
		case !a.isJSON() && strings.Contains(string(a.body), html):
			return fail("the answer repeats markup as it was sent")
		}
	}
	return pass()
}

// traces are what only the inside of a server looks like.
var traces = regexp.MustCompile(`goroutine \d+ \[|\.go:\d+|Traceback \(most recent|File "[^"]+", line \d+|` +
	`\bat \S+ ?\([^()]*(?:\.(?:java|kt|scala|js|mjs|cjs|ts|cs|php|rb):\d+|Native Method|<anonymous>)[^()]*\)|Stack trace:|` +
	`\.(?:rb|php|js|ts|cs)(?::| on line |:line )\d+|/(?:usr|home|var|opt|srv|app)/\S+/|[A-Z]:\\\w+\\|node_modules|` +
	`SQLSTATE|syntax error at or near|ORA-\d{5}|SELECT .+ FROM |Whitelabel Error Page|Werkzeug|DEBUG = True`)

func stackComplaint(a answer) string {
	if found := traces.Find(a.body); found != nil {
		return "the answer shows the inside of the server"
	}
	return ""
}
