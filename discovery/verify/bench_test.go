package verify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"strings"
	"testing"
)

// What a token costs, beside the bare signature check that it cannot do without.
func BenchmarkVerify(b *testing.B) {
	jwks, attacks := readAttacks(b)
	v := attackVerifier(b, jwks)
	token := map[string]string{}
	for _, a := range attacks {
		token[a.name] = a.token
	}
	run := func(name string, op func() bool) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !op() {
					b.Fatal("refused")
				}
			}
		})
	}
	verify := func(raw string) func() bool {
		return func() bool { _, err := v.Verify(b.Context(), raw); return err == nil }
	}
	hash := func(raw string) []byte {
		return digest(crypto.SHA256, []byte(raw[:strings.LastIndexByte(raw, '.')]))
	}
	run("ES256", verify(token["es256"]))
	es, _ := v.static.Key("es1")
	sig, sum := signature(token["es256"]), hash(token["es256"])
	r, s := newInt(sig[:32]), newInt(sig[32:])
	run("ES256/raw", func() bool { return ecdsa.Verify(es.Public.(*ecdsa.PublicKey), sum, r, s) })
	run("RS256", verify(token["rs256"]))
	rs, _ := v.static.Key("rs1")
	rsSig, rsSum := signature(token["rs256"]), hash(token["rs256"])
	run("RS256/raw", func() bool {
		return rsa.VerifyPKCS1v15(rs.Public.(*rsa.PublicKey), crypto.SHA256, rsSum, rsSig) == nil
	})
	refused := func(raw string) func() bool {
		return func() bool { _, err := v.Verify(b.Context(), raw); return err != nil }
	}
	run("expired", refused(token["exp-past"]))
	run("garbage", refused(strings.Repeat("x", 1000)))
}
