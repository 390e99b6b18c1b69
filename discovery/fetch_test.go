package discovery

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// An issuer is a server whose answers a test decides on, by path.
type issuer struct {
	*httptest.Server
	*http.ServeMux
	asked []string
}

func newIssuer(t *testing.T, start func(http.Handler) *httptest.Server) *issuer {
	i := &issuer{ServeMux: http.NewServeMux()}
	i.Server = start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked = append(i.asked, r.URL.Path)
		i.ServeHTTP(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

// answer serves a text as JSON.
func (i *issuer) answer(path, text string) {
	i.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		fmt.Fprint(w, text)
	})
}

const (
	oauthPath  = "/.well-known/oauth-authorization-server"
	openidPath = "/.well-known/openid-configuration"
)

func TestFetchMetadata(t *testing.T) {
	i := newIssuer(t, httptest.NewServer)
	document := func(tenant string) string {
		return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, i.URL+tenant, i.URL+tenant+"/keys")
	}
	i.answer(oauthPath+"/both", document("/both"))
	i.answer("/both"+openidPath, "{}")
	i.answer("/openid"+openidPath, document("/openid"))
	i.answer(oauthPath+"/wrong", document("/other"))
	i.answer("/wrong"+openidPath, document("/wrong"))
	i.answer(oauthPath+"/opaque", fmt.Sprintf(`{"issuer":%q}`, i.URL+"/opaque"))
	for tenant, asked := range map[string]string{
		"/both":   oauthPath + "/both",
		"/openid": oauthPath + "/openid /openid" + openidPath,
		"/wrong":  oauthPath + "/wrong /wrong" + openidPath, // what belongs to another issuer does not count
		"/opaque": oauthPath + "/opaque",
	} {
		i.asked = nil
		m, fresh, err := FetchMetadata(t.Context(), nil, i.URL+tenant)
		if err != nil || m.Issuer != i.URL+tenant || fresh.MaxAge != MaxAge {
			t.Errorf("%s: got %+v, %+v, %v", tenant, m, fresh, err)
		}
		if got := strings.Join(i.asked, " "); got != asked {
			t.Errorf("%s: asked for %s", tenant, got)
		}
	}
}

func TestFetchMetadataRefuses(t *testing.T) {
	i := newIssuer(t, httptest.NewServer)
	for name, test := range map[string]struct{ issuer, document, want string }{
		"other issuer":    {i.URL, `{"issuer":"https://b.example"}`, "metadata of issuer \"https://b.example\""},
		"trailing slash":  {i.URL, `{"issuer":"` + i.URL + `/"}`, "metadata of issuer"},
		"other case":      {i.URL, `{"issuer":"` + strings.Replace(i.URL, "http", "HTTP", 1) + `"}`, "metadata of issuer"},
		"http keys":       {i.URL, `{"issuer":"` + i.URL + `","jwks_uri":"http://a.example/keys"}`, "jwks_uri \"http://a.example/keys\": it is not https"},
		"file keys":       {i.URL, `{"issuer":"` + i.URL + `","jwks_uri":"file:///etc/passwd"}`, "jwks_uri"},
		"repeated member": {i.URL, `{"issuer":"` + i.URL + `","issuer":"` + i.URL + `"}`, "twice"},
		"truncated":       {i.URL, `{"issuer":"` + i.URL, "not valid JSON"},
		"empty":           {i.URL, ``, "not a JSON object"},
	} {
		i.ServeMux = http.NewServeMux()
		i.answer("/", test.document)
		m, _, err := FetchMetadata(t.Context(), nil, test.issuer)
		if err == nil || !strings.Contains(err.Error(), test.want) || m.Issuer != "" {
			t.Errorf("%s: got %+v, %v", name, m, err)
			continue
		}
		for _, path := range []string{oauthPath, openidPath} {
			if !strings.Contains(err.Error(), "fetch "+i.URL+path) {
				t.Errorf("%s: the error does not name %s: %v", name, path, err)
			}
		}
	}
	i.asked = nil
	for _, issuer := range []string{"", "http://a.example", i.URL + "?x", i.URL + "#x"} {
		if _, _, err := FetchMetadata(t.Context(), nil, issuer); err == nil || len(i.asked) > 0 {
			t.Errorf("issuer %q was asked: %v, %v", issuer, i.asked, err)
		}
	}
}

// An issuer that is https must not send us to keys over plain http, not even
// on this machine, where anybody may listen.
func TestFetchMetadataNoDowngrade(t *testing.T) {
	i := newIssuer(t, httptest.NewTLSServer)
	i.answer(oauthPath, `{"issuer":"`+i.URL+`","jwks_uri":"http://127.0.0.1/keys"}`)
	if _, _, err := FetchMetadata(t.Context(), i.Client(), i.URL); err == nil || !strings.Contains(err.Error(), "it is not https, though the issuer is") {
		t.Errorf("got %v", err)
	}
	i.answer(openidPath, `{"issuer":"`+i.URL+`","jwks_uri":"`+i.URL+`/keys"}`)
	if _, _, err := FetchMetadata(t.Context(), i.Client(), i.URL); err != nil {
		t.Error(err)
	}
	if _, _, err := FetchMetadata(t.Context(), nil, i.URL); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
}

func keySetDocument(t *testing.T) *Document {
	t.Helper()
	d, err := NewKeySet([]jose.JSONWebKey{{Key: p256().Public(), KeyID: "e", Algorithm: "ES256"}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestFetchKeySet(t *testing.T) {
	d := keySetDocument(t)
	server := httptest.NewServer(d)
	defer server.Close()
	set, fresh, err := FetchKeySet(t.Context(), nil, server.URL, "")
	if err != nil || set.Len() != 1 || fresh != (Freshness{MaxAge: MaxAge, ETag: d.ETag()}) {
		t.Fatalf("got %+v, %+v, %v", set, fresh, err)
	}
	set, fresh, err = FetchKeySet(t.Context(), nil, server.URL, d.ETag())
	if err != nil || set != nil || fresh != (Freshness{MaxAge: MaxAge, ETag: d.ETag(), NotModified: true}) {
		t.Errorf("again: got %+v, %+v, %v", set, fresh, err)
	}
	set, fresh, err = FetchKeySet(t.Context(), nil, server.URL, `"old"`)
	if err != nil || set.Len() != 1 || fresh.NotModified {
		t.Errorf("changed: got %+v, %+v, %v", set, fresh, err)
	}
}

func TestFetchRefuses(t *testing.T) {
	keys := string(keySetDocument(t).Bytes())
	typed := func(contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{contentType}
			fmt.Fprint(w, body)
		}
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"control":      {typed("application/json", keys), ""},
		"own type":     {typed("Application/JWK-Set+JSON; charset=utf-8", keys), ""},
		"not found":    {http.NotFound, "status 404"},
		"server error": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "status 500"},
		"no content":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, "status 204"},
		"partial":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(206) }, "status 206"},
		"unasked 304":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }, "status 304"},
		"redirect":     {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "redirects (status 302)"},
		"redirect, 308": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusPermanentRedirect)
		}, "redirects (status 308)"},
		"HTML":     {typed("text/html", keys), `content type "text/html"`},
		"text":     {typed("text/plain; charset=utf-8", keys), "content type"},
		"no type":  {typed("", keys), "content type"},
		"broken":   {typed("application/json", keys[:20]), "not valid JSON"},
		"no keys":  {typed("application/json", `{"keys":[]}`), ErrNoKeys.Error()},
		"too long": {typed("application/json", keys+strings.Repeat(" ", fetchLimit)), "over 262144 bytes"},
		"bomb": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			fmt.Fprint(z, strings.Repeat(" ", 4<<20))
			z.Close()
		}, "over 262144 bytes"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, keys)
		}, "unexpected EOF"},
		"slow": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for r.Context().Err() == nil {
				fmt.Fprint(w, " ")
				w.(http.Flusher).Flush()
				time.Sleep(time.Millisecond)
			}
		}, "deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mux := http.NewServeMux()
			mux.HandleFunc("/keys", test.answer)
			mux.HandleFunc("/elsewhere", typed("application/json", keys))
			server := httptest.NewServer(mux)
			defer server.Close()
			ctx := t.Context() // fetching has a limit of its own
			if name == "slow" {
				short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
				ctx = short
			}
			set, _, err := FetchKeySet(ctx, nil, server.URL+"/keys", "")
			if test.want == "" {
				if err != nil || set.Len() != 1 {
					t.Errorf("got %v, %v", set, err)
				}
			} else if err == nil || set != nil || !strings.Contains(err.Error(), test.want) || strings.Count(err.Error(), server.URL+"/keys") != 1 {
				t.Errorf("got %v, %v; want an error with %q that names the URL once", set, err, test.want)
			}
		})
	}
}

// A URL that nobody may use is not even tried.
func TestFetchChecksURL(t *testing.T) {
	client := &http.Client{Transport: untouchable{t}}
	for _, uri := range []string{"", "/keys", "http://a.example/keys", "file:///etc/passwd", "https://u:p@a.example/keys"} {
		if _, _, err := FetchKeySet(t.Context(), client, uri, ""); err == nil {
			t.Errorf("%q was fetched", uri)
		}
	}
}

func TestFetchNamesURLOnce(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	_, _, err := FetchKeySet(t.Context(), nil, server.URL+"/keys", "")
	if err == nil || strings.Count(err.Error(), "/keys") != 1 || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v", err)
	}
}

// An issuer that hangs is given up, by either name of its metadata.
func TestFetchTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		client := &http.Client{Transport: hanging{}}
		if _, _, err := FetchMetadata(t.Context(), client, "https://a.example"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if passed := time.Since(begin); passed != 2*fetchTimeout {
			t.Errorf("given up after %s", passed)
		}
	})
}

// hanging is a transport that never answers.
type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// untouchable is a transport that must not be used.
type untouchable struct{ *testing.T }

func (u untouchable) RoundTrip(r *http.Request) (*http.Response, error) {
	u.Errorf("%s was asked for", r.URL)
	return nil, errors.New("no")
}

func TestFetchSendsNoCookies(t *testing.T) {
	i := newIssuer(t, httptest.NewServer)
	var cookies int
	i.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		cookies += len(r.Cookies())
		http.SetCookie(w, &http.Cookie{Name: "track", Value: "1"})
		keySetDocument(t).ServeHTTP(w, r)
	})
	jar := must(cookiejar.New(nil))
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
	for range 2 {
		if _, _, err := FetchKeySet(t.Context(), client, i.URL+"/keys", ""); err != nil {
			t.Fatal(err)
		}
	}
	if cookies != 0 || client.Jar != jar {
		t.Errorf("%d cookies were sent; the caller's client is %+v", cookies, client)
	}
}

func TestFreshness(t *testing.T) {
	for name, test := range map[string]struct {
		header http.Header
		want   time.Duration
	}{
		"nothing":        {http.Header{}, MaxAge},
		"said":           {http.Header{"Cache-Control": {"public, max-age=600"}}, 10 * time.Minute},
		"any case":       {http.Header{"Cache-Control": {"Public,Max-Age=600"}}, 10 * time.Minute},
		"quoted":         {http.Header{"Cache-Control": {`max-age="600"`}}, 10 * time.Minute},
		"second header":  {http.Header{"Cache-Control": {"public", "max-age=600"}}, 10 * time.Minute},
		"old already":    {http.Header{"Cache-Control": {"max-age=600"}, "Age": {"300"}}, 5 * time.Minute},
		"older":          {http.Header{"Cache-Control": {"max-age=600"}, "Age": {"6000"}}, unstored},
		"short":          {http.Header{"Cache-Control": {"max-age=1"}}, time.Second},
		"nearly over":    {http.Header{"Cache-Control": {"max-age=600"}, "Age": {"598"}}, 2 * time.Second},
		"zero":           {http.Header{"Cache-Control": {"max-age=0"}}, unstored},
		"long":           {http.Header{"Cache-Control": {"max-age=31536000"}}, maxFreshness},
		"no-store":       {http.Header{"Cache-Control": {"no-store"}}, unstored},
		"no-cache first": {http.Header{"Cache-Control": {"no-cache, max-age=600"}}, unstored},
		"no-cache last":  {http.Header{"Cache-Control": {"max-age=600, no-cache"}}, unstored},
		"negative":       {http.Header{"Cache-Control": {"max-age=-5"}, "Age": {"-5"}}, MaxAge},
		"overflow":       {http.Header{"Cache-Control": {"max-age=99999999999999999999"}}, MaxAge},
		"rubbish":        {http.Header{"Cache-Control": {",=,max-age,max-age=x"}, "Age": {"x"}}, MaxAge},
	} {
		if got := freshness(test.header).MaxAge; got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
	if tag := freshness(http.Header{"Etag": {strings.Repeat("x", 1000)}}).ETag; tag != "" {
		t.Errorf("a tag of %d bytes is sent back", len(tag))
	}
}
