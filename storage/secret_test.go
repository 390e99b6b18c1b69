package storage

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// writings returns everything that a program might write of a value.
func writings(t *testing.T, v any) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%o", "%b", "%c", "%U", "%10.3s", "%08d", "%z"} {
		out[verb] = fmt.Sprintf(verb, v)
	}
	out["Sprint"] = fmt.Sprint(v)
	out["error"] = fmt.Errorf("no good: %v", v).Error()
	for name, marshal := range map[string]func(any) ([]byte, error){"json": json.Marshal, "xml": xml.Marshal} {
		if b, err := marshal(v); err == nil {
			out[name] = string(b)
		} else if name == "json" {
			t.Errorf("json: %v", err)
		}
	}
	var text, js, bin bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("event", "value", v)
	slog.New(slog.NewJSONHandler(&js, nil)).Info("event", "value", v, slog.Group("group", slog.Any("value", v)))
	out["slog text"], out["slog json"] = text.String(), js.String()
	if gob.NewEncoder(&bin).Encode(v) == nil {
		out["gob"] = bin.String()
	}
	return out
}

// forms returns how fmt and the encoders would show some bytes.
func forms(b []byte) []string {
	return []string{
		string(b), hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)), fmt.Sprintf("% x", b),
		strings.Trim(fmt.Sprint(b), "[]"), strings.TrimPrefix(strings.Trim(fmt.Sprintf("%#v", b), "{}"), "[]byte{"),
		base64.RawURLEncoding.EncodeToString(b), base64.StdEncoding.EncodeToString(b),
	}
}

func TestSecretsAreNotWritten(t *testing.T) {
	const word = "correct horse"
	secret, token := NewSecret(word), plain(3)
	type exported struct {
		Secret Secret
		Token  RefreshToken
	}
	type unexported struct {
		secret Secret
		token  RefreshToken
	}
	hidden := token.bytes()
	forbidden := append(forms([]byte(word)), token.Reveal(), token.Reveal()[4:])
	forbidden = append(forbidden, forms(hidden.secret[:8])...)
	forbidden = append(forbidden, forms(hidden.selector[1:9])...)

	for name, v := range map[string]any{
		"secret": secret, "token": token, "pointer to a secret": &secret, "pointer to a token": &token,
		"exported fields": exported{secret, token}, "pointer to exported fields": &exported{secret, token},
		"unexported fields": unexported{secret, token}, "pointer to unexported fields": &unexported{secret, token},
		"slice": []any{secret, token}, "slice of unexported": []unexported{{secret, token}},
		"map": map[string]any{"secret": secret, "token": token}, "request": Refresh{Token: token},
		"new session": NewSession{Token: token}, "answer": Refreshed{Token: token},
	} {
		for how, text := range writings(t, v) {
			for _, f := range forbidden {
				if strings.Contains(text, f) {
					t.Errorf("%s, %s: %q shows %q", name, how, text, f)
				}
			}
		}
	}
	for _, v := range []any{secret, token, &secret, &token} {
		for how, text := range writings(t, v) {
			if !strings.Contains(text, "[redacted]") && how != "gob" {
				t.Errorf("%T, %s: %q does not say that something was left out", v, how, text)
			}
		}
	}
	if secret.String() != redacted || token.String() != redacted {
		t.Error("String")
	}
}

// The search above finds a value that is not protected.
func TestWritingsFindPlainValues(t *testing.T) {
	b := []byte("correct horse")
	shown := 0
	for _, v := range []any{string(b), b, struct{ value []byte }{b}} {
		for _, text := range writings(t, v) {
			for _, f := range forms(b) {
				if strings.Contains(text, f) {
					shown++
				}
			}
		}
	}
	if shown < 20 {
		t.Errorf("a plain value is found in %d writings only", shown)
	}
}

func TestSecret(t *testing.T) {
	s := NewSecret("word")
	if s.Reveal() != "word" || s.Empty() {
		t.Errorf("%q", s.Reveal())
	}
	// SHA-256 of "word", computed by another program.
	const digest = "98c1eb4ee93476743763878fcb96a25fbc9a175074d64004779ecb5242f645e6"
	if d := s.Digest(); hex.EncodeToString(d[:]) != digest {
		t.Errorf("digest %x", d)
	}
	for _, empty := range []Secret{{}, NewSecret("")} {
		if !empty.Empty() || empty.Reveal() != "" || !empty.Digest().Equal(NewSecret("").Digest()) {
			t.Error("an empty secret is not empty")
		}
	}
	a, b := RandomSecret(), RandomSecret()
	if a.Reveal() == b.Reveal() || len(a.Reveal()) != 43 || strings.Trim(a.Reveal(), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		t.Errorf("random secrets of %d and %d characters", len(a.Reveal()), len(b.Reveal()))
	}
}

func TestDigestEqual(t *testing.T) {
	a := NewSecret("a").Digest()
	for i := range a {
		b := a
		b[i] ^= 0x80
		if a.Equal(b) || !a.Equal(a) {
			t.Errorf("byte %d is not compared", i)
		}
	}
}

func TestParseSessionID(t *testing.T) {
	id := counting[SessionID](0xf0)
	good := id.String()
	if got, err := ParseSessionID(good); err != nil || got != id || len(good) != 22 {
		t.Fatalf("%q: %v, %v", good, got, err)
	}
	for name, s := range map[string]string{
		"nothing": "", "a character short": good[:21], "a character long": good + "A", "padded": good + "==",
		"trailing bits": good[:21] + string(good[21]+1), "line feed within": good[:10] + "\n" + good[10:],
		"CR LF after": good + "\r\n", "line feed in a character's place": good[:10] + "\n" + good[11:],
		"standard alphabet": good[:21] + "/", "space": " " + good[1:],
		"a UUID": "f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff", "not ASCII": good[:20] + "é",
	} {
		if _, err := ParseSessionID(s); err == nil {
			t.Errorf("%s: %q is read", name, s)
		}
	}
}

func FuzzParseSessionID(f *testing.F) {
	f.Add(SessionID{}.String())
	f.Add(counting[SessionID](0xf0).String())
	f.Add("AAAAAAAAAAAAAAAAAAAAAB")
	f.Add("AAAAAAAAAAA\nAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseSessionID(s); err == nil && id.String() != s {
			t.Errorf("%q is read, and written as %q", s, id)
		} else if err != nil && errors.Unwrap(err) != nil {
			t.Errorf("the error says more than it should: %v", err)
		}
	})
}
