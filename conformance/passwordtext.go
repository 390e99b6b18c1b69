package conformance

import (
	"context"
	"strings"
)

// passwordTextCases are about names and passwords as texts. The wrong ones of
// a case are sent at once: many servers take their time with a refusal.
func passwordTextCases() []Case {
	return group("pw",
		Case{
			ID: "pw-unicode-nfc", Section: "RFC 6749 App. A.15, A.16; RFC 8265 §3, §4", Level: Should, Needs: signsIn(), Run: unicodeNames,
			Expected: "Composed, decomposed, full-width and right-to-left names and passwords of nobody are 400 invalid_grant or invalid_request.",
			Means:    "Who types another alphabet gets server errors, or is told something else than others are.",
		},
		Case{
			ID: "pw-utf8-password", Section: "RFC 6749 App. A.16, App. B", Level: Must, Needs: signsIn(NeedVictim, NeedUnicode), Run: unicodePassword,
			Expected: "A password outside ASCII is accepted where it is the password, and no other one that differs there.",
			Means:    "Users with é, € or 😀 in their password cannot sign in, or half of their password does not count.",
		},
		Case{
			ID: "pw-case-username", Section: "RFC 8265 §3.3, §3.4", Level: BCP, Needs: signsIn(NeedVictim), Run: caseOfNames,
			Expected: "A user name in other letter case is refused, or is the same subject.",
			Means:    "One person has two accounts, and what is revoked for one goes on for the other.",
		},
		Case{
			ID: "pw-long-password", Section: "OWASP ASVS 5.0 §6.2.8; NIST SP 800-63B-4 §3.1.1.2", Level: BCP, Needs: signsIn(NeedVictim), Run: longPassword,
			Expected: "The right password with more behind it, up to 100,000 bytes, is refused, and so are its first 72 bytes.",
			Means:    "What is behind the 72nd byte of a password does not count (bcrypt), and nobody tells its user.",
		},
		Case{
			ID: "pw-nul-truncation", Section: "RFC 6749 App. A.16", Level: BCP, Needs: signsIn(NeedVictim), Run: wrongVariants(
				func(right string) []string { return []string{right + "\x00" + random("junk")} }),
			Expected: "The right password with NUL and more behind it is refused.",
			Means:    "Passwords are cut off at a NUL: a program that makes them of random bytes makes some that are easily guessed.",
		},
		Case{
			ID: "pw-whitespace", Section: "RFC 8265 §4.2", Level: BCP, Needs: signsIn(NeedVictim), Run: wrongVariants(
				func(right string) []string { return []string{" " + right, right + " "} }),
			Expected: "The right password with a space before or behind it is refused.",
			Means:    "Another password than the one that was set is good too: the server changes what it is sent.",
		},
		Case{
			ID: "pw-crlf-in-username", Section: "RFC 6749 App. A.15", Level: Must, Needs: signsIn(), Run: lineBreaks,
			Expected: "A line break in a user name is 400, and no header of the answer comes from it.",
			Means:    "An attacker writes lines of his own into logs, or headers into answers, or is taken for another user.",
		},
		Case{
			ID: "pw-injection", Section: "RFC 6749 §10.14", Level: BCP, Needs: signsIn(), Run: injection,
			Expected: "Metacharacters of SQL, LDAP, NoSQL and templates in a user name are 400 invalid_grant or invalid_request.",
			Means:    "An attacker signs in without a password, or reads the users' table.",
		},
	)
}

// refusals sends requests at once, those again that the server had no room
// for, and judges each answer; the first that does not pass is the evidence.
func (p *Probe) refusals(ctx context.Context, judge judge, calls ...call) Verdict {
	for i, a := range p.together(ctx, calls...) {
		p.note(calls[i], a, nil)
		if a.busy() { // with so many at once
			p.comeBack(ctx, a)
			a = p.send(ctx, calls[i])
		}
		if v := judge(a); v.Outcome != Pass {
			return v
		}
	}
	return pass()
}

// wrongVariants is a case about passwords that are nearly the victim's.
func wrongVariants(of func(right string) []string) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		p.victimSignsIn(ctx)
		var calls []call
		for _, password := range of(p.target.Victim.Password) {
			calls = append(calls, p.guess(password))
		}
		return p.refusals(ctx, refusedWith([]int{400, 413}), calls...)
	}
}

func unicodeNames(ctx context.Context, p *Probe) Verdict {
	c := p.target.Client
	p.signIn(ctx, c)
	nobody := random("nobody")
	var calls []call
	for _, text := range []string{"\u00e9", "e\u0301", "\uff4a\uff4f\uff53\uff45", "\u05d9\u05d5\u05e1\u05e3\u200f"} {
		calls = append(calls, p.as(c, p.passwordForm(User{nobody + text, nobody + text})))
	}
	return p.refusals(ctx, refused("invalid_grant", "invalid_request"), calls...)
}

// unicodePassword drops what is not ASCII, and puts ? there, as code does that
// does not know it.
func unicodePassword(ctx context.Context, p *Probe) Verdict {
	p.signIn(ctx, p.target.Client)
	right := p.target.Victim.Password
	a := p.send(ctx, p.guess(right))
	_, ok := newTokens(a, nil)
	switch {
	case !ok && a.code() == "invalid_grant":
		return undecided("the right password of the user for wrong ones is refused: check --user2-password-file; if it is right, this is what is broken")
	case !ok:
		return fail("a password outside ASCII is refused for what it is: %d %s", a.status, a.code())
	}
	return wrongVariants(func(right string) (wrong []string) {
		for _, instead := range []rune{-1, '?'} {
			wrong = append(wrong, strings.Map(func(c rune) rune {
				if c > '~' {
					return instead
				}
				return c
			}, right))
		}
		return wrong
	})(ctx, p)
}

func caseOfNames(ctx context.Context, p *Probe) Verdict {
	t, u := p.victimSignsIn(ctx), p.target.Victim
	other := User{otherCase(u.Name), u.Password}
	if other.Name == u.Name {
		return absent("%q has no letters", u.Name)
	}
	a := p.send(ctx, p.as(p.target.Client, p.passwordForm(other)))
	again, ok := newTokens(a, nil)
	if !ok {
		return refused("invalid_grant", "invalid_request")(a)
	}
	if one, two := p.jwtOf(t).text("sub"), p.jwtOf(again).text("sub"); one != two {
		return fail("the name in other case is another subject")
	}
	return pass()
}

// bcryptBytes is how much of a password bcrypt reads.
const bcryptBytes = 72

func longPassword(ctx context.Context, p *Probe) Verdict {
	right := p.target.Victim.Password
	v := wrongVariants(func(right string) (wrong []string) {
		if len(right) > bcryptBytes {
			wrong = append(wrong, right[:bcryptBytes])
		}
		for _, length := range []int{bcryptBytes + 1, 1000, 100_000} {
			wrong = append(wrong, right+strings.Repeat("x", max(1, length-len(right))))
		}
		return wrong
	})(ctx, p)
	if v.Outcome == Pass && len(right) < bcryptBytes {
		v.Why = "the password is shorter than 72 bytes: whether those behind count is not seen"
	}
	return v
}

func lineBreaks(ctx context.Context, p *Probe) Verdict {
	c, u := p.target.Client, p.target.User
	p.signIn(ctx, c)
	for _, name := range []string{u.Name + "\r\n", u.Name + "\r\nX-Injected: yes"} {
		a := p.send(ctx, p.as(c, p.passwordForm(User{name, u.Password})))
		if a.header.Get("X-Injected") != "" {
			return fail("the answer has a header that was sent as a user name")
		}
		if v := refused()(a); v.Outcome != Pass {
			return v
		}
	}
	return pass()
}

func injection(ctx context.Context, p *Probe) Verdict {
	c, name := p.target.Client, p.target.User.Name
	p.signIn(ctx, c)
	var calls []call
	for _, attack := range []string{name + `' OR '1'='1`, name + `"; --`, "*)(uid=*))(|(uid=*", "{{7*7}}${7*7}<%= 7*7 %>"} {
		calls = append(calls, p.as(c, p.passwordForm(User{attack, random("wrong")})))
	}
	other := p.passwordForm(p.target.User).without("username", "password").and("username[$ne]", "").and("password[$ne]", "")
	return p.refusals(ctx, refused("invalid_grant", "invalid_request"), append(calls, p.as(c, other))...)
}
