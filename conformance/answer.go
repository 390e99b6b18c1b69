package conformance

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds how much of an answer is read.
const maxAnswer = 1 << 20

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	json   map[string]any // nil unless the body is one JSON object; numbers are json.Number
	took   time.Duration
	at     time.Time // when it was here
	tls    *tls.ConnectionState
}

func readAnswer(resp *http.Response) (answer, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("reading the answer: %w", err)
	}
	if len(body) > maxAnswer {
		return answer{}, fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: body, json: object(body), tls: resp.TLS}, nil
}

// object reads exactly one JSON object, or returns nil.
func object(text []byte) map[string]any {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var members map[string]any
	if err := dec.Decode(&members); err != nil {
		return nil
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil
	}
	return members
}

// text returns a member that is a string, else "".
func (a answer) text(member string) string {
	s, _ := a.json[member].(string)
	return s
}

// list returns the strings of a member that is an array; ok is false when it
// is none, or holds anything else.
func (a answer) list(member string) (texts []string, ok bool) {
	values, ok := a.json[member].([]any)
	for _, v := range values {
		if s, isText := v.(string); isText {
			texts = append(texts, s)
		} else {
			ok = false
		}
	}
	return texts, ok
}

// code returns the OAuth error code.
func (a answer) code() string { return a.text("error") }

// hasToken reports whether a token came back, whatever the status says.
func (a answer) hasToken() bool { return a.text("access_token") != "" || a.text("refresh_token") != "" }

// isJSON reports whether the answer says it is JSON.
func (a answer) isJSON(types ...string) bool {
	media, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	return err == nil && slices.Contains(append(types, "application/json"), media)
}

// directives returns the Cache-Control directives, lower case, unquoted.
func (a answer) directives() map[string]string {
	out := map[string]string{}
	for part := range strings.SplitSeq(strings.Join(a.header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		out[strings.ToLower(name)] = strings.Trim(value, `"`)
	}
	return out
}

func (a answer) noStore() bool {
	_, ok := a.directives()["no-store"]
	return ok
}

// retryAfter returns how long the server asks to wait (RFC 9110 §10.2.3).
func (a answer) retryAfter() (time.Duration, bool) {
	v := a.header.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		return time.Duration(n) * time.Second, true
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(a.at)), true
	}
	return 0, false
}

// String is the answer on one line: of the body only what cannot be a token.
func (a answer) String() string {
	parts := []string{strings.TrimSpace(fmt.Sprint(a.status, " ", a.header.Get("Content-Type")))}
	for _, name := range []string{"Cache-Control", "WWW-Authenticate", "Allow", "Retry-After", "Etag", "Location"} {
		if v := a.header.Values(name); len(v) > 0 {
			parts = append(parts, strings.ToLower(name)+": "+strings.Join(v, ", "))
		}
	}
	switch {
	case a.code() != "":
		parts = append(parts, fmt.Sprintf("error %s %q", a.code(), a.text("error_description")))
	case a.json != nil:
		parts = append(parts, "members "+strings.Join(sortedNames(a.json), " "))
	default:
		parts = append(parts, fmt.Sprintf("%d bytes, not a JSON object", len(a.body)))
	}
	return strings.Join(parts, "; ")
}

func sortedNames(members map[string]any) []string {
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
