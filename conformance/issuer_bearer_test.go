package conformance_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// resource is a protected resource beside the issuer, for the scope read. It
// takes tokens in the Authorization header only.
func (is *issuer) resource(w http.ResponseWriter, r *http.Request) {
	token, code := is.presentedToken(r)
	s := is.access[token]
	if s == nil && is.mutated("api-forgery") { // whatever has the right first half
		for known, session := range is.access {
			if len(known) == len(token) && known[:len(known)/2] == token[:len(token)/2] {
				s = session
			}
		}
	}
	switch {
	case is.mutated("api-busy"):
		w.WriteHeader(503)
	case is.mutated("api-gone"):
		w.WriteHeader(404)
	case code != "":
		is.challenge(w, 400, code)
	case token == "" && !is.mutated("api-open"):
		is.challenge(w, 401, "")
	case is.mutated("api-500") && s == nil:
		w.WriteHeader(500)
	case s == nil && !is.mutated("api-open"), is.mutated("api-deaf"):
		is.challenge(w, 401, "invalid_token")
	case s != nil && !slices.Contains(s.scope, "read") && is.mutated("api-scope-401"):
		is.challenge(w, 401, "invalid_token")
	case s != nil && !slices.Contains(s.scope, "read") && !is.mutated("api-no-scope"):
		is.challenge(w, 403, "insufficient_scope")
	default:
		is.serveResource(w, token)
	}
}

func (is *issuer) serveResource(w http.ResponseWriter, token string) {
	answer := members{"hello": "world"}
	switch {
	case is.mutated("api-public"):
		w.Header().Set("Cache-Control", "public, max-age=60")
	case is.mutated("api-private"):
		w.Header().Set("Cache-Control", "private")
	case is.mutated("api-echo"):
		answer["token"] = token
	case is.mutated("api-echo-header"):
		w.Header().Set("X-Token", token)
	}
	writeJSON(w, 200, answer)
}

// presentedToken returns the token of a request, or why there is none to be had.
func (is *issuer) presentedToken(r *http.Request) (token, code string) {
	header, query := r.Header.Get("Authorization"), r.URL.Query().Get("access_token")
	scheme, token, _ := strings.Cut(header, " ")
	form := is.bodyToken(r)
	cookie, _ := r.Cookie("access_token")
	switch {
	case header == "" && cookie != nil && is.mutated("api-cookie"):
		return cookie.Value, ""
	case header == "" && is.looksInQuery():
		return query, ""
	case header == "":
		return form, ""
	case scheme != "Bearer" && (is.mutated("api-case") || !strings.EqualFold(scheme, "Bearer")):
		return "", ""
	case query != "" && !is.mutated("api-query") && !is.mutated("api-header-only"), form != "" && !is.mutated("api-body"):
		return "", "invalid_request"
	case strings.Contains(token, " ") && is.mutated("api-first-token"):
		token, _, _ = strings.Cut(token, " ")
		return strings.TrimRight(token, ","), ""
	case token == "", strings.Contains(token, " "):
		return "", "invalid_request"
	}
	return token, ""
}

func (is *issuer) looksInQuery() bool {
	return is.mutated("api-query") || is.mutated("api-query-strict")
}

// bodyToken looks for a token in the body, where a mutation says so.
func (is *issuer) bodyToken(r *http.Request) string {
	media := r.Header.Get("Content-Type")
	switch {
	case is.mutated("api-body-json") && media == "application/json":
		var members map[string]string
		json.NewDecoder(r.Body).Decode(&members)
		return members["access_token"]
	case is.mutated("api-body") && r.Method == http.MethodPost, is.mutated("api-body-strict") && r.Method == http.MethodPost:
		r.ParseForm()
		return r.PostForm.Get("access_token")
	case is.mutated("api-body-get") && r.Method == http.MethodGet && r.ContentLength > 0:
		r.Method = http.MethodPost // or ParseForm would not look
		r.ParseForm()
		return r.PostForm.Get("access_token")
	}
	return ""
}

// challenge refuses a request.
func (is *issuer) challenge(w http.ResponseWriter, status int, code string) {
	if is.mutated("api-no-code") {
		code = ""
	}
	header := `Bearer realm="a, \"b\"", scope=read`
	if code != "" || is.mutated("api-error-always") {
		header += `, error="` + code + `"`
	}
	switch {
	case is.mutated("api-bare"):
		header = "Bearer"
	case is.mutated("api-twice"):
		header += `, error="x"` + strings.Repeat(`, error="x"`, 1)
	case is.mutated("api-illegal"):
		header += `, error_description="say \"please\""`
	case is.mutated("api-unclosed"):
		header += `, error_description="please`
	case is.mutated("api-second"):
		header = `Basic realm="x, Bearer", ` + header
	case is.mutated("api-first"):
		header += `, Basic realm="x"`
	case is.mutated("api-status"):
		status = 400
	case is.mutated("api-no-challenge"):
		header = `Basic realm="x"`
	}
	w.Header().Set("WWW-Authenticate", header)
	w.WriteHeader(status)
}
