package verify

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// A race is between what a token costs and the bare signature check that it
// cannot do without, over the same tokens.
type race struct {
	verifier *Verifier
	tokens   []string
	sums     []sum
	raw      func(i int) bool // the signature check alone: digest and signature are there already
}

// manyTokens keeps the processor from learning one token by heart.
const manyTokens = 64

func newRace(t testing.TB, f *testForge, alg string) *race {
	r := &race{verifier: attackVerifier(t, f.jwks)}
	var digests, signatures [][]byte
	for i := range manyTokens {
		payload := claims().with("jti", quote(fmt.Sprintf("0198c0de-0000-7000-8000-%012d", i))).with("sid", quote(fmt.Sprintf("session-%d", i)))
		token := f.es(payload)
		if alg == "RS256" {
			token = f.rs(payload)
		}
		r.tokens, r.sums = append(r.tokens, token), append(r.sums, sumOf(token))
		digests = append(digests, digest(crypto.SHA256, []byte(token[:strings.LastIndexByte(token, '.')])))
		signatures = append(signatures, signature(token))
	}
	r.raw = func(i int) bool {
		return rsa.VerifyPKCS1v15(&f.rsa.PublicKey, crypto.SHA256, digests[i], signatures[i]) == nil
	}
	if alg == "ES256" {
		r.raw = func(i int) bool {
			return ecdsa.Verify(&f.ec.PublicKey, digests[i], newInt(signatures[i][:32]), newInt(signatures[i][32:]))
		}
	}
	return r
}

// seen verifies a token that was verified before; fresh one that was not.
func (r *race) seen(i int) bool {
	_, err := r.verifier.Verify(context.Background(), r.tokens[i])
	return err == nil
}

func (r *race) fresh(i int) bool {
	r.verifier.seen.forget(r.sums[i])
	return r.seen(i)
}

// time is the median of what an operation takes over all tokens, of several
// rounds; the operations take turns, so that all suffer the same from whatever
// else the machine does.
func (r *race) time(t *testing.T, operations ...func(i int) bool) []time.Duration {
	const rounds = 15
	took := make([][]time.Duration, len(operations))
	for range rounds {
		for o, operation := range operations {
			begin := time.Now()
			for i := range r.tokens {
				if !operation(i) {
					t.Fatal("a good token is refused")
				}
			}
			took[o] = append(took[o], time.Since(begin))
		}
	}
	medians := make([]time.Duration, len(operations))
	for o := range took {
		slices.Sort(took[o])
		medians[o] = took[o][rounds/2]
	}
	return medians
}

// What tokens cost, beside the bare signature check.
func BenchmarkVerify(b *testing.B) {
	f := newForge(b)
	run := func(name string, operation func(i int) bool) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if !operation(i % manyTokens) {
					b.Fatal("not the verdict that was expected")
				}
			}
		})
	}
	for _, alg := range []string{"ES256", "RS256"} {
		r := newRace(b, f, alg)
		run(alg+"/raw", r.raw)
		run(alg+"/new", r.fresh)
		run(alg+"/seen", r.seen)
	}
	v := attackVerifier(b, f.jwks)
	refused := func(raw string) func(int) bool {
		return func(int) bool { _, err := v.Verify(b.Context(), raw); return err != nil }
	}
	run("expired", refused(f.rs(claims().with("exp", "1"))))
	run("unknown key", refused(f.token(f.attacker, head("ES256", "evil"), claims())))
	run("garbage", refused(strings.Repeat("x", 1000)))
}

// What a token costs is bounded by what its signature costs. The measurement is
// repeated when it fails, since the machine may be busy with something else.
func TestCost(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector slows down our code and not the assembly of the standard library")
	}
	f := newForge(t)
	for alg, limit := range map[string]float64{"ES256": 1.10, "RS256": 1.30} {
		r := newRace(t, f, alg)
		var fresh, seen float64
		for range 8 {
			took := r.time(t, r.raw, r.fresh, r.seen)
			fresh, seen = float64(took[1])/float64(took[0]), float64(took[2])/float64(took[1])
			t.Logf("%s: raw %s, fresh %.3f of it, seen %.4f of fresh", alg, took[0]/manyTokens, fresh, seen)
			if fresh <= limit && seen < 0.02 {
				break
			}
		}
		if fresh > limit {
			t.Errorf("%s: a new token costs %.3f of its signature, over %.2f", alg, fresh, limit)
		}
		if seen >= 0.02 {
			t.Errorf("%s: a token seen before costs %.4f of a new one", alg, seen)
		}
	}
}
