package forge

import (
	"strings"
)

// curveKeys are points that are none, and on curves that are not used.
func (f *Forge) curveKeys(s source) []KeySet {
	good := member(f.Attacker.Public(), "ES256")
	point := must(f.Attacker.PublicKey.Bytes())
	x, y := string(point[1:33]), string(point[33:])
	at := func(x, y string) Object { return good.With("x", Quote(b64(x))).With("y", Quote(b64(y))) }
	next := y[:31] + string([]byte{y[31] ^ 1})
	short := s.shortPoint()
	const off = "the point is not on the curve"
	return []KeySet{
		f.set("ec-plain", "", "a good key", good, f.byAttacker),
		f.set("ec-off-curve", off, "RFC 8725 §3.4", at(x, next), f.byAttacker),
		f.set("ec-zero", off, "RFC 8725 §3.4: no point either", at(strings.Repeat("\x00", 32), strings.Repeat("\x00", 32)), f.byAttacker),
		f.set("ec-over-p", off, "RFC 8725 §3.4: a coordinate is less than p", at(strings.Repeat("\xff", 32), y), f.byAttacker),
		f.set("ec-swapped", off, "RFC 8725 §3.4", at(y, x), f.byAttacker),
		f.set("ec-x-short", "x does not have the length", "RFC 7518 §6.2.1.2: leading zeros stay", short, f.byAttacker),
		f.set("ec-x-long", "x does not have the length", "RFC 7518 §6.2.1.2", at("\x00"+x, y), f.byAttacker),
		f.set("ec-y-missing", "y is missing", "RFC 7518 §6.2.1.3: no compressed points", good.Without("y"), f.byAttacker),
		f.set("ec-another-curve", "x does not have the length", "a point of P-256 that says P-384", good.With("crv", `"P-384"`), f.byAttacker),
		f.set("ec-p224", "crv is not P-256", "RFC 7518 §6.2.1.1: not registered", good.With("crv", `"P-224"`), f.byAttacker),
		f.set("ec-secp256k1", "crv is not P-256", "not on the list", good.With("crv", `"secp256k1"`), f.byAttacker),
	}
}

// shortPoint is a key whose x begins with a zero, without the zero.
func (s source) shortPoint() Object {
	for {
		point := must(s.p256().PublicKey.Bytes())
		if point[1] == 0 {
			return Object{{"kty", `"EC"`}, {"kid", Quote(BadKeyID)}, {"crv", `"P-256"`}, {"x", Quote(b64(string(point[2:33])))}, {"y", Quote(b64(string(point[33:])))}}
		}
	}
}

// edwardsKeys are Ed25519 keys by which anybody can sign, or nobody.
func (f *Forge) edwardsKeys() []KeySet {
	good := member(f.Ed.Public(), "EdDSA")
	at := func(x string) Object { return good.With("x", Quote(b64(x))) }
	// With the neutral point as the key, R being it too and S zero is a
	// signature of everything.
	anything := func(head Object) string {
		return resign(f.byEd(head), append([]byte{1}, make([]byte, 63)...))
	}
	zeros := strings.Repeat("\x00", 31)
	const small, off = "the point is of small order", "the point is not on the curve"
	eighth := "\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05"
	p := "\xed" + strings.Repeat("\xff", 30) + "\x7f"
	return []KeySet{
		f.set("okp-plain", "", "a good key", good, f.byEd),
		f.set("okp-order-1", small, "RFC 8725 §3.4: every signature is good", at("\x01"+zeros), anything),
		f.set("okp-order-2", small, "RFC 8725 §3.4: every other signature is good", at("\xec"+p[1:]), anything),
		f.set("okp-order-4", small, "RFC 8725 §3.4: one signature in four is good", at("\x00"+zeros), anything),
		f.set("okp-order-8", small, "RFC 8725 §3.4: one signature in eight is good", at(eighth), anything),
		f.set("okp-over-p", off, "RFC 8032 §5.1.3: y is less than p", at("\xee"+p[1:]), anything),
		f.set("okp-negative-zero", off, "RFC 8032 §5.1.3: no such x", at("\x01"+zeros[:30]+"\x80"), anything),
		f.set("okp-off-curve", off, "RFC 8032 §5.1.3", at("\x02"+zeros), f.byEd),
		f.set("okp-short", "x does not have 32 bytes", "RFC 8032 §5.1.5", at(zeros), f.byEd),
		f.set("okp-x25519", "crv is not Ed25519", "RFC 8037 §2: not for signatures", good.With("crv", `"X25519"`).Without("alg"), f.byEd),
		f.set("okp-ed448", "crv is not Ed25519", "not on the list", good.With("crv", `"Ed448"`), f.byEd),
	}
}
