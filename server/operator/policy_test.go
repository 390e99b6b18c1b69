package operator

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
)

var testLongest = keys.DefaultSchedule().LongestToken()

// good is a client with nothing wrong and every member set.
func good() NewClient {
	return NewClient{
		ID: "web-app_1.0", Name: "Web app", AuthMethod: storage.AuthNone,
		ClientPolicy: storage.ClientPolicy{
			Grants: []string{"password", "refresh_token"},
			Scopes: []string{"read", "write:all"}, DefaultScopes: []string{"read"},
			Audiences: []string{"https://api.example.com", "orders"}, DefaultAudiences: []string{"orders"},
			Claims: []string{"roles", "https://example.com/tenant"}, Algorithm: "RS256",
			AccessLifetime: testLongest, IdleLifetime: time.Hour, AbsoluteLifetime: time.Hour,
			RetryWindow: time.Minute, Rotate: true,
			Origins: []string{"https://app.example.com", "http://localhost:5173", "http://[::1]:3000"},
		},
	}
}

func many(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = "v" + strconv.Itoa(i)
	}
	return out
}

func TestClientPolicy(t *testing.T) {
	tests := map[string]struct {
		change func(*NewClient)
		field  string // of the only problem; empty: none
		advice string // part of it
	}{
		"good":                   {func(n *NewClient) {}, "", ""},
		"generated id":           {func(n *NewClient) { n.ID = "" }, "", ""},
		"id of 128":              {func(n *NewClient) { n.ID = strings.Repeat("a", 128) }, "", ""},
		"id of 129":              {func(n *NewClient) { n.ID = strings.Repeat("a", 129) }, "id", "128"},
		"id with a space":        {func(n *NewClient) { n.ID = "my app" }, "id", "A-Z"},
		"id with a colon":        {func(n *NewClient) { n.ID = "a:b" }, "id", "A-Z"},
		"id not ASCII":           {func(n *NewClient) { n.ID = "café" }, "id", "A-Z"},
		"name with a line break": {func(n *NewClient) { n.Name = "a\nb" }, "name", "control"},
		"name not UTF-8":         {func(n *NewClient) { n.Name = "a\xff" }, "name", "UTF-8"},
		"name too long":          {func(n *NewClient) { n.Name = strings.Repeat("n", 257) }, "name", "256"},
		"no auth method":         {func(n *NewClient) { n.AuthMethod, n.Origins = "", nil }, "auth_method", "client_secret_basic"},
		"unknown auth method":    {func(n *NewClient) { n.AuthMethod, n.Origins = "private_key_jwt", nil }, "auth_method", "private_key_jwt"},
		"confidential":           {func(n *NewClient) { n.AuthMethod, n.Origins = storage.AuthPost, nil }, "", ""},
		"password only":          {func(n *NewClient) { n.Grants = []string{"password"} }, "", ""},
		"an API": {func(n *NewClient) {
			n.AuthMethod, n.Origins, n.ClientPolicy = storage.AuthBasic, nil, storage.ClientPolicy{Introspects: []string{"https://api.example.com", "orders"}}
		}, "", ""},
		"an API and more": {func(n *NewClient) { n.AuthMethod, n.Origins, n.Introspects = storage.AuthPost, nil, []string{"orders"} }, "", ""},
		"an API with grants, for none": {func(n *NewClient) {
			n.AuthMethod, n.Origins, n.Introspects, n.Audiences, n.DefaultAudiences = storage.AuthPost, nil, []string{"orders"}, nil, nil
		}, "audiences", "at least one"},
		"an API that refreshes": {func(n *NewClient) {
			n.AuthMethod, n.Origins, n.Introspects, n.Grants = storage.AuthPost, nil, []string{"orders"}, []string{"refresh_token"}
		}, "grants", "add password"},
		"introspects, and is public": {func(n *NewClient) { n.Introspects = []string{"orders"} }, "introspects", "with a secret"},
		"introspects a fragment": {func(n *NewClient) {
			n.AuthMethod, n.Origins, n.Introspects = storage.AuthPost, nil, []string{"https://a.example/#f"}
		}, "introspects", "fragment"},
		"introspects too much":     {func(n *NewClient) { n.AuthMethod, n.Origins, n.Introspects = storage.AuthPost, nil, many(101) }, "introspects", "at most 100"},
		"refresh_token only":       {func(n *NewClient) { n.Grants = []string{"refresh_token"} }, "grants", "add password"},
		"no grants":                {func(n *NewClient) { n.Grants = nil }, "grants", "add password"},
		"unknown grant":            {func(n *NewClient) { n.Grants = append(n.Grants, "implicit") }, "grants", "implicit"},
		"no scopes":                {func(n *NewClient) { n.Scopes, n.DefaultScopes = nil, nil }, "", ""},
		"no default scopes":        {func(n *NewClient) { n.DefaultScopes = nil }, "", ""},
		"default scope not in":     {func(n *NewClient) { n.DefaultScopes = []string{"admin"} }, "default_scopes", "admin"},
		"scope with a space":       {func(n *NewClient) { n.Scopes = []string{"read", "a b"} }, "scopes", "a b"},
		"scope with a quote":       {func(n *NewClient) { n.Scopes = []string{"read", `a"b`} }, "scopes", "visible"},
		"scope with a backslash":   {func(n *NewClient) { n.Scopes = []string{"read", `a\b`} }, "scopes", "visible"},
		"scope not ASCII":          {func(n *NewClient) { n.Scopes = []string{"read", "é"} }, "scopes", "visible"},
		"empty scope":              {func(n *NewClient) { n.Scopes = []string{"read", ""} }, "scopes", "visible"},
		"scope of all characters":  {func(n *NewClient) { n.Scopes = []string{"read", "!#[]~:/.,;%&"} }, "", ""},
		"too many scopes":          {func(n *NewClient) { n.Scopes = append(many(100), "read") }, "scopes", "at most 100"},
		"no audience":              {func(n *NewClient) { n.Audiences, n.DefaultAudiences = nil, nil }, "audiences", "at least one"},
		"default audience unsaid":  {func(n *NewClient) { n.DefaultAudiences = nil }, "default_audiences", "which"},
		"default audience not in":  {func(n *NewClient) { n.DefaultAudiences = []string{"x"} }, "default_audiences", `"x"`},
		"audience with fragment":   {func(n *NewClient) { n.Audiences[0] = "https://a.example/#f" }, "audiences", "fragment"},
		"audience with empty one":  {func(n *NewClient) { n.Audiences[0] = "https://a.example/#" }, "audiences", "fragment"},
		"audience relative":        {func(n *NewClient) { n.Audiences[0] = "//a.example/x" }, "audiences", "absolute"},
		"audience a path":          {func(n *NewClient) { n.Audiences[0] = "/x" }, "audiences", "absolute"},
		"audience without host":    {func(n *NewClient) { n.Audiences[0] = "https:///x" }, "audiences", "host"},
		"audience a URN":           {func(n *NewClient) { n.Audiences[0] = "urn:example:api" }, "", ""},
		"audience an issuer":       {func(n *NewClient) { n.Audiences[0] = "https://id.example.com" }, "", ""},
		"audience a local issuer":  {func(n *NewClient) { n.Audiences[0] = "http://localhost:8080/tenant" }, "", ""},
		"audience with a query":    {func(n *NewClient) { n.Audiences[0] = "https://a.example/?tenant=1" }, "", ""},
		"audience with a space":    {func(n *NewClient) { n.Audiences[0] = "https://a.example/a b" }, "audiences", "visible"},
		"empty audience":           {func(n *NewClient) { n.Audiences[0] = "" }, "audiences", "visible"},
		"too many audiences":       {func(n *NewClient) { n.Audiences = append(many(100), "orders") }, "audiences", "at most 100"},
		"claim of the server":      {func(n *NewClient) { n.Claims = []string{"sub"} }, "claims", "own"},
		"claim of the server, ABC": {func(n *NewClient) { n.Claims = []string{"Client_ID"} }, "claims", "own"},
		"claim with a space":       {func(n *NewClient) { n.Claims = []string{"a b"} }, "claims", "visible"},
		"default algorithm":        {func(n *NewClient) { n.Algorithm = "" }, "", ""},
		"algorithm without keys":   {func(n *NewClient) { n.Algorithm = "PS256" }, "algorithm", "[ES256 RS256]"},
		"algorithm none":           {func(n *NewClient) { n.Algorithm = "none" }, "algorithm", "[ES256 RS256]"},
		"default lifetimes":        {func(n *NewClient) { n.AccessLifetime, n.IdleLifetime, n.AbsoluteLifetime = 0, 0, 0 }, "", ""},
		"access over longest":      {func(n *NewClient) { n.AccessLifetime += time.Second }, "access_lifetime", "keep-after 25h0m0s"},
		"access negative":          {func(n *NewClient) { n.AccessLifetime = -time.Second }, "access_lifetime", "whole seconds"},
		"access under a second":    {func(n *NewClient) { n.AccessLifetime = time.Millisecond }, "access_lifetime", "whole seconds"},
		"idle over absolute":       {func(n *NewClient) { n.IdleLifetime += time.Second }, "idle_lifetime", "absolute"},
		"idle over the default":    {func(n *NewClient) { n.AbsoluteLifetime = 0 }, "", ""},
		"idle under two windows":   {func(n *NewClient) { n.IdleLifetime = 2*time.Minute - time.Second }, "idle_lifetime", "2 × retry window 1m0s = 2m0s"},
		"idle of two windows":      {func(n *NewClient) { n.IdleLifetime = 2 * time.Minute }, "", ""},
		"short idle, strict":       {func(n *NewClient) { n.IdleLifetime, n.RetryWindow = time.Second, 0 }, "", ""},
		"default idle":             {func(n *NewClient) { n.IdleLifetime, n.RetryWindow = 0, time.Hour }, "", ""},
		"strict":                   {func(n *NewClient) { n.RetryWindow = 0 }, "", ""},
		"negative retry window":    {func(n *NewClient) { n.RetryWindow = -1 }, "retry_window", "strict"},
		"long retry window":        {func(n *NewClient) { n.RetryWindow = time.Hour + 1 }, "retry_window", "1h0m0s"},
		"origins and a secret":     {func(n *NewClient) { n.AuthMethod = storage.AuthBasic }, "origins", "public"},
		"origin with a path":       {func(n *NewClient) { n.Origins[0] = "https://app.example.com/" }, "origins", "write https://app.example.com"},
		"origin with a query":      {func(n *NewClient) { n.Origins[0] = "https://app.example.com?x" }, "origins", "write https://app.example.com"},
		"origin with a user":       {func(n *NewClient) { n.Origins[0] = "https://u@app.example.com" }, "origins", "write https://app.example.com"},
		"origin with default port": {func(n *NewClient) { n.Origins[0] = "https://app.example.com:443" }, "origins", "write https://app.example.com"},
		"origin with a port":       {func(n *NewClient) { n.Origins[0] = "https://app.example.com:8443" }, "", ""},
		"origin in capitals":       {func(n *NewClient) { n.Origins[0] = "https://App.example.com" }, "origins", "write https://app.example.com"},
		"origin over http":         {func(n *NewClient) { n.Origins[0] = "http://app.example.com" }, "origins", "loopback only"},
		"origin on loopback":       {func(n *NewClient) { n.Origins[0] = "http://127.0.0.1:3000" }, "", ""},
		"origin null":              {func(n *NewClient) { n.Origins[0] = "null" }, "origins", "scheme://host"},
		"origin a wildcard":        {func(n *NewClient) { n.Origins[0] = "https://*.example.com" }, "origins", "wildcards"},
		"origin of an extension":   {func(n *NewClient) { n.Origins[0] = "chrome-extension://abcdef" }, "origins", "https"},
		"origin without host":      {func(n *NewClient) { n.Origins[0] = "https://:8443" }, "origins", "scheme://host"},
		"origin not ASCII":         {func(n *NewClient) { n.Origins[0] = "https://bücher.example" }, "origins", "ASCII"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n := good()
			tt.change(&n)
			got := n.check(keys.DefaultSchedule())
			switch {
			case tt.field == "" && len(got) == 0:
			case len(got) != 1 || got[0].Field != tt.field || !strings.Contains(got[0].Advice, tt.advice):
				t.Errorf("problems %q, want one of %q with %q", got, tt.field, tt.advice)
			}
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	n := NewClient{
		ID: "a b", Name: "\x00", AuthMethod: "x", ClientPolicy: storage.ClientPolicy{
			Grants: []string{"x"}, Scopes: []string{`"`}, DefaultScopes: []string{"y"}, Audiences: []string{"/"}, DefaultAudiences: []string{"z"},
			Claims: []string{"exp"}, Algorithm: "HS256", AccessLifetime: -1, IdleLifetime: 2 * time.Second, AbsoluteLifetime: time.Second,
			RetryWindow: -1, Origins: []string{"*"},
		},
	}
	var fields []string
	for _, p := range n.check(keys.DefaultSchedule()) {
		fields = append(fields, p.Field)
	}
	want := []string{
		"id", "name", "auth_method", "grants", "grants", "scopes", "default_scopes", "audiences", "default_audiences",
		"claims", "origins", "origins", "algorithm", "access_lifetime", "idle_lifetime", "retry_window",
	}
	if !slices.Equal(fields, want) {
		t.Errorf("problems with %q\nwant          %q", fields, want)
	}
}

func TestNormal(t *testing.T) {
	n := NewClient{ClientPolicy: storage.ClientPolicy{
		Scopes: []string{"a", "b", "a"}, Audiences: []string{"x", "x"},
	}}.normal()
	if !slices.Equal(n.Scopes, []string{"a", "b"}) || !slices.Equal(n.Audiences, []string{"x"}) {
		t.Errorf("scopes %q, audiences %q: each once, in order", n.Scopes, n.Audiences)
	}
	if !slices.Equal(n.DefaultAudiences, []string{"x"}) {
		t.Errorf("default audiences %q, want the only one", n.DefaultAudiences)
	}
	two := NewClient{ClientPolicy: storage.ClientPolicy{Audiences: []string{"x", "y"}}}.normal()
	if two.DefaultAudiences != nil {
		t.Errorf("default audiences %q were guessed", two.DefaultAudiences)
	}
}

// What the checks accept can be used: a scope survives joining and splitting,
// an origin is byte for byte what a browser makes of it.
func TestAcceptedValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOf(rapid.RuneFrom([]rune("aZ09 \"\\!~\x7f\té:/.?#[]@%"))).Draw(t, "value")
		if isScopeToken(s) && len(strings.Fields(s+" other")) != 2 {
			t.Fatalf("scope %q is not one word", s)
		}
		if checkOrigin(s) == nil && strings.ContainsAny(strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://"), "/?#@ ") {
			t.Fatalf("origin %q has more than scheme, host and port", s)
		}
		if checkAudience(s) == nil && strings.ContainsAny(s, "# \t\x7f") {
			t.Fatalf("audience %q", s)
		}
		if isClientID(s) && strings.ContainsAny(s, " :/?#[]@%") {
			t.Fatalf("client id %q", s)
		}
	})
}

func TestNewClientID(t *testing.T) {
	seen := map[string]bool{}
	for range 2000 { // one in 64 would begin with a hyphen
		id := newClientID()
		if len(id) != 22 || id[0] == '-' || !isClientID(id) || seen[id] {
			t.Fatalf("generated id %q", id)
		}
		seen[id] = true
	}
}
