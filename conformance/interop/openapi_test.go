package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
)

type object = map[string]any

// An inspector is an operator's program that knows the API from its
// description alone, and holds all that it sends and gets against it.
type inspector struct {
	*testing.T
	demo
	token     string
	validator validator.Validator
	doc       object
	visited   map[string]map[string]bool // statuses by operation
}

// inspect fetches the description, as any program can.
func inspect(t *testing.T, d demo) *inspector {
	t.Helper()
	in := &inspector{T: t, demo: d, visited: map[string]map[string]bool{}}
	in.token = in.newToken("all", "users clients sessions keys audit")
	resp, text := get(t, d.Operators+"/openapi.json", "")
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || got != "application/vnd.oai.openapi+json;version=3.1" {
		t.Fatalf("the description is answered %s as %s", resp.Status, got)
	}
	doc, err := libopenapi.NewDocument([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc, config.WithFormatAssertions(), config.WithRejectUndeclaredRequestBody())
	if errs != nil {
		t.Fatal(errs)
	}
	if valid, errs := v.ValidateDocument(); !valid || doc.GetVersion() != "3.1.0" {
		t.Fatalf("the description, of OpenAPI %s, is not valid: %v", doc.GetVersion(), errs)
	}
	in.validator = v
	if err := json.Unmarshal([]byte(text), &in.doc); err != nil {
		t.Fatal(err)
	}
	return in
}

func (in *inspector) newToken(name, scope string) string {
	in.Helper()
	var made struct{ Token string }
	if out := in.operate(in.T, "operator", "token", "add", name, "--scope", scope, "--json"); json.Unmarshal(out, &made) != nil {
		in.Fatalf("%d bytes are not a token", len(out))
	}
	return made.Token
}

// at is a member of the description, found by way of what it refers to.
func (in *inspector) at(value any, path ...string) any {
	for _, name := range append([]string{""}, path...) {
		if name != "" {
			value = value.(object)[name]
		}
		if o, _ := value.(object); o["$ref"] != nil {
			value = in.at(in.doc, strings.Split(strings.TrimPrefix(o["$ref"].(string), "#/"), "/")...)
		}
		if value == nil {
			return nil
		}
	}
	return value
}

// An operation is one thing that the description says can be done.
type operation struct {
	id, method, path string
	described        object
	parameters       []any // of the path and the operation
}

func (in *inspector) operations() (all []operation) {
	paths := in.at(in.doc, "paths").(object)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := paths[path].(object)
		for _, method := range slices.Sorted(maps.Keys(item)) {
			if method == "parameters" {
				continue
			}
			o := operation{method: strings.ToUpper(method), path: path, described: item[method].(object)}
			o.id = o.described["operationId"].(string)
			for _, from := range []object{item, o.described} {
				list, _ := from["parameters"].([]any)
				o.parameters = append(o.parameters, list...)
			}
			all = append(all, o)
		}
	}
	return all
}

// operation finds what a request is.
func (in *inspector) operation(method, path string) operation {
	in.Helper()
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	for _, o := range in.operations() { // of two that fit, the one without variables is first: { is behind the letters
		pattern := strings.Split(o.path, "/")
		if o.method == method && len(pattern) == len(parts) && !slices.ContainsFunc(pattern, func(p string) bool {
			return !strings.HasPrefix(p, "{") && !slices.Contains(parts, p)
		}) {
			return o
		}
	}
	in.Fatalf("%s %s is not described", method, path)
	return operation{}
}

// An answer is what came back, and was as it is described.
type answer struct {
	status int
	header http.Header
	body   object
	raw    string
}

func (a answer) str(member string) string { s, _ := a.body[member].(string); return s }

// each lists one member of each record of a list.
func (a answer) each(list, member string) (values []string) {
	records, _ := a.body[list].([]any)
	for _, r := range records {
		values = append(values, fmt.Sprint(r.(object)[member]))
	}
	return values
}

// A request is made twice: to be looked at, and to be sent.
type request func() *http.Request

func (in *inspector) request(method, path string, body any, edits ...func(*http.Request)) request {
	in.Helper()
	text, given := body.(string)
	if body != nil && !given {
		raw, err := json.Marshal(body)
		if err != nil {
			in.Fatal(err)
		}
		text = string(raw)
	}
	return func() *http.Request {
		r, err := http.NewRequestWithContext(in.Context(), method, in.Operators+path, strings.NewReader(text))
		if err != nil {
			in.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+in.token)
		if body == nil {
			r.Body, r.ContentLength = http.NoBody, 0
		} else {
			r.Header.Set("Content-Type", "application/json")
		}
		for _, edit := range edits {
			edit(r)
		}
		return r
	}
}

// want sends what is meant to be a valid request: the description must allow
// it, and the answer.
func (in *inspector) want(status int, method, path string, body any) answer {
	in.Helper()
	build := in.request(method, path, body)
	if valid, errs := in.validator.ValidateHttpRequestSync(build()); !valid {
		in.Errorf("%s %s is not what the description allows: %v", method, path, errs)
	}
	return in.send(status, build)
}

// bad sends what the description forbids and the server must refuse.
func (in *inspector) bad(status int, method, path string, body any) answer {
	in.Helper()
	build := in.request(method, path, body)
	if valid, _ := in.validator.ValidateHttpRequestSync(build()); valid {
		in.Errorf("%s %s with %.200v is refused, and the description allows it", method, path, body)
	}
	return in.send(status, build)
}

// send holds an answer against the description: status, body and headers.
func (in *inspector) send(status int, build request) answer {
	in.Helper()
	resp, err := http.DefaultTransport.RoundTrip(build())
	if err != nil {
		in.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		in.Fatal(err)
	}
	r := build()
	name := r.Method + " " + r.URL.RequestURI()
	if resp.StatusCode != status {
		in.Fatalf("%s is answered %s %s, want %d", name, resp.Status, raw, status)
	}
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	if valid, errs := in.validator.ValidateHttpResponse(r, resp); !valid {
		in.Errorf("%s is answered %s %s, which is not described: %v", name, resp.Status, raw, errs)
	}
	o := in.operation(r.Method, r.URL.EscapedPath())
	described, ok := in.at(o.described, "responses", fmt.Sprint(status)).(object)
	if !ok {
		in.Fatalf("%s is answered %s, which is not described", name, resp.Status)
	}
	headers, _ := described["headers"].(object)
	for header := range headers {
		if resp.Header.Get(header) == "" {
			in.Errorf("%s is answered %s without %s", name, resp.Status, header)
		}
	}
	if described["content"] == nil && len(raw) > 0 {
		in.Errorf("%s is answered %s with %q and no body is described", name, resp.Status, raw)
	}
	if in.visited[o.id] == nil {
		in.visited[o.id] = map[string]bool{}
	}
	in.visited[o.id][fmt.Sprint(status)] = true
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &a.body); err != nil {
			in.Error(err)
		}
	}
	return a
}

// TestOpenAPI lives the lives of users, clients, sessions and keys on a running
// server, refusals included, and sends and gets nothing that the description
// has not; nothing that it has is left out.
func TestOpenAPI(t *testing.T) {
	in := inspect(t, serve(t))
	rare := map[string]string{ // what it takes; tests of package server do it
		"408": "a line that stalls", "500": "a defect", "503": "a store that is away", "editClient 409": "ten programs that are faster, one after the other",
	}
	for _, life := range []struct {
		name string
		run  func(*inspector)
	}{
		{"users", (*inspector).users}, {"import", (*inspector).imports}, {"pages", (*inspector).pages}, {"sessions", (*inspector).sessions},
		{"clients", (*inspector).clients}, {"keys", (*inspector).keys}, {"audit", (*inspector).audit}, {"bad input", (*inspector).badInput}, {"every operation", (*inspector).everyOperation},
	} {
		t.Run(life.name, func(t *testing.T) {
			one := *in
			one.T = t
			life.run(&one)
		})
	}
	for _, o := range in.operations() {
		for status := range o.described["responses"].(object) {
			if !in.visited[o.id][status] && rare[status] == "" && rare[o.id+" "+status] == "" {
				t.Errorf("%s (%s %s) is described to answer %s, and never did", o.id, o.method, o.path, status)
			}
		}
	}
}

// everyOperation goes by the description alone: whatever it is that can be
// done, the ways in which it must be refused are the same.
func (in *inspector) everyOperation() {
	areas := map[string]string{}
	for _, scope := range []string{"users", "clients", "sessions", "keys", "read"} {
		areas[scope] = in.newToken("only-"+scope, scope)
	}
	authorize := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	for _, o := range in.operations() {
		path, unknown := in.fill(o)
		var body any
		if o.described["requestBody"] != nil {
			body = in.least(in.at(o.described, "requestBody", "content", "application/json", "schema").(object))
		}
		in.send(401, in.request(o.method, path, body, func(r *http.Request) { r.Header.Del("Authorization") }))
		in.send(401, in.request(o.method, path, body, authorize("Bearer hmo_"+strings.Repeat("A", 43))))
		allowed := map[string]bool{}
		for _, way := range o.described["security"].([]any) {
			for _, scope := range way.(object)["operatorToken"].([]any) {
				allowed[scope.(string)] = true
			}
		}
		for scope, token := range areas {
			if !allowed[scope] {
				in.send(403, in.request(o.method, path, body, authorize("Bearer "+token)))
			} else if unknown { // nothing can come of it
				in.send(404, in.request(o.method, path, body, authorize("Bearer "+token)))
			}
		}
		in.send(400, in.request(o.method, path+"?unheard_of=1", body))
		if body == nil {
			in.bad(400, o.method, path, object{})
			continue
		}
		in.bad(400, o.method, path, object{"unheard_of": 1})
		in.send(400, in.request(o.method, path, `{"unheard`))
		in.send(413, in.request(o.method, path, strings.Repeat(" ", 64<<10+1)))
		in.send(415, in.request(o.method, path, body, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }))
	}
	paths := in.at(in.doc, "paths").(object)
	for _, o := range in.operations() { // what is not described is not there
		path, _ := in.fill(o)
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if paths[o.path].(object)[strings.ToLower(method)] != nil {
				continue
			}
			resp, err := http.DefaultTransport.RoundTrip(in.request(method, path, nil)())
			if err != nil {
				in.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 405 || strings.Contains(resp.Header.Get("Allow"), method) || !strings.Contains(resp.Header.Get("Allow"), o.method) {
				in.Errorf("%s %s is answered %s, allowing %s", method, path, resp.Status, resp.Header.Get("Allow"))
			}
		}
	}
}

// fill gives the path values that are as described, and nobody's; unknown is
// whether it needs any that must be somebody's.
func (in *inspector) fill(o operation) (path string, unknown bool) {
	path = o.path
	for _, p := range o.parameters {
		p := in.at(p).(object)
		if p["in"] != "path" {
			continue
		}
		value := "nobody"
		switch schema := p["schema"].(object); {
		case schema["format"] == "uuid":
			value = "00000000-0000-4000-8000-000000000000"
		case schema["pattern"] == "^[A-Za-z0-9_-]{22}$":
			value = strings.Repeat("A", 22)
		}
		path = strings.Replace(path, "{"+p["name"].(string)+"}", value, 1)
	}
	return path, path != o.path && in.at(o.described, "responses", "404") != nil
}

// least is a body of what a schema requires, and no more.
func (in *inspector) least(schema object) object {
	body := object{}
	required, _ := schema["required"].([]any)
	for _, name := range required {
		body[name.(string)] = map[any]any{"string": "some", "array": []string{"some"}}[in.at(schema, "properties", name.(string), "type")]
	}
	return body
}
