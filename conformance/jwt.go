package conformance

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// jwt is a token whose parts could be read; nothing is verified.
type jwt struct {
	compact        string
	header, claims map[string]any
	answer         answer
}

func parseJWT(compact string) (jwt, bool) {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return jwt{}, false
	}
	var read [2]map[string]any
	for i := range read {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return jwt{}, false
		}
		if read[i] = object(text); read[i] == nil {
			return jwt{}, false
		}
	}
	return jwt{compact: compact, header: read[0], claims: read[1]}, true
}

// accessToken gets a fresh access token; where those are opaque the case does
// not apply.
func (p *Probe) accessToken(ctx context.Context) jwt { return p.jwtOf(p.signIn(ctx, p.target.Client)) }

func (p *Probe) jwtOf(t tokens) jwt {
	token, ok := parseJWT(t.access)
	if !ok {
		panic(stop{absent("the access token is not a signed JWT")})
	}
	token.answer = t.answer
	return token
}

func (t jwt) text(claim string) string {
	s, _ := t.claims[claim].(string)
	return s
}

// date returns a claim that is an integer number of seconds.
func (t jwt) date(claim string) (int64, bool) {
	n, _ := t.claims[claim].(json.Number)
	seconds, err := strconv.ParseInt(n.String(), 10, 64)
	return seconds, err == nil
}

// clockLeeway is how many seconds two clocks may differ before it shows that
// one is wrong.
const clockLeeway = 5

// clock returns the server's time when it answered, and ours when that agrees.
func (t jwt) clock() (server, ours int64) {
	ours = t.answer.at.Unix()
	at, err := time.Parse(time.RFC1123, t.answer.header.Get("Date"))
	if err != nil {
		return ours, ours
	}
	if server = at.Unix(); server < ours-clockLeeway || server > ours+clockLeeway {
		return server, server // clocks disagree: only theirs can judge
	}
	return server, ours
}

// audiences are those that aud names, "" for each that is not a string.
func (t jwt) audiences() (auds []string) {
	switch aud := t.claims["aud"].(type) {
	case string:
		auds = []string{aud}
	case []any:
		for _, v := range aud {
			s, _ := v.(string)
			auds = append(auds, s)
		}
	}
	return auds
}
