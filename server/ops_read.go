package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/server/operator"
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
	var problems []operator.Problem
	known := members(reflect.TypeOf(into).Elem())
	for _, name := range slices.Sorted(maps.Keys(object)) {
		value := object[name]
		switch {
		case !slices.Contains(known, name):
			problems = append(problems, unknown(name, "member", known))
		case value == nil:
			problems = append(problems, operator.Problem{Field: name, Advice: "is null: leave it out to leave it as it is, or give what is empty of its kind"})
		}
	}
	if len(problems) > 0 {
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

// unknown refuses a name, of which it repeats the beginning.
func unknown(name, what string, known []string) operator.Problem {
	advice := fmt.Sprintf("is no %s here; those are %s", what, strings.Join(known, ", "))
	if len(known) == 0 {
		advice = fmt.Sprintf("is no %s here; there are none", what)
	}
	return operator.Problem{Field: strings.ToValidUTF8(name[:min(len(name), 64)], ""), Advice: advice}
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
