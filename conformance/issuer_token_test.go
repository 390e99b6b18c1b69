package conformance_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/conformance"
)

// refusal is an OAuth error on its way out.
type refusal struct {
	status int
	code   string
	why    string
}

// refuse ends the request with 400.
func refuse(code string) { panic(refusal{400, code, code}) }

// oauth writes the refusals of an endpoint.
func (is *issuer) oauth(endpoint http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch e := recover().(type) {
			case nil:
			case refusal:
				is.writeError(w, r, e)
			default:
				panic(e)
			}
		}()
		endpoint(w, r)
	}
}

// token is the token endpoint.
func (is *issuer) token(w http.ResponseWriter, r *http.Request) {
	switch {
	case is.mutated("hangup"):
		panic(http.ErrAbortHandler)
	case is.mutated("busy"), is.mutated("busy-once") && !is.busied:
		is.busied = true
		w.Header().Set("Retry-After", "1")
		panic(refusal{503, "temporarily_unavailable", "busy"})
	case is.mutated("redirect"):
		http.Redirect(w, r, "/tenant/elsewhere", http.StatusTemporaryRedirect)
		return
	}
	form := is.readForm(w, r)
	clientID := is.authenticate(r, form)
	s, scope := is.begin(w, r, clientID, form)
	if r.Header.Get("DPoP") != "" && is.mutated("dpop-silent") {
		writeJSON(w, 200, map[string]string{"access_token": "bound", "token_type": "DPoP"})
		return
	}
	is.issue(w, s, scope)
	is.hangUp(s)
}

func (is *issuer) readForm(w http.ResponseWriter, r *http.Request) url.Values {
	if r.Method != http.MethodPost && is.mutated("get-404") {
		panic(refusal{404, "invalid_request", "method"})
	}
	if r.Method != http.MethodPost && !is.mutated("any-method") {
		if !is.mutated("no-allow") {
			w.Header().Set("Allow", "POST")
		}
		panic(refusal{405, "invalid_request", is.refusedMethod(r)})
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	form, query := url.Values{}, r.URL.Query()
	switch {
	case r.ContentLength < 0 && is.mutated("length-wanted"):
		refuse("invalid_request")
	case r.ContentLength < 0 && is.mutated("length-required"):
		panic(refusal{411, "invalid_request", "length"})
	case media == "application/json" && is.mutated("json-body"):
		var members map[string]string
		json.NewDecoder(r.Body).Decode(&members)
		for name, value := range members {
			form.Set(name, value)
		}
	case media == "multipart/form-data" && is.mutated("multipart-body"):
		r.ParseMultipartForm(1 << 16)
		form = r.PostForm
	case (media == formType || is.mutated("ct-optional")) && !is.mislabelled(r):
		form = is.parseBody(r)
	case r.ContentLength > 0, r.Method == http.MethodPost && r.Header.Get("Content-Type") == "" && is.mutated("no-type-415"):
		if is.mutated("media-400") {
			refuse("invalid_request")
		}
		panic(refusal{415, "invalid_request", "media type"})
	}
	if is.mutated("query-merged") || is.mutated("any-method") {
		for name, values := range query {
			form[name] = append(form[name], values...)
		}
	}
	if is.mutated("query-overrides") {
		maps.Copy(form, query)
	}
	is.remember(form, query)
	if query.Has("client_secret") && !is.mutated("query-secret") {
		refuse("invalid_request")
	} else if query.Has("client_secret") {
		form["client_id"], form["client_secret"] = query["client_id"], query["client_secret"]
	}
	return is.checkForm(form)
}

// checkForm keeps RFC 6749 §3.2: no duplicates, and empty is absent.
func (is *issuer) checkForm(form url.Values) url.Values {
	for name, values := range form {
		if len(values) > 1 && !is.repeatable(name) {
			refuse("invalid_request")
		}
		if values[0] == "" && !is.mutated("empty-kept") {
			delete(form, name)
		}
		if name == "foo" && is.mutated("unknown-refused") {
			refuse("invalid_request")
		}
	}
	return form
}

func (is *issuer) remember(forms ...url.Values) {
	for _, form := range forms {
		for _, name := range []string{"password", "client_secret", "refresh_token", "token"} {
			is.see(form[name]...)
		}
	}
}

// see remembers secrets, each once.
func (is *issuer) see(secrets ...string) {
	for _, secret := range secrets {
		if !slices.Contains(is.seen, secret) {
			is.seen = append(is.seen, secret)
		}
	}
}

// authenticate returns the client's id.
func (is *issuer) authenticate(r *http.Request, form url.Values) string {
	if id, ok := is.byKey(form); ok {
		return is.remembered(r, id)
	}
	id, secret, method := form.Get("client_id"), form.Get("client_secret"), conformance.AuthPost
	if secret == "" {
		method = conformance.AuthNone
	}
	if r.Header.Get("Authorization") != "" && (secret == "" || !is.mutated("body-wins")) {
		basicID, basicSecret, rawSecret := is.basic(r, form)
		switch {
		case basicSecret == "" && is.mutated("empty-secret-400"):
			refuse("invalid_request")
		case secret != "" && !is.mutated("two-methods"), id != "" && id != basicID && !is.mutated("other-id"),
			id != "" && id == basicID && is.mutated("same-id-refused"):
			refuse("invalid_request")
		case is.mutated("basic-compared-encoded") && rawSecret != url.QueryEscape(basicSecret), is.mutated("no-basic"):
			panic(refusal{401, "invalid_client", "client"})
		}
		id, secret, method = basicID, basicSecret, conformance.AuthBasic
	}
	if id == "" && is.mutated("default-client") {
		id = "spa"
	}
	if u := is.users[id]; u != nil && u.password == secret && is.mutated("user-as-client") {
		return "app"
	}
	c, known := is.clients[id]
	switch {
	case !known && is.mutated("unknown-client-told"):
		panic(refusal{400, "invalid_client", "no such client"})
	case method == conformance.AuthNone && c.secret != "" && (is.mutated("secret-optional") || is.mutated("sticky-auth") && is.byConn[r.RemoteAddr] == id):
	case c.secret != secret && is.mutated("any-secret"), method == conformance.AuthBasic && secret == "" && is.mutated("empty-secret"):
	case is.lax(r, c, method):
	case !known, c.method != method && !is.mutated("query-secret"), c.secret != secret,
		method == conformance.AuthPost && is.mutated("no-post"), method == conformance.AuthNone && is.mutated("no-public"):
		status := 400
		if method == conformance.AuthBasic && !is.mutated("basic-400") || is.mutated("post-401") {
			status = 401
		}
		panic(refusal{status, "invalid_client", "client"})
	}
	return is.remembered(r, id)
}

// grant returns the session and the scope of the new access token.
func (is *issuer) grant(w http.ResponseWriter, clientID string, form url.Values) (*session, []string) {
	grant := form.Get("grant_type")
	if is.mutated("grant-any-case") {
		grant = strings.ToLower(grant)
	}
	switch {
	case clientID == is.turned.ungranted && grant == "refresh_token" && !is.mutated("grant-kept"),
		clientID == "job" && grant == "password" && !is.mutated("any-grant"),
		clientID == "kiosk" && grant == "refresh_token" && !is.mutated("any-grant"):
		refuse("unauthorized_client")
	case grant == "" && !is.mutated("no-grant-unsupported"):
		refuse("invalid_request")
	case grant == "password" && !is.mutated("password-off"):
		return is.password(w, clientID, form)
	case grant == "refresh_token" && !is.mutated("refresh-off"):
		return is.refresh(clientID, form)
	case is.mutated("unknown-grant-invalid"):
		refuse("invalid_request")
	}
	refuse("unsupported_grant_type")
	return nil, nil
}

func (is *issuer) throttled(w http.ResponseWriter) {
	switch {
	case is.mutated("retry-never"):
		w.Header().Set("Retry-After", "86400")
	case is.mutated("retry-date"):
		w.Header().Set("Retry-After", time.Now().Add(2*time.Second).UTC().Format(http.TimeFormat))
	case !is.mutated("no-retry-after"):
		w.Header().Set("Retry-After", "1")
	}
	panic(refusal{429, "slow_down", "later"})
}

// allowed reports whether scope is a non-empty part of of.
func allowed(scope, of []string) bool {
	return len(scope) > 0 && !slices.ContainsFunc(scope, func(s string) bool { return !slices.Contains(of, s) })
}

func (is *issuer) writeError(w http.ResponseWriter, r *http.Request, e refusal) {
	if !is.mutated("errors-storable") {
		w.Header().Set("Cache-Control", "no-store")
	}
	if e.status == 401 && !is.mutated("no-challenge") || is.mutated("challenge-always") {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		if is.mutated("no-realm") {
			w.Header().Set("WWW-Authenticate", `Basic charset="UTF-8"`)
		}
	}
	if is.mutated("errors-200") {
		e.status = 200
	}
	if is.mutated("own-codes") {
		e.code = "ERR_42"
	}
	if is.mutated("errors-with-token") {
		writeJSON(w, e.status, map[string]string{"error": e.code, "access_token": "not-a-token"})
		return
	}
	if is.mutated("echo") { // everything the server knows of late, in every place
		r.ParseForm()
		e.why = r.Form.Encode() + r.Header.Get("Authorization") + strings.Join(is.seen[max(0, len(is.seen)-60):], " ") + "\x1b[2J"
		w.Header().Set("WWW-Authenticate", "Basic "+url.QueryEscape(e.why))
		w.Header().Set("Location", strings.Map(printable, e.why))
	}
	if is.mutated("stack-trace") && e.code == "invalid_request" {
		e.why = "\n    at Router.handle (/app/node_modules/express/router.js:12)"
		http.Error(w, e.why, e.status)
		return
	}
	if is.mutated("error-ids") {
		e.why += fmt.Sprintf(" (request %d, %x)", is.requests, time.Now().UnixNano())
	}
	is.shout(w)
	if is.spoilError(w, &e) {
		return
	}
	writeJSON(w, e.status, map[string]string{"error": e.code, "error_description": e.why})
}

// shout writes header values as legally as unusually.
func (is *issuer) shout(w http.ResponseWriter) {
	if is.mutated("shout") {
		w.Header().Set("Cache-Control", "private, No-Store")
		w.Header().Set("Content-Type", "Application/JSON;charset=UTF-8")
	}
}

func printable(c rune) rune {
	if c < ' ' {
		return -1
	}
	return c
}
