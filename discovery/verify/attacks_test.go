package verify

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/conformance/forge"
	"github.com/hallmark-auth/hallmark/discovery"
)

//go:generate go test -run ^TestAttackFiles$ -update

var update = flag.Bool("update", false, "write the attack files anew")

// An attack is a token and what must become of it: the name of the check that
// refuses it, or "" for a token that is to be accepted.
type attack struct {
	name, refuse, why string
	token             string
}

// attackVerifier is what the files are made for.
func attackVerifier(t testing.TB, jwks []byte) *Verifier {
	t.Helper()
	v, err := New(context.Background(), issuerURL, audience, WithKeySet(jwks), WithClock(clock), WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The files: of tokens, of key sets, and the key set that the tokens are for.
const (
	tokenFiles  = "testdata/attacks"
	keySetFiles = "testdata/keysets"
	keysFile    = "testdata/keys.json"
)

// attackFiles is what the forge makes, by file.
func attackFiles() map[string]string {
	f := seededForge()
	files := map[string]string{keysFile: string(f.JWKS())}
	for _, token := range f.Tokens() {
		files[filepath.Join(tokenFiles, token.Name+".token")] = token.File()
	}
	for _, set := range f.KeySets() {
		files[filepath.Join(keySetFiles, set.Name+".jwks")] = set.File()
	}
	return files
}

// readFiles returns what is there, by file.
func readFiles(t testing.TB, patterns ...string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, pattern := range patterns {
		for _, file := range must(filepath.Glob(pattern)) {
			files[file] = string(must(os.ReadFile(file)))
		}
	}
	return files
}

// readAttacks reads the files of tokens.
func readAttacks(t testing.TB) (jwks []byte, attacks []attack) {
	t.Helper()
	for file, content := range readFiles(t, tokenFiles+"/*") {
		a, err := forge.ParseToken(strings.TrimSuffix(filepath.Base(file), ".token"), content)
		if err != nil {
			t.Fatal(err)
		}
		attacks = append(attacks, attack{a.Name, a.Refuse, a.Why, a.Raw})
	}
	slices.SortFunc(attacks, func(a, b attack) int { return strings.Compare(a.name, b.name) })
	return must(os.ReadFile(keysFile)), attacks
}

// TestAttackFiles: the files are what the forge makes today, and all of it.
func TestAttackFiles(t *testing.T) {
	want := attackFiles()
	if *update {
		for _, dir := range []string{tokenFiles, keySetFiles} {
			if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
				t.Fatal(err)
			}
		}
		for file, content := range want {
			if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := readFiles(t, tokenFiles+"/*", keySetFiles+"/*", keysFile)
	for file, content := range want {
		if got[file] != content {
			t.Errorf("%s is not what the forge makes: run go generate", file)
		}
		delete(got, file)
	}
	for file := range got {
		t.Errorf("%s is not by the forge: run go generate", file)
	}
}

// TestAttacks: what each file says happens, for the reason that it says.
func TestAttacks(t *testing.T) {
	jwks, attacks := readAttacks(t)
	v := attackVerifier(t, jwks)
	for _, a := range attacks {
		claims, err := v.Verify(t.Context(), a.token)
		if a.refuse == "" {
			if err != nil || claims.Subject != "user-1" {
				t.Errorf("%s: %v, %v; must be accepted: %s", a.name, claims, err, a.why)
			}
		} else if err == nil {
			t.Errorf("%s was accepted: %s", a.name, a.why)
		} else if got := err.(*Error).Check; got != a.refuse {
			t.Errorf("%s: refused by %s, not by %s: %v", a.name, got, a.refuse, err)
		}
	}
}

// TestAttacksCoverChecks: each check has a file that only it refuses.
func TestAttacksCoverChecks(t *testing.T) {
	_, attacks := readAttacks(t)
	for _, c := range checks {
		if c.name != "revoked" && !slices.ContainsFunc(attacks, func(a attack) bool { return a.refuse == c.name }) { // the program's own
			t.Errorf("no file is refused by %s", c.name)
		}
	}
}

// TestKeySetAttacks: keys are used or not as each file says, for the reason
// that it says, and their tokens are judged accordingly.
func TestKeySetAttacks(t *testing.T) {
	good := newForge(t).es(claims())
	files := readFiles(t, keySetFiles+"/*")
	for file, content := range files {
		s, err := forge.ParseKeySet(file, content)
		if err != nil {
			t.Fatal(err)
		}
		set, err := discovery.ParseKeySet([]byte(s.JWKS))
		if s.Whole {
			_, newErr := New(t.Context(), issuerURL, audience, WithKeySet([]byte(s.JWKS)))
			if err == nil || newErr == nil || !strings.Contains(err.Error(), s.Skip) || !strings.Contains(newErr.Error(), s.Skip) {
				t.Errorf("%s: got %v, %v; want %q: %s", file, err, newErr, s.Skip, s.Why)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		v := attackVerifier(t, []byte(s.JWKS))
		if _, err := v.Verify(t.Context(), good); err != nil {
			t.Errorf("%s: the good key is not used: %v", file, err)
		}
		_, err = v.Verify(t.Context(), s.Token)
		if s.Skip == "" {
			if err != nil || len(set.Skipped) > 0 {
				t.Errorf("%s: %v, %v; must be accepted: %s", file, err, set.Skipped, s.Why)
			}
			continue
		}
		if err == nil || err.(*Error).Check != "key" || !errors.Is(err.(*Error).err, errUnknownKey) {
			t.Errorf("%s: got %v, want the key to be unknown: %s", file, err, s.Why)
		}
		if len(set.Skipped) != 1 || !strings.Contains(set.Skipped[0].Error(), s.Skip) {
			t.Errorf("%s: got %v, want %q: %s", file, set.Skipped, s.Skip, s.Why)
		}
	}
}

// The parts of a token that is accepted are canonical: there is one spelling,
// so that a token can be recognised by its bytes.
func TestAcceptedTokensAreCanonical(t *testing.T) {
	_, attacks := readAttacks(t)
	for _, a := range attacks {
		if a.refuse != "" {
			continue
		}
		for part := range strings.SplitSeq(a.token, ".") {
			if b, err := base64.RawURLEncoding.DecodeString(part); err != nil || base64.RawURLEncoding.EncodeToString(b) != part {
				t.Errorf("%s: %q is not canonical", a.name, part)
			}
		}
	}
}
