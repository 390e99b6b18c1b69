package server

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
)

// The refresh token on Simple JWT's paths is a JWT, since front ends decode it:
//
//	{"alg":"HS256","kid":…,"typ":"rt+jwt"}
//	{"exp":…,"iat":…,"jti":…,"refresh_token":"hmr_…","token_type":"refresh","user_id":…}
//
// It is signed with a key that is derived from the key-encryption key and
// published nowhere, and has neither aud nor iss: nobody can take it for an
// access token. We trust nothing in it but the session's refresh token inside,
// which proves itself. So the signature is a filter: one that is wrong is
// refused, and one of a key that we do not have (any more) is not looked at, or
// replacing a key-encryption key would sign everybody out.
//
// All of it comes from the session's row, so a retry is answered the same JWT.
const (
	refreshTokenType = "rt+jwt"
	refreshKeyLabel  = "Simple JWT refresh token v1"
	innerClaim       = "refresh_token"
	maxRefreshJWT    = 4096 // bytes
	tokenTypeClaim   = "token_type"
	refreshIDLabel   = "hallmark refresh jti v1"
	refreshIDBytes   = 16
)

// signRefresh makes the JWT of a grant's refresh token.
func (s *Server) signRefresh(g Grant) (string, error) {
	expires := g.Session.OverAt()
	if !g.Client.Rotate { // nothing follows that could tell a later end
		expires = g.Session.ExpiresAt
	}
	inner := g.RefreshToken.Reveal()
	id := sha256.Sum256([]byte(refreshIDLabel + inner))
	claims := map[string]any{
		tokenTypeClaim: "refresh", innerClaim: inner, "jti": hex.EncodeToString(id[:refreshIDBytes]),
		"iat": g.Session.LastUsedAt.Unix(), "exp": expires.Unix(),
	}
	if name := s.cfg.SimpleJWT.claim(); name != "sub" {
		claims[name] = foreignUserID(g.User)
	} else {
		claims[name] = g.User.ID.String()
	}
	payload, err := json.Marshal(claims) // in the order of their names
	if err != nil {
		return "", fmt.Errorf("marshal refresh token: %w", err)
	}
	return sealRefresh(s.keys.Derive(refreshKeyLabel)[0], payload)
}

func sealRefresh(key keys.Derived, payload []byte) (string, error) {
	header := (&jose.SignerOptions{}).WithType(refreshTokenType).WithHeader("kid", key.ID) // which go-jose leaves out of an HMAC's
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: key.Key}, header)
	if err != nil {
		return "", fmt.Errorf("sign refresh token: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign refresh token: %w", err)
	}
	return jws.CompactSerialize()
}

// openRefresh returns the refresh token inside a JWT.
func (s *Server) openRefresh(text string) (storage.RefreshToken, error) {
	token, err := openRefresh(s.keys.Derive(refreshKeyLabel), text)
	switch {
	case err == nil:
		return token, nil
	case isAccessToken(text):
		return token, errWrongType.because(errors.New("an access token was presented"))
	}
	return token, errTokenNotValid.because(err)
}

func openRefresh(derived []keys.Derived, text string) (token storage.RefreshToken, err error) {
	if len(text) > maxRefreshJWT || strings.ContainsFunc(text, unicode.IsSpace) { // which go-jose would skip
		return token, fmt.Errorf("more than %d bytes, or space between them", maxRefreshJWT)
	}
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return token, errors.New("not a JWS of HS256") // the cause may quote it
	}
	header := jws.Signatures[0].Protected
	if header.ExtraHeaders[jose.HeaderType] != refreshTokenType {
		return token, fmt.Errorf("typ is not %s", refreshTokenType)
	}
	payload := jws.UnsafePayloadWithoutVerification()
	if i := slices.IndexFunc(derived, func(d keys.Derived) bool { return d.ID == header.KeyID }); i >= 0 {
		if payload, err = jws.Verify(derived[i].Key); err != nil {
			return token, errors.New("the signature is wrong")
		}
	}
	claims, err := discovery.DecodeObject(payload)
	if err != nil || claims[tokenTypeClaim] != "refresh" {
		return token, errors.New("not the claims of a refresh token")
	}
	inner, _ := claims[innerClaim].(string)
	return storage.ParseRefreshToken(inner)
}
