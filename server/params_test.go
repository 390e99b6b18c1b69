package server

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

const formType = "application/x-www-form-urlencoded"

func formRequest(query, body string, contentTypes ...string) *http.Request {
	r := httptest.NewRequest("POST", "/oauth2/token"+query, strings.NewReader(body))
	r.Header["Content-Type"] = contentTypes
	return r
}

func TestReadFormRefuses(t *testing.T) {
	tests := []struct {
		name  string
		r     *http.Request
		want  Error
		cause string
	}{
		{"JSON", formRequest("", `{"a":1}`, "application/json"), errContentType, "another"},
		{"multipart", formRequest("", "a=1", "multipart/form-data; boundary=x"), errContentType, "another"},
		{"no type", formRequest("", "a=1"), errContentType, "no Content-Type"},
		{"two types", formRequest("", "a=1", formType, formType), errContentType, "several"},
		{"latin-1", formRequest("", "a=1", formType+"; charset=iso-8859-1"), errContentType, "another"},
		{"repeated", formRequest("", "a=1&a=1", formType), errRepeated, ""},
		{"repeated, empty", formRequest("", "scope=&scope=", formType), errRepeated, ""},
		{"no name", formRequest("", "=1", formType), errRepeated, ""},
		{"bad percent", formRequest("", "a=%zz", formType), errMalformed, "form-encoded"},
		{"lone percent", formRequest("", "a=%", formType), errMalformed, "form-encoded"},
		{"semicolon", formRequest("", "a=1;b=2", formType), errMalformed, "form-encoded"},
		{"invalid UTF-8", formRequest("", "a=%ff%fe", formType), errMalformed, "UTF-8"},
		{"raw latin-1", formRequest("", "a=\xe9", formType), errMalformed, "UTF-8"},
		{"NUL", formRequest("", "a=x%00y", formType), errMalformed, "control"},
		{"CR LF", formRequest("", "username=a%0d%0ab", formType), errMalformed, "control"},
		{"control in name", formRequest("", "a%07=b", formType), errMalformed, "control"},
		{"64 KiB and one", formRequest("", "a="+strings.Repeat("x", maxBody-1), formType), errTooLarge, ""},
		{"65 parameters", formRequest("", strings.Repeat("a=1&", maxParams)+"b=1", formType), errMalformed, "too many"},
		{"grant_type in the query", formRequest("?grant_type=password", "a=1", formType), errQuery, "grant_type"},
		{"secret in the query", formRequest("?client_secret=x", "a=1", formType), errQuery, "client_secret"},
		{"empty secret in the query", formRequest("?client_secret", "a=1", formType), errQuery, "client_secret"},
		{"malformed query", formRequest("?a=%zz", "a=1", formType), errQuery, "malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readForm(httptest.NewRecorder(), tt.r)
			var got *Error
			if !errors.As(err, &got) {
				t.Fatalf("got %v, want a refusal", err)
			}
			if got.Description != tt.want.Description || got.Status != tt.want.Status || !strings.Contains(got.Error(), tt.cause) {
				t.Errorf("got %d %v; want %d %q because of %q", got.Status, got, tt.want.Status, tt.want.Description, tt.cause)
			}
		})
	}
}

// TestBodyThatDoesNotArrive says so, rather than that it is malformed.
func TestBodyThatDoesNotArrive(t *testing.T) {
	for cause, want := range map[error]Error{os.ErrDeadlineExceeded: errSlow, io.ErrUnexpectedEOF: errCutOff} {
		r := formRequest("", "", formType)
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader("grant_type=pass"), iotest.ErrReader(cause)))
		var got *Error
		if _, err := readForm(httptest.NewRecorder(), r); !errors.As(err, &got) || got.Description != want.Description || got.Status != want.Status {
			t.Errorf("%v: %v", cause, err)
		}
	}
}

func TestReadFormAccepts(t *testing.T) {
	for _, contentType := range []string{formType, "Application/X-WWW-Form-URLEncoded", formType + ";charset=UTF-8", formType + `; charset="utf-8"`} {
		f, err := readForm(httptest.NewRecorder(), formRequest("?utm=x", "a=1+2&b=%C3%A9&c=&resource=x&resource=&resource=y&tab=%09", contentType))
		if err != nil {
			t.Fatalf("%s: %v", contentType, err)
		}
		if f.get("a") != "1 2" || f.get("b") != "é" || f.get("c") != "" || f.get("missing") != "" {
			t.Errorf("%s: read %v", contentType, f.values)
		}
		if got := f.all("resource"); !slices.Equal(got, []string{"x", "y"}) {
			t.Errorf("resource = %q", got)
		}
	}
	exactly := "a=" + strings.Repeat("x", maxBody-2)
	if _, err := readForm(httptest.NewRecorder(), formRequest("", exactly, formType)); err != nil {
		t.Errorf("64 KiB: %v", err)
	}
}

func TestParseScope(t *testing.T) {
	tests := []struct {
		give string
		want []string
		ok   bool
	}{
		{"", nil, true},
		{"read", []string{"read"}, true},
		{"read write", []string{"read", "write"}, true},
		{"read read", []string{"read"}, true},
		{"READ read", []string{"READ", "read"}, true},
		{"a!#[]~", []string{"a!#[]~"}, true},
		{" read", nil, false}, {"read ", nil, false}, {"a  b", nil, false}, {" ", nil, false},
		{`a"b`, nil, false}, {`a\b`, nil, false}, {"a\tb", nil, false}, {"é", nil, false}, {"a\x7f", nil, false},
	}
	for _, tt := range tests {
		got, err := parseScope(tt.give)
		if (err == nil) != tt.ok || !slices.Equal(got, tt.want) {
			t.Errorf("parseScope(%q) = %q, %v; want %q, ok %v", tt.give, got, err, tt.want, tt.ok)
		}
	}
}

func TestParseResources(t *testing.T) {
	audiences := []string{"https://api.example", "orders"}
	tests := []struct {
		give []string
		want []string
		ok   bool
	}{
		{nil, nil, true},
		{[]string{"https://api.example"}, []string{"https://api.example"}, true},
		{[]string{"https://api.example", "https://api.example"}, []string{"https://api.example"}, true},
		{[]string{"orders"}, []string{"orders"}, true},
		{[]string{"urn:api:x"}, []string{"urn:api:x"}, true}, // well-formed; whether it is allowed is decided later
		{[]string{"invoices"}, nil, false},
		{[]string{"/relative"}, nil, false},
		{[]string{"https://api.example#f"}, nil, false},
		{[]string{"https://api.example#"}, nil, false},
		{[]string{"https://api.example", "%zz"}, nil, false},
	}
	for _, tt := range tests {
		got, err := parseResources(tt.give, audiences)
		if (err == nil) != tt.ok || !slices.Equal(got, tt.want) {
			t.Errorf("parseResources(%q) = %q, %v; want %q, ok %v", tt.give, got, err, tt.want, tt.ok)
		}
	}
}

// FuzzForm: whatever the bytes, what comes through is single, named, valid text.
func FuzzForm(f *testing.F) {
	f.Add("grant_type=password&username=a&password=b")
	f.Add("a=1&a=2")
	f.Add("resource=x&resource=y")
	f.Add("%ff=%00&=;")
	f.Fuzz(func(t *testing.T, body string) {
		form, err := parseForm(body)
		if err != nil {
			var refusal *Error
			if !errors.As(err, &refusal) || refusal.Status >= 500 {
				t.Errorf("parseForm(%q) failed with %v", body, err)
			}
			return
		}
		for name, values := range form.values {
			if name == "" || len(values) != 1 && name != "resource" || slices.ContainsFunc(values, notText) || notText(name) {
				t.Errorf("parseForm(%q) let %q=%q through", body, name, values)
			}
		}
	})
}

func FuzzScope(f *testing.F) {
	f.Add("read write")
	f.Add(" a\\")
	f.Fuzz(func(t *testing.T, s string) {
		scope, err := parseScope(s)
		if err != nil {
			return
		}
		if again, err := parseScope(strings.Join(scope, " ")); err != nil || !slices.Equal(again, scope) {
			t.Errorf("parseScope(%q) = %q, which reads back as %q, %v", s, scope, again, err)
		}
	})
}
