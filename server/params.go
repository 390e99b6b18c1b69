package server

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hallmark-auth/hallmark/storage"
)

const (
	maxBody   = 64 << 10
	maxParams = 64
)

// oauthParams may not stand in a URL: they carry or decide about credentials.
var oauthParams = []string{
	"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type",
	"username", "password", "refresh_token", "scope", "resource", "token", "access_token",
}

// A form is a request's parameters, each at most once but resource.
type form struct{ values url.Values }

// readForm reads a body as strictly as RFC 6749 §3.2 and App. B allow.
func readForm(w http.ResponseWriter, r *http.Request) (form, error) {
	if err := checkQuery(r.URL.RawQuery); err != nil {
		return form{}, err
	}
	if err := isOfType(r, "application/x-www-form-urlencoded"); err != nil {
		return form{}, errContentType.because(err)
	}
	body, err := readBody(w, r)
	if err != nil {
		return form{}, err
	}
	return parseForm(string(body))
}

// readBody reads a whole body of at most maxBody.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, errTooLarge.because(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, errSlow.because(err)
	case err != nil:
		return nil, errCutOff.because(err)
	}
	return body, nil
}

func parseForm(body string) (form, error) {
	if strings.Count(body, "&") >= maxParams {
		return form{}, errMalformed.because(errors.New("too many parameters"))
	}
	values, err := url.ParseQuery(body)
	if err != nil {
		return form{}, errMalformed.because(errors.New("not form-encoded")) // the cause would quote the body
	}
	for name, vs := range values {
		if name == "" || len(vs) > 1 && name != "resource" { // RFC 8707 §2: resource is the one that repeats
			return form{}, errRepeated.because(repeated(name, len(vs)))
		}
		if slices.ContainsFunc(append(vs, name), notText) {
			return form{}, errMalformed.because(errors.New("invalid UTF-8 or control characters"))
		}
	}
	return form{values}, nil
}

// repeated names a parameter if it is one of ours: others may be anything.
func repeated(name string, times int) error {
	if !slices.Contains(oauthParams, name) {
		name = "an unknown parameter"
	}
	return fmt.Errorf("%s is repeated or has no name: %d values", name, times)
}

// notText reports what RFC 6749 App. A has in no parameter: NUL and the other
// control characters but tab, and bytes that are not UTF-8.
func notText(v string) bool {
	control := func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f } // RFC 6749 App. A.15, App. A.16
	return !utf8.ValidString(v) || strings.ContainsFunc(v, control)
}

// get returns a parameter's value; an empty one is as one left out (RFC 6749 §3.2).
func (f form) get(name string) string { return f.values.Get(name) }

// all returns the values of a parameter that may be repeated, without the empty ones.
func (f form) all(name string) []string {
	return slices.DeleteFunc(slices.Clone(f.values[name]), func(v string) bool { return v == "" })
}

func (f form) secret(name string) storage.Secret { return storage.NewSecret(f.get(name)) }

// checkQuery ignores what it does not know, like any unknown parameter.
func checkQuery(raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return errQuery.because(errors.New("malformed query"))
	}
	for _, name := range oauthParams {
		if query.Has(name) { // RFC 6749 §2.3.1, §3.2
			return errQuery.because(errors.New(name + " in the query"))
		}
	}
	return nil
}

// isOfType reports why the body is not of a media type, in UTF-8.
func isOfType(r *http.Request, want string) error {
	headers := r.Header.Values("Content-Type")
	if len(headers) != 1 {
		return errors.New("no Content-Type, or several")
	}
	mediaType, params, err := mime.ParseMediaType(headers[0])
	charset := params["charset"]
	if err != nil || mediaType != want || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return errors.New("another Content-Type")
	}
	return nil
}

// parseScope splits a scope parameter (RFC 6749 §3.3, App. A.4) into a set;
// nil if there is none.
func parseScope(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	var scope []string
	for _, token := range strings.Split(s, " ") {
		if token == "" || strings.ContainsFunc(token, func(c rune) bool {
			return c <= ' ' || c == '"' || c == '\\' || c > '~'
		}) {
			return nil, errScope.because(errors.New("not a scope-token"))
		}
		if !slices.Contains(scope, token) {
			scope = append(scope, token)
		}
	}
	return scope, nil
}

// parseResources checks resource indicators (RFC 8707 §2); nil if there are
// none. A client whose audience is a plain name rather than a URI may name it.
func parseResources(values []string, audiences []string) ([]string, error) {
	var out []string
	for _, v := range values {
		u, err := url.Parse(v)
		absolute := err == nil && u.IsAbs() && u.Fragment == "" && !strings.Contains(v, "#")
		if !absolute && !slices.Contains(audiences, v) {
			return nil, errTarget.because(errors.New("resource is no absolute URI"))
		}
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out, nil
}
