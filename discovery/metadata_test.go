package discovery

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// full fills every field, so that one that ParseMetadata forgets is seen.
func full() Metadata {
	var m Metadata
	v := reflect.ValueOf(&m).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString("https://a.example/" + name)
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{name, "x"}))
		}
	}
	return m
}

func TestMetadataRoundTrip(t *testing.T) {
	for name, m := range map[string]Metadata{"full": full(), "small": {Issuer: "https://a.example"}} {
		d, err := m.Document()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := ParseMetadata(d.Bytes())
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

// RFC 8414 §3.2: no empty arrays; so response_types_supported is left out.
func TestMetadataLeavesOutWhatIsEmpty(t *testing.T) {
	m := Metadata{
		Issuer: "https://a.example", TokenEndpoint: "https://a.example/oauth2/token",
		ResponseTypesSupported: []string{}, GrantTypesSupported: []string{"password"},
	}
	d, err := m.Document()
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(d.Bytes(), &members); err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(maps.Keys(members))
	if !slices.Equal(got, []string{"grant_types_supported", "issuer", "token_endpoint"}) {
		t.Errorf("got members %q", got)
	}
}

func TestMetadataRefusesToRender(t *testing.T) {
	for name, change := range map[string]func(*Metadata){
		"no issuer":        func(m *Metadata) { m.Issuer = "" },
		"http issuer":      func(m *Metadata) { m.Issuer = "http://a.example" },
		"relative":         func(m *Metadata) { m.TokenEndpoint = "/oauth2/token" },
		"http":             func(m *Metadata) { m.JWKSURI = "http://a.example/jwks" },
		"fragment":         func(m *Metadata) { m.TokenEndpoint += "#x" },
		"with credentials": func(m *Metadata) { m.RevocationEndpoint = "https://u:p@a.example" },
	} {
		m := full()
		change(&m)
		if d, err := m.Document(); err == nil {
			t.Errorf("%s: rendered %s", name, d.Bytes())
		}
	}
}

func TestParseMetadata(t *testing.T) {
	for text, want := range map[string]string{
		`{"issuer":"https://a.example","unknown":[{"x":1}]}`: "",
		// Names that differ in case are other members.
		`{"issuer":"https://a.example","ISSUER":"https://b.example","Jwks_uri":7}`: "",

		`{}`:                             "issuer is missing",
		`{"issuer":""}`:                  "issuer is missing",
		`{"ISSUER":"https://a.example"}`: "issuer is missing",
		`{"issuer":1}`:                   "issuer is not a string",
		`{"issuer":null}`:                "issuer is not a string",
		`{"issuer":"https://a.example","issuer":"https://b.example"}`:  "twice",
		`{"issuer":"https://a.example","jwks_uri":["x"]}`:              "jwks_uri is not a string",
		`{"issuer":"https://a.example","scopes_supported":"a b"}`:      "scopes_supported is not an array",
		`{"issuer":"https://a.example","grant_types_supported":[1]}`:   "grant_types_supported is not an array",
		`{"issuer":"https://a.example","grant_types_supported":null}`:  "grant_types_supported is not an array",
		`{"issuer":"https://a.example"}{"issuer":"https://b.example"}`: "bytes after",
		`["https://a.example"]`: "not a JSON object",
		`<html>`:                "not a JSON object",
	} {
		m, err := ParseMetadata([]byte(text))
		switch {
		case want == "" && (err != nil || m.Issuer != "https://a.example" || m.JWKSURI != ""):
			t.Errorf("%s: got %+v, %v", text, m, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want an error with %q", text, err, want)
		}
	}
}

// FuzzMetadata: what is read has an issuer, and is rendered as what it was.
func FuzzMetadata(f *testing.F) {
	seed, err := json.Marshal(full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"issuer":"http://localhost","jwks_uri":"x","scopes_supported":[]}`))
	f.Add([]byte(`{"issuer":"https://a","issuer":"https://b"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseMetadata(data)
		if err != nil {
			return
		}
		if m.Issuer == "" {
			t.Fatalf("no issuer in %q", data)
		}
		d, err := m.Document()
		if err != nil {
			return
		}
		again, err := ParseMetadata(d.Bytes())
		if err != nil || again.Issuer != m.Issuer || again.JWKSURI != m.JWKSURI {
			t.Fatalf("%q: rendered as %s: %v", data, d.Bytes(), err)
		}
	})
}
