package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/storage"
)

// OldTokens says which refresh tokens of the Django before are taken, once each,
// in exchange for a session here. Without a key none are.
type OldTokens struct {
	Key       storage.Secret // SIMPLE_JWT's SIGNING_KEY, by default Django's SECRET_KEY
	Algorithm string         // SIMPLE_JWT's ALGORITHM; "HS256" if empty
	Until     time.Time      // from then on none are
	Issuer    string         // SIMPLE_JWT's ISSUER, AUDIENCE; empty: tokens have none
	Audience  string
}

const (
	defaultOldAlgorithm = jose.HS256
	maxOldToken         = 8192 // bytes
	maxOldID            = 255  // bytes; as in Simple JWT's own table
	oldTokenType        = "JWT"
	revokeClaim         = "hash_password" // REVOKE_TOKEN_CLAIM
)

// oldAlgorithms are those of Simple JWT with a secret, and the bytes that it
// needs at least (RFC 7518 §3.2).
var oldAlgorithms = map[jose.SignatureAlgorithm]int{jose.HS256: 32, jose.HS384: 48, jose.HS512: 64}

// OldAlgorithms are the names of those that may be asked for.
func OldAlgorithms() (names []string) {
	for _, alg := range slices.Sorted(maps.Keys(oldAlgorithms)) {
		names = append(names, string(alg))
	}
	return names
}

func (o OldTokens) algorithm() jose.SignatureAlgorithm {
	if o.Algorithm == "" {
		return defaultOldAlgorithm
	}
	return jose.SignatureAlgorithm(o.Algorithm)
}

func (o OldTokens) enabled() bool { return !o.Key.Empty() }

// Check refuses a key that could be guessed, and one that is good for ever.
func (o OldTokens) Check() error {
	if !o.enabled() {
		return nil
	}
	least, known := oldAlgorithms[o.algorithm()]
	switch n := len(o.Key.Reveal()); {
	case !known:
		return fmt.Errorf("the algorithm of old tokens: %q is none of %s", o.Algorithm, strings.Join(OldAlgorithms(), ", "))
	case n < least:
		return fmt.Errorf("the key of old tokens: %d bytes are too short for %s, which needs %d at least: whoever has a token could find it out; leave it out, and let people sign in again", n, o.algorithm(), least)
	case o.Until.IsZero():
		return errors.New("the key of old tokens: there is no end date")
	}
	return nil
}

// An oldToken is a refresh token of Simple JWT whose signature is good.
type oldToken struct {
	id              string // jti
	user            string // the primary key in Django, as text
	issued, expires time.Time
	mark            string // of the password; empty: it says nothing of one
	signature       []byte
}

// errOldType is reported for a good token of another type.
var errOldType = errors.New("it is no refresh token")

// isOld recognises what may be a token of Simple JWT by its header. Ours have
// other types.
func isOld(text string) bool { return typeOf(text) == oldTokenType }

// read verifies a token as SimpleJWT does, and strictly: whatever it would not
// write itself is refused. The claim is that of the user's id.
func (o OldTokens) read(text, claim string, now time.Time) (t oldToken, err error) {
	if !now.Before(o.Until) {
		return t, fmt.Errorf("old tokens were taken until %s", o.Until.UTC().Format(time.RFC3339))
	}
	if len(text) > maxOldToken || strings.ContainsFunc(text, unicode.IsSpace) { // which go-jose would skip
		return t, fmt.Errorf("more than %d bytes, or space between them", maxOldToken)
	}
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{o.algorithm()})
	if err != nil {
		return t, fmt.Errorf("not a JWS of %s", o.algorithm()) // the cause may quote it
	}
	payload, err := jws.Verify([]byte(o.Key.Reveal()))
	if err != nil {
		return t, errors.New("the signature is not of the key of old tokens")
	}
	claims, err := discovery.DecodeObject(payload)
	if err != nil {
		return t, errors.New("its payload is not an object")
	}
	t.signature = jws.Signatures[0].Signature
	return t, t.fill(o, claims, claim, now)
}

func (t *oldToken) fill(o OldTokens, claims map[string]any, claim string, now time.Time) error {
	var err error
	if t.expires, err = oldTime(claims, "exp"); err != nil {
		return err
	}
	if _, there := claims["iat"]; there { // versions before 5 had none
		if t.issued, err = oldTime(claims, "iat"); err != nil {
			return err
		}
	}
	t.id, _ = claims["jti"].(string)
	t.user = oldUser(claims[claim])
	t.mark, _ = claims[revokeClaim].(string)
	switch {
	case !t.expires.After(now): // as Simple JWT without LEEWAY
		return errors.New("the old token is expired")
	case t.issued.After(now.Add(storage.ForeignSkew)):
		return errors.New("iat is in the future")
	case !o.from(claims):
		return errors.New("iss or aud are not those of the settings for old tokens")
	case t.id == "" || len(t.id) > maxOldID:
		return errors.New("jti is missing or too long")
	case claims[tokenTypeClaim] != "refresh":
		return errOldType
	case t.user == "" || len(t.user) > maxOldID:
		return fmt.Errorf("%s is missing or no id", claim)
	case claims[revokeClaim] != nil && t.mark == "":
		return fmt.Errorf("%s is no text", revokeClaim)
	}
	return nil
}

// from reports iss and aud as the settings make them; without them there are none.
func (o OldTokens) from(claims map[string]any) bool {
	iss, hasIssuer := claims["iss"]
	aud, hasAudience := claims["aud"]
	if hasIssuer != (o.Issuer != "") || hasAudience != (o.Audience != "") || hasIssuer && iss != o.Issuer {
		return false
	}
	list, _ := discovery.StringList(aud)
	return !hasAudience || aud == o.Audience || slices.Contains(list, o.Audience)
}

// oldTime reads a NumericDate, which Simple JWT writes in whole seconds.
func oldTime(claims map[string]any, name string) (time.Time, error) {
	n, _ := claims[name].(json.Number)
	seconds, err := strconv.ParseInt(n.String(), 10, 64)
	if err != nil || seconds <= 0 || seconds > math.MaxUint32 {
		return time.Time{}, fmt.Errorf("%s is missing or no time", name)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// oldUser is a primary key as imports write it down: an integer or a text.
func oldUser(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil && strconv.FormatInt(n, 10) == v.String() {
			return v.String()
		}
	}
	return ""
}
