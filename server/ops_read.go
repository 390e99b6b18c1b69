package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
)

// read reads the body, one JSON object with members of into's alone.
func (c opsCall) read(into any) error {
	if err := isOfType(c.r, "application/json"); err != nil {
		return errNotJSON.because(err)
	}
	body, err := readBody(c.w, c.r)
	if err != nil {
		return err
	}
	return parseOps(body, into)
}

// parseOps is stricter than encoding/json, which takes the last of two members
// and any case of a name. What it says of a body is our own names and, of what
// is unknown, the name: a value may be a password.
func parseOps(body []byte, into any) error {
	object, err := discovery.DecodeObject(body)
	if err != nil {
		return errJSON.because(errors.New("not one JSON object in UTF-8 without repeated members"))
	}
	known := members(reflect.TypeOf(into).Elem())
	var problems []operator.Problem
	for name := range object {
		if !slices.Contains(known, name) {
			problems = append(problems, operator.Problem{Field: name, Advice: "is no member here; those are " + strings.Join(known, ", ")})
		}
	}
	if len(problems) > 0 {
		slices.SortFunc(problems, func(a, b operator.Problem) int { return strings.Compare(a.Field, b.Field) })
		return wrong(problems...)
	}
	var mistyped *json.UnmarshalTypeError
	switch err := json.Unmarshal(body, into); {
	case errors.As(err, &mistyped):
		return wrong(operator.Problem{Field: mistyped.Field, Advice: fmt.Sprintf("is a %s where a %s belongs", mistyped.Value, jsonType(mistyped.Type))})
	case err != nil:
		return errJSON.because(errors.New("JSON that cannot be read"))
	}
	return nil
}

// members are the names that a struct's JSON has.
func members(t reflect.Type) (names []string) {
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.Slice:
		return "list"
	case reflect.Map, reflect.Struct:
		return "object"
	case reflect.Float64, reflect.Int, reflect.Int64:
		return "number"
	}
	return "string"
}

// none expects that there is no body.
func (c opsCall) none() error {
	if n, err := io.CopyN(io.Discard, c.r.Body, 1); n > 0 || !errors.Is(err, io.EOF) {
		return wrong(operator.Problem{Field: "body", Advice: "send none here"})
	}
	return nil
}

// query reads the parameters of the URL, each of them known and once.
func (c opsCall) query(known ...string) (map[string]string, error) {
	values := map[string]string{}
	var problems []operator.Problem
	for name, vs := range c.r.URL.Query() {
		switch {
		case !slices.Contains(known, name):
			problems = append(problems, operator.Problem{Field: name, Advice: fmt.Sprintf("is no parameter here; those are %q", known)})
		case len(vs) > 1:
			problems = append(problems, operator.Problem{Field: name, Advice: "send it once"})
		default:
			values[name] = vs[0]
		}
	}
	if len(problems) > 0 {
		return nil, wrong(problems...)
	}
	return values, nil
}

const defaultPage = 100

// page reads where a list goes on and how long a page is.
func (c opsCall) page(known ...string) (query map[string]string, after string, limit int, err error) {
	query, err = c.query(append(known, "after", "limit")...)
	if err != nil {
		return nil, "", 0, err
	}
	limit = defaultPage
	if text, given := query["limit"]; given {
		if limit, err = strconv.Atoi(text); err != nil {
			return nil, "", 0, wrong(operator.Problem{Field: "limit", Advice: "must be a number from 1 to 1000"})
		}
	}
	return query, query["after"], limit, nil
}

func (c opsCall) subject() (uuid.UUID, error) {
	id, err := uuid.Parse(c.path["sub"])
	if err != nil || id.String() != c.path["sub"] { // one spelling
		return id, fmt.Errorf("user: %w: sub is a UUID in lower case", storage.ErrNotFound)
	}
	return id, nil
}

func (c opsCall) sid() (storage.SessionID, error) {
	id, err := storage.ParseSessionID(c.path["sid"])
	if err != nil {
		return id, fmt.Errorf("session: %w: %w", storage.ErrNotFound, err)
	}
	return id, nil
}

// wrong refuses a request for all that is wrong with it.
func wrong(problems ...operator.Problem) error {
	refusal := errOpsInvalid
	refusal.Problems = problems
	return refusal.because(operator.Invalid(problems))
}

// memberNames are the API's for what the acts call otherwise.
func memberNames(area string) map[string]string {
	if area == areaUsers {
		return map[string]string{"name": "username"}
	}
	return map[string]string{
		"id": "client_id", "name": "client_name", "auth_method": "token_endpoint_auth_method",
		"grants": "grant_types", "scopes": "scope", "default_scopes": "default_scope",
	}
}

func renamed(problems operator.Invalid, area string) operator.Invalid {
	names, out := memberNames(area), slices.Clone(problems)
	for i, p := range out {
		if name, other := names[p.Field]; other {
			out[i].Field = name
		}
	}
	return out
}

// opsRefusal gives what an act of an area reports a public half.
func opsRefusal(err error, area string) error {
	var invalid operator.Invalid
	var conflict operator.Conflict
	var refusal *Error
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.As(err, &invalid):
		return wrong(renamed(invalid, area)...)
	case errors.As(err, &conflict):
		refusal := errOpsConflict
		refusal.Problems = renamed(operator.Invalid{operator.Problem(conflict)}, area)
		return refusal.because(err)
	case errors.Is(err, storage.ErrConflict):
		return errOpsConflict.because(err)
	case errors.Is(err, storage.ErrNotFound):
		return errOpsUnknown.because(err)
	case errors.Is(err, password.ErrBusy):
		return errBusy.retryAfter(retryBusy).because(err)
	case errors.Is(err, keys.ErrBehind), errors.Is(err, keys.ErrMark), errors.Is(err, keys.ErrCorrupt), errors.Is(err, keys.ErrWrongKey):
		return errOpsKeys.because(err)
	}
	return err
}
