package discovery

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestDocumentServes(t *testing.T) {
	d := newDocument([]byte(`{"a":1}`))
	server := httptest.NewServer(d)
	defer server.Close()
	for name, test := range map[string]struct {
		method  string
		header  http.Header
		status  int
		body    string
		headers map[string]string
	}{
		"get": {"GET", nil, 200, `{"a":1}`, map[string]string{
			"Content-Type": "application/json", "Cache-Control": "public, max-age=300", "Etag": d.ETag(),
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "", "Access-Control-Expose-Headers": "ETag",
			"X-Content-Type-Options": "nosniff", "Content-Length": "7", "Set-Cookie": "",
		}},
		"head":              {"HEAD", nil, 200, "", map[string]string{"Etag": d.ETag(), "Content-Length": "7"}},
		"with credentials":  {"GET", http.Header{"Authorization": {"Bearer rubbish"}}, 200, `{"a":1}`, nil},
		"same":              {"GET", match(d.ETag()), 304, "", map[string]string{"Etag": d.ETag(), "Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}},
		"same, head":        {"HEAD", match(d.ETag()), 304, "", nil},
		"same, weak":        {"GET", match("W/" + d.ETag()), 304, "", nil}, // RFC 9110 §13.1.2: weak comparison
		"in a list":         {"GET", match(`"x", W/"y" ,` + d.ETag()), 304, "", nil},
		"any":               {"GET", match("*"), 304, "", nil},
		"another":           {"GET", match(`"x"`), 200, `{"a":1}`, nil},
		"unquoted":          {"GET", match(d.ETag()[1:10]), 200, `{"a":1}`, nil},
		"preflight":         {"OPTIONS", http.Header{"Origin": {"https://spa.example"}, "Access-Control-Request-Method": {"GET"}}, 204, "", map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS", "Access-Control-Allow-Credentials": ""}},
		"post":              {"POST", nil, 405, "this document can only be read\n", map[string]string{"Allow": "GET, HEAD, OPTIONS"}},
		"delete":            {"DELETE", nil, 405, "this document can only be read\n", map[string]string{"Allow": "GET, HEAD, OPTIONS"}},
		"put does not test": {"PUT", match(d.ETag()), 405, "this document can only be read\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequest(test.method, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.header != nil {
				req.Header = test.header
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != test.status || string(body) != test.body {
				t.Errorf("got %d %q, %v; want %d %q", res.StatusCode, body, err, test.status, test.body)
			}
			for name, want := range test.headers {
				if got := res.Header.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
		})
	}
}

func match(tag string) http.Header { return http.Header{"If-None-Match": {tag}} }

func TestETagFollowsContent(t *testing.T) {
	a, again, b := newDocument([]byte("{}")), newDocument([]byte("{}")), newDocument([]byte("{} "))
	if a.ETag() != again.ETag() || a.ETag() == b.ETag() {
		t.Errorf("got %s, %s, %s", a.ETag(), again.ETag(), b.ETag())
	}
	a.Bytes()[0] = 'x'
	if string(a.Bytes()) != "{}" {
		t.Error("the bytes of a document can be changed from outside")
	}
}

func TestHolder(t *testing.T) {
	var h Holder
	get := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		return w
	}
	if w := get(); w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Header().Get("Cache-Control") != "no-store" || h.Load() != nil {
		t.Errorf("empty: got %d %v", w.Code, w.Header())
	}
	for _, text := range []string{`{"a":1}`, `{"a":2}`} {
		d := newDocument([]byte(text))
		h.Store(d)
		if w := get(); w.Code != 200 || w.Body.String() != text || w.Header().Get("ETag") != d.ETag() || h.Load() != d {
			t.Errorf("%s: got %d %s", text, w.Code, w.Body)
		}
	}
}
