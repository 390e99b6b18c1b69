package forge

import (
	"strings"
	"time"
)

// badClaims are signed by the issuer, for nobody or by mistake.
func (f *Forge) badClaims() []Token {
	c := f.Claims()
	with := func(name, raw string) string { return f.rs(c.With(name, raw)) }
	return []Token{
		{"iss-twice", "claims", "RFC 7519 §4", f.rs(c.And("iss", Quote(f.issuer)))},
		{"exp-twice", "claims", "RFC 7519 §4", f.rs(c.And("exp", f.at(time.Hour)))},
		{"sub-twice-escaped", "claims", "the same name, written differently", f.rs(Raw(strings.Replace(c.String(), `{`, `{"\u0073ub":"admin",`, 1)))},
		{"nested-twice", "claims", "at any depth", with("x", `{"a":1,"a":2}`)},
		{"payload-array", "claims", "RFC 7519 §7.2", f.rs(Raw("[" + c.String() + "]"))},
		{"payload-string", "claims", "RFC 7519 §7.2", f.rs(Raw(`"sub"`))},
		{"payload-trailing", "claims", "one object, nothing after it", f.rs(Raw(c.String() + "garbage"))},
		{"payload-two-objects", "claims", "one object, nothing after it", f.rs(Raw(c.String() + c.String()))},
		{"payload-bom", "claims", "RFC 8259 §8.1", f.rs(Raw("\ufeff" + c.String()))},
		{"payload-bad-utf8", "claims", "RFC 8725 §3.7", f.rs(Raw(strings.Replace(c.String(), "user-1", "user-1\xff", 1)))},
		{"payload-surrogate", "claims", "RFC 7493 §2.1", with("sub", `"user-1\ud800"`)},
		{"payload-deep", "claims", "bounded stack", with("x", strings.Repeat(`{"a":`, 1000)+"1"+strings.Repeat("}", 1000))},
		{"payload-nested-token", "claims", "a token inside", f.rs(Raw(f.rs(c)))},
		{"payload-not-json", "claims", "RFC 7519 §7.2", f.rs(Raw("sub=user-1"))},
		{"iss-upper-case", "iss", "byte for byte", with("iss", Quote(strings.ToUpper(f.issuer)))},
		{"iss-prefix", "iss", "byte for byte", with("iss", Quote(f.issuer+".evil.example"))},
		{"iss-missing", "iss", "RFC 9068 §2.2", f.rs(c.Without("iss"))},
		{"iss-array", "iss", "RFC 7519 §4.1.1", with("iss", "["+Quote(f.issuer)+"]")},
		{"iss-other-case-name", "iss", "encoding/json would take ISS for iss", f.rs(c.Without("iss").And("ISS", Quote(f.issuer)))},
		{"aud-empty", "aud", "nobody", with("aud", `[]`)},
		{"aud-others", "aud", "RFC 9068 §4", with("aud", `["https://other.example","x"]`)},
		{"aud-number", "aud", "RFC 7519 §4.1.3", with("aud", `1`)},
		{"aud-null", "aud", "RFC 7519 §4.1.3", with("aud", `null`)},
		{"aud-mixed", "aud", "RFC 7519 §4.1.3: strings", with("aud", "["+Quote(f.audience)+",1]")},
		{"aud-longer", "aud", "not a prefix match", with("aud", Quote(f.audience+"/x"))},
		{"aud-shorter", "aud", "not a prefix match", with("aud", Quote(f.audience[:len(f.audience)-1]))},
		{"aud-object", "aud", "RFC 7519 §4.1.3", with("aud", `{`+Quote(f.audience)+`:1}`)},
		{"scope-array", "scope", "RFC 8693 §4.2: a string", with("scope", `["orders"]`)},
		{"scope-null", "scope", "RFC 8693 §4.2: a string", with("scope", `null`)},
		{"auth-time-string", "session", "RFC 9068 §2.2.1", with("auth_time", `"`+f.at(0)+`"`)},
		{"sid-number", "session", "a string", with("sid", `7`)},
		{"sub-other-case-name", "sub", "encoding/json would take SUB for sub", f.rs(c.Without("sub").And("SUB", `"admin"`))},
	}
}

// badMembers lack what RFC 9068 §2.2 asks for, or have it in another shape.
func (f *Forge) badMembers() (list []Token) {
	c := f.Claims()
	for _, name := range []string{"sub", "client_id", "jti"} {
		for _, shape := range [][2]string{{"empty", `""`}, {"number", "1"}, {"null", "null"}} {
			list = append(list, Token{name + "-" + shape[0], name, "RFC 9068 §2.2: a string", f.rs(c.With(name, shape[1]))})
		}
	}
	return list
}

// badDates are not valid now, or never.
func (f *Forge) badDates() []Token {
	c := f.Claims()
	with := func(name, raw string) string { return f.rs(c.With(name, raw)) }
	list := []Token{
		{"exp-at-leeway", "exp", "RFC 7519 §4.1.4: before, not at", with("exp", f.at(-time.Minute))},
		{"nbf-string", "nbf", "RFC 7519 §2", with("nbf", `"`+f.at(-time.Hour)+`"`)},
		{"nbf-null", "nbf", "RFC 7519 §2", with("nbf", `null`)},
		{"nbf-1e300", "nbf", "not before the end of time", with("nbf", "1e300")},
		{"nbf-negative-fraction", "nbf", "RFC 7519 §2", with("nbf", "-0.5")},
	}
	for _, name := range []string{"exp", "iat"} {
		for _, shape := range [][2]string{
			{"string", Quote(f.at(time.Minute))}, {"null", "null"}, {"array", "[" + f.at(time.Minute) + "]"}, {"true", "true"},
			{"negative", "-1"}, {"huge", "1e400"}, {"1e300", "1e300"}, {"negative-fraction", "-0.5"}, {"milliseconds", f.at(time.Minute) + "000"},
			{"2-63", "9223372036854775808"}, {"2-64", "18446744073709551616"},
		} {
			list = append(list, Token{name + "-" + shape[0], name, "RFC 7519 §2: seconds, a number", with(name, shape[1])})
		}
		for _, shape := range [][2]string{{"nan", "NaN"}, {"hex", "0x7fffffff"}, {"plus", "+" + f.at(0)}, {"zeros", "0" + f.at(0)}, {"dot", f.at(0) + "."}} {
			list = append(list, Token{name + "-" + shape[0], "claims", "RFC 8259 §6: not a JSON number", with(name, shape[1])})
		}
	}
	return list
}
