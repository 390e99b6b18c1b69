// Package vectors holds discovery/verify to what others have published: the
// test vectors of Wycheproof, and what other verifiers cost. It is a module of
// its own, so that users of the verifier get neither.
package vectors

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/discovery/verify"
)

const (
	issuer   = "https://auth.example.com"
	audience = "https://api.example.com"
)

// A group is a key, or a key set, with what is signed by it.
type group struct {
	Public, Private json.RawMessage // Public is missing where the key is a secret
	Tests           []vector
}

type vector struct {
	ID      int `json:"tcId"`
	Comment string
	JWS     string
	Result  string // valid or invalid
}

// load reads a file of the module that go.mod names; go.sum has its hash.
func load(t *testing.T, file string) (groups []group) {
	t.Helper()
	out, err := exec.Command("go", "mod", "download", "-json", "github.com/c2sp/wycheproof").Output()
	var module struct{ Dir string }
	if err = errors.Join(err, json.Unmarshal(out, &module)); err != nil {
		t.Fatalf("the vectors cannot be had: %v\n%s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(module.Dir, "testvectors_v1", file))
	var content struct{ TestGroups []group }
	if err = errors.Join(err, json.Unmarshal(data, &content)); err != nil {
		t.Fatal(err)
	}
	return content.TestGroups
}

func (g group) symmetric() bool { return g.Public == nil }

// bystander is a key that signed nothing here. It is put beside secrets, so
// that there is a verifier at all to refuse what they signed.
const bystander = `{"kty":"EC","kid":"bystander","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`

// keySet is what a verifier is given for a group.
func (g group) keySet() []byte {
	keys := g.Public
	if g.symmetric() {
		keys = g.Private
	}
	if bytes.Contains(keys, []byte(`"keys"`)) {
		if g.symmetric() {
			return bytes.Replace(keys, []byte("["), []byte("["+bystander+","), 1)
		}
		return keys
	}
	if g.symmetric() {
		keys = append([]byte(bystander+","), keys...)
	}
	return slices.Concat([]byte(`{"keys":[`), keys, []byte(`]}`))
}

// aboutJWS are the checks of Explain that are about the JWS and not about the
// claims, which no vector has.
var aboutJWS = []string{"size", "form", "header", "alg", "crit", "kid", "key", "signature"}

const good = "good"

// judge puts a vector through the verifier and returns what refused it: a check
// that is about the JWS, or why its key is not used. What is good is refused as
// a token, for its claims and for nothing else.
func judge(t *testing.T, keys []byte, v vector) string {
	t.Helper()
	verifier, err := verify.New(t.Context(), issuer, audience, verify.WithKeySet(keys), verify.AllowMissing("typ"))
	if errors.Is(err, discovery.ErrNoKeys) {
		return err.Error()
	}
	if err != nil {
		t.Fatalf("vector %d: %v", v.ID, err)
	}
	defer verifier.Close()
	_, err = verifier.Verify(t.Context(), v.JWS)
	var refused *verify.Error
	if !errors.As(err, &refused) {
		t.Fatalf("vector %d (%s) is an access token: %v", v.ID, v.Comment, err)
	}
	for _, c := range verifier.Explain(t.Context(), v.JWS) {
		if slices.Contains(aboutJWS, c.Name) && !c.OK {
			return c.Name
		}
	}
	if refused.Check != "claims" {
		t.Errorf("vector %d (%s) is a good JWS, and yet refused by %s", v.ID, v.Comment, refused.Check)
	}
	return good
}

// A reason is why vectors are refused.
type reason struct {
	why string // the check, or what is said about the key
	ids []int
}

// span lists numbers, from one to another where one is negative.
func span(ids ...int) (all []int) {
	for _, id := range ids {
		if id >= 0 {
			all = append(all, id)
			continue
		}
		for next := all[len(all)-1] + 1; next <= -id; next++ {
			all = append(all, next)
		}
	}
	return all
}

func find(reasons []reason, id int) (string, bool) {
	for _, r := range reasons {
		if slices.Contains(r.ids, id) {
			return r.why, true
		}
	}
	return "", false
}

// run judges all vectors of a file. Without a reason of its own a valid vector
// must be good, an invalid one refused by its signature, and one that is signed
// with a shared secret by its algorithm, valid or not.
func run(t *testing.T, file string, reasons []reason) (counts map[string]int) {
	t.Helper()
	counts = map[string]int{}
	for _, g := range load(t, file) {
		if g.symmetric() {
			mustBeSecret(t, g)
		}
		for _, v := range g.Tests {
			want, special := find(reasons, v.ID)
			switch {
			case special:
			case g.symmetric():
				want = "alg"
			case v.Result == "valid":
				want = good
			default:
				want = "signature"
			}
			if got := judge(t, g.keySet(), v); got != want && !(strings.Contains(want, " ") && strings.Contains(got, want)) {
				t.Errorf("vector %d (%s, %s): got %q, want %q", v.ID, v.Comment, v.Result, got, want)
			}
			counts["all"]++
			if g.symmetric() {
				counts["symmetric, "+v.Result]++
			} else {
				counts[v.Result]++
			}
			if want == good {
				counts[good]++
			}
		}
	}
	return counts
}

// mustBeSecret: a published secret is reported as one, and not used.
func mustBeSecret(t *testing.T, g group) {
	t.Helper()
	set, err := discovery.ParseKeySet(g.keySet())
	if err != nil || !errors.Is(errors.Join(set.Skipped...), discovery.ErrPrivate) {
		t.Errorf("a secret in a key set: %v, %v", set, err)
	}
}

func wantCounts(t *testing.T, got, want map[string]int) {
	t.Helper()
	for _, counts := range []map[string]int{got, want} {
		for name := range counts {
			if got[name] != want[name] {
				t.Errorf("%d vectors are %s, want %d", got[name], name, want[name])
			}
		}
	}
}

// TestJWS: the 401 vectors for JSON Web Signatures.
func TestJWS(t *testing.T) {
	counts := run(t, "json_web_signature_test.json", []reason{
		{"form", span(3, 4, 7, 9, -17, 20, 21, 24, 26, -30, 35, 36, 39, 41, -45, 341, -344, 360, -366, 368, 369, 371, 374, 375)},
		{"form", span(372, 373)},                       // faulty, below
		{"key", span(25, 40, 332, 334, 336, 338, 340)}, // the kid is another's, or the algorithm is
		{"key", span(346, 350)},                        // faulty, below
		{"alg is not one", span(347, 351)},             // faulty, below
		{"use is not sig", span(353, 354)},
		{"key_ops does not have verify", span(355, 356)},
		{"alg", span(31)}, // HMAC with what everybody knows of an EC key
	})
	wantCounts(t, counts, map[string]int{"all": 401, "valid": 36, good: 32, "invalid": 325, "symmetric, valid": 10, "symmetric, invalid": 30})
}

// TestJWK: the 26 vectors for JSON Web Keys.
func TestJWK(t *testing.T) {
	counts := run(t, "json_web_key_test.json", []reason{
		{"use is not sig", span(6, 21)},
		{"the ROCA weakness", span(7)},
		{"has 1024 bits", span(8)},
		{"RSA exponent", span(9)},
		{"alg is not one", span(19, 20)},
		{"not on the curve", span(22)},
		{"does not have the length of a coordinate", span(23)},
		{"n is missing", span(24)},
	})
	wantCounts(t, counts, map[string]int{"all": 26, "valid": 1, good: 1, "invalid": 10, "symmetric, valid": 4, "symmetric, invalid": 11})
}
