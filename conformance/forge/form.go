package forge

import (
	"strings"
	"time"
)

// good are tokens that only look odd.
func (f *Forge) good() []Token {
	c := f.Claims()
	return []Token{
		{"eddsa", "", "a good token", f.Sign(f.Ed, Head("EdDSA", EdKeyID), c)},
		{"x5u-ignored", "", "nobody goes there", f.rsHead(Head("RS256", RSAKeyID).With("x5u", `"https://evil.example/cert"`))},
		{"exp-exponent", "", "a legal JSON number", f.rs(c.With("exp", f.at(time.Minute)+"e0"))},
		{"no-scope", "", "RFC 9068 §2.2.3: optional", f.rs(c.Without("scope"))},
		{"unknown-members", "", "RFC 7519 §4, RFC 7515 §4: ignored", f.Sign(f.RSA, Head("RS256", RSAKeyID).With("x", `{"y":[1]}`), c.With("x", `{"y":[null]}`))},
		{"other-case-beside", "", "another name, another claim", f.rs(c.And("SUB", `"admin"`))},
		{"nbf-past", "", "already valid", f.rs(c.With("nbf", f.at(-time.Hour)))},
		{"roles-of-objects", "", "RFC 9068 §2.2.3.1: SCIM shapes are legal", f.rs(c.With("roles", `[{"value":"admin"}]`))},
		{"escaped-name", "", "the same member, written differently", f.rs(Raw(strings.Replace(c.String(), `"sub"`, `"\u0073ub"`, 1)))},
	}
}

// badForm are no compact serializations of a JWS.
func (f *Forge) badForm() []Token {
	good := f.rs(f.Claims())
	part := strings.Split(good, ".")
	return []Token{
		{"empty", "form", "no token at all", ""},
		{"too-long", "size", "servers take headers of 8 KiB", f.rs(f.Claims().With("x", Quote(strings.Repeat("x", 16<<10))))},
		{"dots-0", "form", "one part", part[0]},
		{"dots-1", "form", "two parts", part[0] + "." + part[1]},
		{"dots-3", "form", "four parts", good + "." + part[2]},
		{"dots-4", "form", "five parts, as a JWE has", part[0] + "." + part[0] + "." + part[1] + "." + part[1] + "." + part[2]},
		{"dots-10000", "form", "linear time", strings.Repeat(".", 10000)},
		{"header-empty", "form", "RFC 7515 §7.1", "." + part[1] + "." + part[2]},
		{"payload-empty", "claims", "a legal JWS, but no JWT", f.rs(Raw(""))},
		{"payload-padded", "form", "RFC 7515 §2: no padding", part[0] + "." + part[1] + "=." + part[2]},
		{"signature-empty", "form", "no signature", part[0] + "." + part[1] + "."},
		{"json-flattened", "form", "RFC 7519 §1: compact only", `{"protected":"` + part[0] + `","payload":"` + part[1] + `","signature":"` + part[2] + `"}`},
		{"json-general", "form", "RFC 7519 §1: compact only", `{"payload":"` + part[1] + `","signatures":[{"protected":"` + part[0] + `","signature":"` + part[2] + `"}]}`},
		{"header-padded", "form", "RFC 7515 §2: no padding", part[0] + "=." + part[1] + "." + part[2]},
		{"trailing-bits", "form", "RFC 4648 §3.5: unused bits are zero", trailingBits(good)},
		{"trailing-crlf", "form", "Go's base64 skips it", good + "\r\n"},
		{"newline-inside", "form", "Go's base64 skips it", part[0] + "." + part[1][:20] + "\n" + part[1][20:] + "." + part[2]},
		{"space-before", "form", "not base64url", " " + good},
		{"space-after", "form", "not base64url", good + " "},
		{"tab-inside", "form", "not base64url", part[0] + "." + part[1] + ".\t" + part[2]},
		{"question-mark", "form", "not base64url", good[:len(good)-4] + "?" + good[len(good)-4:]},
		{"non-ascii", "form", "not base64url", good + "é"},
		{"nul-after", "form", "not base64url", good + "\x00"},
		{"bearer-twice", "form", "the scheme is no part of the token", "Bearer " + good},
	}
}

// trailingBits spells the same bytes with a bit set that stands for nothing.
func trailingBits(part string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, part[len(part)-1])
	return part[:len(part)-1] + alphabet[last+1:last+2]
}
