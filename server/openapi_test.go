package server

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/server/operator"
)

type openAPIDoc struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]json.RawMessage
	// What is described beside the paths.
	Components struct {
		Parameters map[string]parameter
		Schemas    map[string]struct {
			Properties map[string]json.RawMessage
			Required   []string
		}
	}
}

type parameter struct {
	Ref      string `json:"$ref"`
	Name, In string
}

type operation struct {
	OperationID string
	Tags        []string
	Security    []map[string][]string
	Parameters  []parameter
	RequestBody json.RawMessage
	Responses   map[string]json.RawMessage
}

func description(t *testing.T) (doc openAPIDoc) {
	t.Helper()
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestOpenAPIRoutes: the description has each route, with the scopes that it
// wants and the parameters of its path, and no other.
func TestOpenAPIRoutes(t *testing.T) {
	doc := description(t)
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") {
		t.Errorf("OpenAPI %s", doc.OpenAPI)
	}
	described, ids := map[string]operation{}, map[string]bool{}
	for path, item := range doc.Paths {
		for method, raw := range item {
			if method == "parameters" {
				continue
			}
			var o operation
			if err := json.Unmarshal(raw, &o); err != nil {
				t.Fatal(err)
			}
			if o.OperationID == "" || ids[o.OperationID] {
				t.Errorf("%s %s has the operationId %q", method, path, o.OperationID)
			}
			ids[o.OperationID] = true
			var shared []parameter
			if raw := item["parameters"]; raw != nil {
				if err := json.Unmarshal(raw, &shared); err != nil {
					t.Fatal(err)
				}
			}
			o.Parameters = append(o.Parameters, shared...)
			for i, p := range o.Parameters {
				if name, elsewhere := strings.CutPrefix(p.Ref, "#/components/parameters/"); elsewhere {
					o.Parameters[i] = doc.Components.Parameters[name]
				}
			}
			described[strings.ToUpper(method)+" "+path] = o
		}
	}
	for _, route := range opsRoutes() {
		name := route.method + " " + route.path
		o, there := described[name]
		if !there {
			t.Errorf("%s is not described", name)
			continue
		}
		delete(described, name)
		want := []map[string][]string{{"operatorToken": {route.area}}}
		if route.method == "GET" {
			want = append(want, map[string][]string{"operatorToken": {scopeRead}})
		}
		if !reflect.DeepEqual(o.Security, want) {
			t.Errorf("%s is described with %v, wants %v", name, o.Security, want)
		}
		if reads := o.RequestBody != nil; reads != (route.method == "PUT" || route.method == "PATCH" || route.method == "POST") {
			t.Errorf("%s is described with a body: %v", name, reads)
		}
		var parameters []parameter
		for _, part := range strings.Split(route.path, "/") {
			if variable, ok := strings.CutPrefix(part, "{"); ok {
				parameters = append(parameters, parameter{Name: strings.TrimSuffix(variable, "}"), In: "path"})
			}
		}
		for _, variable := range strings.Fields(route.query) {
			parameters = append(parameters, parameter{Name: variable, In: "query"})
		}
		if !reflect.DeepEqual(o.Parameters, parameters) {
			t.Errorf("%s is described with the parameters %v, has %v", name, o.Parameters, parameters)
		}
		for _, status := range []string{"400", "401", "403", "500", "503"} {
			if o.Responses[status] == nil {
				t.Errorf("%s: the description lacks the answer %s", name, status)
			}
		}
	}
	for name := range described {
		t.Errorf("%s is described and not there", name)
	}
}

// TestOpenAPISchemas: what is described of a record is what the code reads
// and writes of it.
func TestOpenAPISchemas(t *testing.T) {
	doc := description(t)
	for name, v := range map[string]any{
		"User": operator.UserView{}, "NewUser": userBody{}, "UserEdit": userBody{}, "UserList": userList{},
		"Client": operator.ClientView{}, "NewClient": clientBody{}, "ClientEdit": clientBody{}, "ClientList": clientList{}, "NewSecret": secretBody{},
		"Session": operator.SessionView{}, "SessionList": sessionList{}, "Ended": endedSessions{}, "EndedPage": endedPage{},
		"Key": operator.KeyView{}, "KeyList": keyList{}, "Replica": operator.ReplicaView{}, "Rotate": rotateBody{}, "RotationList": rotationList{}, "Revocation": operator.RevocationView{},
		"Audit": operator.AuditView{}, "AuditList": auditList{},
		"Revoke": revokeBody{}, "Policy": operator.PolicyView{}, "PolicyEdit": policyBody{}, "PolicyChange": operator.PolicyChangeView{},
	} {
		schema := doc.Components.Schemas[name]
		delete(doc.Components.Schemas, name)
		typ := reflect.TypeOf(v)
		got, want := slices.Sorted(maps.Keys(schema.Properties)), members(typ)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s is described with %v, has %v", name, got, want)
		}
		if strings.HasSuffix(typ.Name(), "Body") {
			continue // what must be given is for the acts to say
		}
		var always []string
		for _, f := range reflect.VisibleFields(typ) {
			if member, rest, _ := strings.Cut(f.Tag.Get("json"), ","); member != "" && rest != "omitempty" {
				always = append(always, member)
			}
		}
		slices.Sort(always)
		if slices.Sort(schema.Required); !slices.Equal(schema.Required, always) {
			t.Errorf("%s always has %v, is described to have %v", name, always, schema.Required)
		}
	}
	for name := range doc.Components.Schemas {
		if name != "Error" { // TestOpsRefusals looks at those
			t.Errorf("%s is described and used nowhere", name)
		}
	}
}

// TestUserShapes: what is shown of a user, but for what the server gives, is
// what can be read back: an importer needs no other shape.
func TestUserShapes(t *testing.T) {
	given := []string{"sub", "has_password", "created_at"}
	secret := []string{"password", "password_hash"}
	var shown, read []string
	for _, name := range members(reflect.TypeOf(operator.UserView{})) {
		if !slices.Contains(given, name) {
			shown = append(shown, name)
		}
	}
	for _, name := range members(reflect.TypeOf(userBody{})) {
		if !slices.Contains(secret, name) {
			read = append(read, name)
		}
	}
	slices.Sort(shown)
	slices.Sort(read)
	if !slices.Equal(shown, read) {
		t.Errorf("%v is shown, %v is read", shown, read)
	}
}

// FuzzParseOps: whatever a body holds, it is read or refused, and the refusal
// repeats no value of it.
func FuzzParseOps(f *testing.F) {
	for _, body := range []string{
		`{}`, `{"username":"ada","password":"kept to itself"}`, `{"username":1}`, `{"roles":["a","b"],"extra":{"n":12345678901234567890}}`,
		`{"Username":"ada"}`, `{"username":"a","username":"b"}`, `[]`, `null`, `{"roles":"a"}`, `{"disabled":null}`, "{\"username\":\"\xff\"}",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var user userBody
		err := parseOps(body, &user)
		if err == nil {
			again, _ := json.Marshal(user)
			var second userBody
			if err := json.Unmarshal(again, &second); err != nil {
				t.Errorf("%q was read as %s: %v", body, again, err)
			}
			return
		}
		if user.Password != nil && len(*user.Password) > 12 && strings.Contains(opsRefusal(err, areaUsers).Error(), *user.Password) {
			t.Errorf("%q is repeated: %v", body, err)
		}
	})
}
