package conformance_test

import (
	"net/http"
	"net/url"

	"github.com/hallmark-auth/hallmark/conformance"
)

// revoke ends the session of a refresh token, and forgets an access token.
func (is *issuer) revoke(w http.ResponseWriter, r *http.Request) {
	form := is.revocationForm(w, r)
	client := is.revoker(r, form)
	token, hint := form.Get("token"), form.Get("token_type_hint")
	switch {
	case is.mutated("revocation-refuses"):
		panic(refusal{401, "invalid_client", "client"})
	case is.mutated("revocation-400"):
		refuse("invalid_request")
	case token == "" && !is.mutated("revocation-anything"):
		refuse("invalid_request")
	case hint != "" && hint != "access_token" && hint != "refresh_token" && is.mutated("revocation-hint-400"):
		refuse("unsupported_token_type")
	}
	if s := is.access[token]; s != nil {
		is.revokeAccess(s, client, token)
		return
	}
	s := is.sessions[token]
	switch {
	case s == nil && is.mutated("revocation-unknown-400"):
		refuse("invalid_grant")
	case s == nil, hint == "access_token" && is.mutated("revocation-hint"):
	case s.ended && is.mutated("revocation-twice-400"):
		refuse("invalid_grant")
	case s.client != client && !is.mutated("revocation-unbound"):
		if !is.mutated("revocation-untold") {
			refuse("invalid_grant")
		}
	case token != s.current && is.mutated("revocation-current-only"):
	default:
		is.end(s)
	}
	callback := r.URL.Query().Get("callback")
	if callback != "" && is.mutated("jsonp") {
		w.Header().Set("Content-Type", "application/javascript")
		w.Write([]byte(callback + "({});"))
		return
	}
	if is.mutated("revocation-echo") {
		writeJSON(w, 200, map[string]string{"token": token})
	}
}

// end ends a session, as far as the mutations let it.
func (is *issuer) end(s *session) {
	is.ends++
	s.dying = is.mutated("revocation-late")
	s.ended = !s.dying && !is.mutated("revocation-idle") && !(is.mutated("revocation-sometimes") && is.ends%3 == 0)
}

func (is *issuer) revokeAccess(s *session, client, token string) {
	switch {
	case is.mutated("revocation-refusal-kills"):
		s.ended = true
		refuse("unsupported_token_type")
	case is.mutated("revocation-unsupported"):
		refuse("unsupported_token_type")
	case s.client != client, is.mutated("revocation-access-idle"):
	case is.mutated("revocation-access-ends"):
		s.ended = true
	default:
		delete(is.access, token)
	}
}

// revocationForm reads a request, by a mutation a GET too.
func (is *issuer) revocationForm(w http.ResponseWriter, r *http.Request) url.Values {
	query := r.URL.Query()
	if r.Method == http.MethodGet && is.mutated("revocation-get") {
		is.remember(query)
		return query
	}
	return is.readForm(w, r)
}

// revoker returns the client that asks.
func (is *issuer) revoker(r *http.Request, form url.Values) string {
	if is.mutated("revocation-open") {
		if s := is.sessions[form.Get("token")]; s != nil {
			return s.client
		}
	}
	client := is.authenticate(r, form)
	if is.clients[client].method == conformance.AuthNone && is.mutated("revocation-secret-only") {
		panic(refusal{401, "invalid_client", "client"})
	}
	return client
}
