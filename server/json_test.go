package server

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
)

var twoMembers = []string{"current", "new"}

func TestReadJSON(t *testing.T) {
	const good = `{"current":"a","new":"b"}`
	tests := []struct {
		name, body string
		types      []string
		want       *Error // nil: accepted
		cause      string
	}{
		{"plain", good, nil, nil, ""},
		{"white space, another order", " {\n\"new\" : \"b\",\t\"current\":\"a\"}\r\n", nil, nil, ""},
		{"escapes", `{"curre\u006et":"\u0061","new":"b"}`, nil, nil, ""},
		{"with a charset", good, []string{`Application/JSON; charset="UTF-8"`}, nil, ""},
		{"exactly 64 KiB", good + strings.Repeat(" ", maxBody-len(good)), nil, nil, ""},

		{"no type", good, []string{}, &errNotJSON, "no Content-Type"},
		{"two types", good, []string{"application/json", "application/json"}, &errNotJSON, "several"},
		{"a form", "current=a&new=b", []string{formType}, &errNotJSON, "another"},
		{"plain text, which pages may send", good, []string{"text/plain"}, &errNotJSON, "another"},
		{"latin-1", good, []string{"application/json; charset=iso-8859-1"}, &errNotJSON, "another"},
		{"a byte more than 64 KiB", good + strings.Repeat(" ", maxBody-len(good)+1), nil, &errTooLarge, ""},
		{"nothing", "", nil, &errJSON, "not one JSON"},
		{"an array", `["a","b"]`, nil, &errJSON, "not one JSON"},
		{"a string", `"a"`, nil, &errJSON, "not one JSON"},
		{"cut off", good[:len(good)-1], nil, &errJSON, "not one JSON"},
		{"two objects", good + good, nil, &errJSON, "not one JSON"},
		{"something behind", good + "x", nil, &errJSON, "not one JSON"},
		{"a member twice", `{"current":"a","new":"b","new":"c"}`, nil, &errJSON, "not one JSON"},
		{"a member twice, once in disguise", `{"current":"a","new":"b","n\u0065w":"c"}`, nil, &errJSON, "not one JSON"},
		{"not UTF-8", "{\"current\":\"a\",\"new\":\"\xff\"}", nil, &errJSON, "not one JSON"},
		{"half a surrogate pair", `{"current":"a","new":"\ud800"}`, nil, &errJSON, "not one JSON"},
		{"a byte order mark", "\ufeff" + good, nil, &errJSON, "not one JSON"},
		{"a comment", `{"current":"a","new":"b"/**/}`, nil, &errJSON, "not one JSON"},
		{"nested deeply", `{"current":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, nil, &errJSON, "not one JSON"},
		{"new is missing", `{"current":"a"}`, nil, &errJSON, "new is missing"},
		{"current is missing", `{"new":"a"}`, nil, &errJSON, "current is missing"},
		{"in another case", `{"Current":"a","new":"b"}`, nil, &errJSON, "current is missing"},
		{"empty", `{"current":"a","new":""}`, nil, &errJSON, "new is missing"},
		{"null", `{"current":null,"new":"b"}`, nil, &errJSON, "current is missing"},
		{"a number", `{"current":"a","new":12345678}`, nil, &errJSON, "new is missing"},
		{"a list", `{"current":["a"],"new":"b"}`, nil, &errJSON, "current is missing"},
		{"one more", `{"current":"a","new":"b","username":"c"}`, nil, &errJSON, "1 members more"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/account/password", strings.NewReader(tt.body))
			if tt.types == nil {
				tt.types = []string{"application/json"}
			}
			r.Header["Content-Type"] = tt.types
			got, err := readJSON(httptest.NewRecorder(), r, twoMembers...)
			var refusal *Error
			switch errors.As(err, &refusal); {
			case tt.want == nil:
				if err != nil || len(got) != 2 || got["current"].Reveal() != "a" || got["new"].Reveal() != "b" {
					t.Errorf("read %d members, %v", len(got), err)
				}
			case refusal == nil || refusal.ID != tt.want.ID || !strings.Contains(refusal.Error(), tt.cause):
				t.Errorf("got %v; want %s because of %q", err, tt.want.ID, tt.cause)
			}
		})
	}
}

// FuzzJSON: what is read is what another reader reads, and a refusal repeats
// nothing of what was sent.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"current":"a","new":"b"}`))
	f.Add([]byte(`{"current":"a","new":"b","new":"c"}`))
	f.Add([]byte(`{"current":"\ud83d\ude00","new":"\u0000"} `))
	f.Add([]byte("{\"current\":1,\"new\":\"\xff\"}x"))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseJSON(body, twoMembers)
		if err != nil {
			var refusal *Error
			if !errors.As(err, &refusal) || refusal.ID != errJSON.ID {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		var other map[string]string
		if err := json.Unmarshal(body, &other); err != nil || len(other) != 2 {
			t.Fatalf("%q was read, but %v", body, err)
		}
		for _, name := range twoMembers {
			if v := got[name].Reveal(); v == "" || v != other[name] {
				t.Errorf("%q: %s is read as %q and as %q", body, name, v, other[name])
			}
		}
	})
}
