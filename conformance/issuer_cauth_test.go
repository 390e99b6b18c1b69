package conformance_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/hallmark-auth/hallmark/conformance"
)

// basic reads Basic credentials as RFC 7617 §2 and RFC 6749 §2.3.1 write them;
// raw is the secret as it was sent.
func (is *issuer) basic(r *http.Request, form url.Values) (id, secret, raw string) {
	headers := r.Header.Values("Authorization")
	for _, header := range headers {
		_, text, _ := strings.Cut(header, " ")
		is.see(strings.TrimSpace(text))
	}
	if len(headers) > 1 && !is.mutated("first-header") {
		panic(refusal{401, "invalid_client", "headers"})
	}
	scheme, text, _ := strings.Cut(headers[0], " ")
	switch known := strings.EqualFold(scheme, "Basic"); {
	case !known && is.mutated("bearer-500"), strings.HasPrefix(text, " ") && is.mutated("one-space"):
		panic(refusal{500, "server_error", "credentials"})
	case !known && is.mutated("any-scheme"):
		id = form.Get("client_id")
		return id, is.clients[id].secret, ""
	case !known, scheme != "Basic" && is.mutated("scheme-exact"):
		panic(refusal{401, "invalid_client", "scheme"})
	}
	text = strings.TrimLeft(text, " ")
	if is.mutated("lenient-base64") {
		text = strings.NewReplacer("!", "", " ", "").Replace(text)
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(text)
	rawID, raw, colon := strings.Cut(string(decoded), ":")
	switch {
	case err == nil && !colon && is.mutated("colon-500"):
		panic(refusal{500, "server_error", "credentials"})
	case err != nil, !colon:
		panic(refusal{401, "invalid_client", "credentials"})
	case is.mutated("basic-not-decoded"):
		return rawID, raw, raw
	}
	id, _ = url.QueryUnescape(rawID)
	secret, _ = url.QueryUnescape(raw)
	return id, secret, raw
}

// lax takes a client for authenticated that is not, by a mutation.
func (is *issuer) lax(r *http.Request, c client, method string) bool {
	pretends := c.method == conformance.AuthNone && method == conformance.AuthPost
	if pretends && is.mutated("public-secret-500") {
		panic(refusal{500, "server_error", "client"})
	}
	return pretends && is.mutated("secret-upgrades") ||
		c.method == conformance.AuthBasic && method == conformance.AuthPost && is.mutated("any-registered") ||
		r.Header.Get("X-SSL-Client-Verify") == "SUCCESS" && is.mutated("cert-header")
}
