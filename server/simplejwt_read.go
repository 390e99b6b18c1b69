package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/storage"
)

// fieldErrors are what is wrong with a request, by the name of the field, in
// the words of Django REST framework, which front ends show.
type fieldErrors map[string][]string

// simpleJWTRequest reads a request as Django REST framework does, and finds the
// client that it is answered for.
func (s *Server) simpleJWTRequest(w http.ResponseWriter, r *http.Request, names ...string) (storage.Client, map[string]string, error) {
	s.allowOrigin(w, r)
	values, err := readSimpleJWT(w, r)
	if err != nil {
		return storage.Client{}, nil, err
	}
	fields, err := checkFields(values, names)
	if err != nil {
		return storage.Client{}, nil, err
	}
	client, err := s.simpleJWTClient(r.Context())
	if err != nil {
		return client, nil, err
	}
	return client, fields, s.checkOrigin(w, r, client)
}

// readSimpleJWT reads the members of a JSON object, or a form. An empty body is
// that of no members, whatever its type.
func readSimpleJWT(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	if err := checkQuery(r.URL.RawQuery); err != nil {
		return nil, err
	}
	body, err := readBody(w, r)
	if err != nil || len(body) == 0 {
		return nil, err
	}
	switch {
	case isOfType(r, "application/json") == nil:
		return readMembers(body)
	case isOfType(r, "application/x-www-form-urlencoded") == nil:
		f, err := parseForm(string(body))
		values := map[string]any{}
		for name := range f.values {
			values[name] = f.get(name)
		}
		return values, err
	}
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return nil, errUnsupportedMedia.because(fmt.Errorf("%.64q, or another charset", mediaType))
}

// readMembers says nothing of what it read: a password may stand anywhere.
func readMembers(body []byte) (map[string]any, error) {
	object, err := discovery.DecodeObject(body)
	if err == nil {
		return object, nil
	}
	kinds := map[byte]string{'[': "list", '"': "str", 't': "bool", 'f': "bool"}
	first := bytes.TrimLeft(body, " \t\r\n")
	switch {
	case !json.Valid(body) || first[0] == '{':
		return nil, errParse.because(errors.New("not one JSON object in UTF-8 without repeated members"))
	case first[0] == 'n':
		return nil, errFields.with(fieldErrors{"non_field_errors": {"No data provided"}})
	}
	kind, known := kinds[first[0]]
	if !known {
		kind = "number"
	}
	return nil, errFields.with(fieldErrors{"non_field_errors": {"Invalid data. Expected a dictionary, but got " + kind + "."}})
}

// checkFields takes strings, and numbers as they are written. Space around
// them is not part of them, as in Django REST framework, passwords included.
func checkFields(values map[string]any, names []string) (map[string]string, error) {
	fields, wrong := map[string]string{}, fieldErrors{}
	for _, name := range names {
		value, there := values[name]
		text, problem := fieldText(value)
		switch {
		case !there:
			wrong[name] = []string{"This field is required."}
		case problem != "":
			wrong[name] = []string{problem}
		}
		fields[name] = text
	}
	if len(wrong) > 0 {
		return nil, errFields.with(wrong)
	}
	return fields, nil
}

func fieldText(value any) (text, problem string) {
	switch v := value.(type) {
	case nil:
		return "", "This field may not be null."
	case json.Number:
		return v.String(), ""
	case string:
		text = strings.TrimFunc(v, isPythonSpace)
		switch {
		case text == "":
			return "", "This field may not be blank."
		case strings.ContainsRune(text, 0):
			return "", "Null characters are not allowed."
		}
		return text, ""
	}
	return "", "Not a valid string."
}

// isPythonSpace is what str.strip takes off.
func isPythonSpace(c rune) bool { return unicode.IsSpace(c) || c >= 0x1c && c <= 0x1f }

// with returns the refusal of a request whose fields are wrong.
func (e Error) with(wrong fieldErrors) *Error {
	e.Fields = wrong
	names := make([]string, 0, len(wrong))
	for name, problems := range wrong {
		names = append(names, name+": "+strings.Join(problems, " "))
	}
	return e.because(errors.New(strings.Join(names, "; ")))
}

// renderSimpleJWT writes a refusal as Django REST framework does: what is wrong
// by field, or {"detail": …} and, for tokens, Simple JWT's code.
func (e *Error) renderSimpleJWT(w http.ResponseWriter) {
	if e.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="api"`)
	}
	detail := e.Description
	if e.RetryAfter > 0 {
		seconds := int((e.RetryAfter + time.Second - 1) / time.Second)
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		if e.Status == http.StatusTooManyRequests {
			plural := "s"
			if seconds == 1 {
				plural = ""
			}
			detail = fmt.Sprintf("Request was throttled. Expected available in %d second%s.", seconds, plural)
		}
	}
	if e.Fields != nil {
		writeJSON(w, e.Status, e.Fields)
		return
	}
	answer := struct {
		Detail string `json:"detail"`
		Code   string `json:"code,omitempty"`
	}{Detail: detail}
	if e.Code == tokenNotValid {
		answer.Code = e.Code
	}
	writeJSON(w, e.Status, answer)
}
