package keys

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"
)

// eventful returns a ring with keys of every kind.
func eventful(t testing.TB, algorithms ...Algorithm) Ring {
	r, _, err := must(NewRing(brisk(algorithms...))).Advance(at(0), GenerateKey)
	if err != nil {
		t.Fatal(err)
	}
	r = must(r.Rotate(ES256, at(10*time.Second), true))
	for _, d := range []time.Duration{10 * time.Second, 40 * time.Second} {
		if r, _, err = r.Advance(at(d), GenerateKey); err != nil {
			t.Fatal(err)
		}
	}
	r = must(r.Revoke(r.line(ES256)[2].ID, "", at(50*time.Second), GenerateKey))
	return r.at(7)
}

func TestSealAndOpen(t *testing.T) {
	r := eventful(t, ES256, RS256)
	s := must(NewSealer(testKEK(1)))
	sealed := must(s.Seal(r))
	got, err := s.Open(sealed)
	if err != nil {
		t.Fatal(err)
	}
	if !got.same(r) || got.Version() != 7 {
		t.Errorf("%v came back as %v", r, got)
	}
	for i, k := range got.keys {
		if k.usable() {
			if _, err := newSigner(k, "", nil); err != nil {
				t.Error(err)
			}
		}
		if was := r.keys[i]; k.ID != was.ID || k.PublishedAt != was.PublishedAt || k.Public == nil != was.revoked() {
			t.Errorf("%+v came back as %+v", was, k)
		}
	}
	if again := must(s.Seal(r)); bytes.Equal(again, sealed) {
		t.Error("two seals are alike")
	}
	header := must(base64.RawURLEncoding.DecodeString(strings.Split(string(sealed), ".")[0]))
	var h map[string]string
	if err := json.Unmarshal(header, &h); err != nil || h["alg"] != "A256GCMKW" || h["enc"] != "A256GCM" || h["kid"] != KEKID(testKEK(1)) {
		t.Errorf("header %s", header)
	}
	if bytes.Contains(sealed, []byte("ES256")) || len(KEKID(testKEK(1))) != 16 {
		t.Error("something can be read")
	}
}

// TestSealHistories: what any history leaves comes back as it was.
func TestSealHistories(t *testing.T) {
	s := must(NewSealer(testKEK(1)))
	rapid.Check(t, func(t *rapid.T) {
		r, now := must(NewRing(brisk())), at(0)
		for i := range rapid.IntRange(1, 12).Draw(t, "steps") {
			now = instant(now.Wall.Sub(epoch)+time.Duration(rapid.Int64Range(1, 4e11).Draw(t, "ns")), now.Service.Add(time.Second).Sub(at(0).Service))
			r, _, _ = r.Advance(now, cheap())
			if rapid.Bool().Draw(t, "revoke") {
				r = must(r.Revoke(r.keys[rapid.IntRange(0, len(r.keys)-1).Draw(t, "key")].ID, "", now, cheap()))
			}
			r = r.at(r.version + 1)
			if got, err := s.Open(must(s.Seal(r))); err != nil || !got.same(r) || got.version != r.version {
				t.Fatalf("step %d: %v, error %v", i, got, err)
			}
		}
	})
}

func TestOpenWithSeveralKEKs(t *testing.T) {
	a, b, c := testKEK(1), testKEK(2), testKEK(3)
	sealed := must(must(NewSealer(a)).Seal(started(t, brisk()).at(1)))
	if _, err := must(NewSealer(b, a)).Open(sealed); err != nil {
		t.Errorf("the second key does not open: %v", err)
	}
	_, err := must(NewSealer(b, c)).Open(sealed)
	if !errors.Is(err, ErrWrongKey) {
		t.Fatalf("a wrong key: %v", err)
	}
	for _, id := range []string{KEKID(a), KEKID(b), KEKID(c)} {
		if !strings.Contains(err.Error(), id) {
			t.Errorf("%s is not named: %v", id, err)
		}
	}
	// Under the right name, a wrong key opens nothing.
	forged := must(NewSealer(b))
	forged.keks[0].id = KEKID(a)
	if _, err := forged.Open(sealed); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a wrong key under the right name: %v", err)
	}
}

func TestNewSealerRefuses(t *testing.T) {
	for name, keks := range map[string][][]byte{
		"none":     nil,
		"short":    {testKEK(1)[:31]},
		"long":     {append(testKEK(1), 0)},
		"zero":     {make([]byte, 32)},
		"the 2nd":  {testKEK(1), nil},
		"too many": make([][]byte, maxKEKs+1),
	} {
		if _, err := NewSealer(keks...); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// TestOpenRefuses: every byte of a sealed ring counts, and nothing else opens.
func TestOpenRefuses(t *testing.T) {
	s := must(NewSealer(testKEK(1)))
	sealed := must(s.Seal(started(t, brisk()).at(1)))
	for i := 0; i < len(sealed); i += 7 {
		broken := bytes.Clone(sealed)
		broken[i] ^= 1
		if _, err := s.Open(broken); err == nil {
			t.Fatalf("byte %d does not matter", i)
		}
	}
	key := testKEK(1)
	encrypt := func(alg jose.KeyAlgorithm, enc jose.ContentEncryption, plain string) []byte {
		e := must(jose.NewEncrypter(enc, jose.Recipient{Algorithm: alg, Key: key, KeyID: KEKID(key)}, nil))
		return []byte(must(must(e.Encrypt([]byte(plain))).CompactSerialize()))
	}
	good := string(must(started(t, brisk()).at(1).encode()))
	if _, err := s.Open(encrypt(jose.A256GCMKW, jose.A256GCM, good)); err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string][]byte{
		"empty":          nil,
		"text":           []byte("hello"),
		"cut":            sealed[:len(sealed)-5],
		"too big":        bytes.Repeat([]byte("a"), maxSealed+1),
		"direct":         encrypt(jose.DIRECT, jose.A256GCM, good),
		"another enc":    encrypt(jose.A256GCMKW, jose.A128GCM, good),
		"not a ring":     encrypt(jose.A256GCMKW, jose.A256GCM, "[]"),
		"two rings":      encrypt(jose.A256GCMKW, jose.A256GCM, good+good),
		"version 0":      encrypt(jose.A256GCMKW, jose.A256GCM, strings.Replace(good, `"version":1`, `"version":0`, 1)),
		"newer format":   encrypt(jose.A256GCMKW, jose.A256GCM, strings.Replace(good, `"format":1`, `"format":3`, 1)),
		"not published":  encrypt(jose.A256GCMKW, jose.A256GCM, strings.Replace(good, `"published_at"`, `"x"`, 1)),
		"unsafe":         encrypt(jose.A256GCMKW, jose.A256GCM, strings.Replace(good, `"keep_after":185000000`, `"keep_after":1`, 1)),
		"overflow":       encrypt(jose.A256GCMKW, jose.A256GCM, strings.Replace(good, `"keep_after":185000000`, `"keep_after":9223372036854775807`, 1)),
		"wraps around":   encrypt(jose.A256GCMKW, jose.A256GCM, strings.Replace(good, `"keep_after":185000000`, fmt.Sprintf(`"keep_after":%d`, int64(185000000+1<<61)), 1)),
		"unknown member": encrypt(jose.A256GCMKW, jose.A256GCM, strings.Replace(good, `"published_at"`, `"x":1,"published_at"`, 1)),
		"twice":          encrypt(jose.A256GCMKW, jose.A256GCM, strings.Replace(good, `"keys":[`, `"keys":[`+firstKey(good)+`,`, 1)),
		"another kid":    encrypt(jose.A256GCMKW, jose.A256GCM, strings.Replace(good, `"kid":"`, `"kid":"A`, 1)),
		"another alg":    encrypt(jose.A256GCMKW, jose.A256GCM, strings.Replace(good, `"alg":"ES256"`, `"alg":"RS256"`, 1)),
		"no former":      encrypt(jose.A256GCMKW, jose.A256GCM, strings.Replace(good, `"keys":`, `"former":{"stay":-1,"until":1,"service":1},"keys":`, 1)),
		"a reason":       encrypt(jose.A256GCMKW, jose.A256GCM, strings.Replace(good, `"published_at"`, `"reason":"x","published_at"`, 1)),
		"two halves":     encrypt(jose.A256GCMKW, jose.A256GCM, strings.Replace(good, `"published_at"`, `"handle":"x","published_at"`, 1)),
		"imported whole": encrypt(jose.A256GCMKW, jose.A256GCM, strings.Replace(good, `"published_at"`, `"imported":true,"published_at"`, 1)),
		"revoked key":    encrypt(jose.A256GCMKW, jose.A256GCM, strings.Replace(good, `"published_at"`, `"revoked_at":1,"gone_at":1,"published_at"`, 1)),
		"no material":    encrypt(jose.A256GCMKW, jose.A256GCM, strings.Replace(good, `"jwk":`, `"x":`, 1)),
		"symmetric":      encrypt(jose.A256GCMKW, jose.A256GCM, strings.Replace(good, `"jwk":{`, `"jwk":{"kty":"oct","k":"AAAA"},"x":{`, 1)),
		"endless key":    encrypt(jose.A256GCMKW, jose.A256GCM, withoutD(good)),
	} {
		r, err := s.Open(in)
		if !errors.Is(err, ErrCorrupt) || len(r.keys) != 0 {
			t.Errorf("%s: %v, error %v", name, r, err)
		}
	}
}

// TestOpenIsBounded: a ring that opens otherwise is refused for its size.
func TestOpenIsBounded(t *testing.T) {
	key := testKEK(1)
	good := must(started(t, brisk()).at(1).encode())
	e := must(jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.A256GCMKW, Key: key, KeyID: KEKID(key)}, nil))
	big := []byte(must(must(e.Encrypt(append(good, bytes.Repeat([]byte(" "), maxSealed)...))).CompactSerialize()))
	if _, err := must(NewSealer(key)).Open(big); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "more than") {
		t.Error(err)
	}
}

// firstKey cuts the first key out of an encoded ring.
func firstKey(ring string) string {
	start := strings.Index(ring, `"keys":[`) + len(`"keys":[`)
	return ring[start : start+strings.Index(ring[start:], `},{`)+1]
}

// withoutD cuts the private half of the first key out.
func withoutD(ring string) string {
	start := strings.Index(ring, `,"d":"`)
	end := start + 1 + strings.Index(ring[start+1:], `"}`) + 1
	return ring[:start] + ring[end:]
}

// TestSealRefuses what could not be opened again.
func TestSealRefuses(t *testing.T) {
	s := must(NewSealer(testKEK(1)))
	r := started(t, brisk())
	if _, err := s.Seal(r); err == nil {
		t.Error("a ring of version 0 is sealed")
	}
	if _, err := s.Seal(started(t, brisk(RS256)).at(1)); err == nil || strings.Contains(err.Error(), "facade") {
		t.Errorf("a key that cannot be written: %v", err)
	}
	for i := range maxKeys {
		k := Key{ID: fmt.Sprintf("%043d", i), Algorithm: ES256, PublishedAt: epoch, SignsFrom: epoch}
		k.revoke(epoch, r.schedule, "")
		r.keys = append(r.keys, k)
	}
	if _, err := s.Seal(r.at(1)); err == nil || !strings.Contains(err.Error(), "could not be opened again") {
		t.Errorf("%d keys: %v", len(r.keys), err)
	}
	if _, err := s.Seal(Ring{version: 1, schedule: r.schedule, keys: r.keys[2:]}); err != nil {
		t.Errorf("%d records: %v", maxKeys, err)
	}
}

// FuzzOpen: foreign bytes in the place of a sealed ring, and foreign JSON under
// a good seal, are refused or are a ring that can be worked with.
func FuzzOpen(f *testing.F) {
	s := must(NewSealer(testKEK(1)))
	r := eventful(f, ES256) // RSA keys are slow to make under a fuzzer
	f.Add(must(s.Seal(r)))
	f.Add(must(r.encode()))
	f.Add([]byte("a.b.c.d.e"))
	encoded := string(must(r.encode()))
	f.Add([]byte(strings.Replace(encoded, firstKey(encoded), rfc7638, 1)))
	f.Add([]byte(`{"format":1,"version":1,"schedule":{"algorithms":["ES256"]},"keys":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		check := func(r Ring, err error) {
			if err != nil {
				if len(r.keys) != 0 {
					t.Fatal("a ring and an error")
				}
				return
			}
			next, _, err := r.Advance(at(0), cheap())
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := next.Signer("", at(0)); !ok {
				t.Fatal("nobody signs")
			}
		}
		check(s.Open(data))
		check(decodeRing(data))
	})
}
