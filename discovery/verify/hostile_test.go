package verify

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// A hostile issuer's answers. Those that are not about the keys it may give in
// the place of its metadata too.
var hostilities = map[string]func(r *http.Request) *http.Response{
	"nothing, for ever": func(r *http.Request) *http.Response {
		<-r.Context().Done()
		return nil
	},
	"a byte a second": func(r *http.Request) *http.Response {
		return body(&drip{r: r, text: string(keysOf("evil"))})
	},
	"no end": func(r *http.Request) *http.Response { return body(&drip{r: r, endless: true}) },
	"cut short": func(*http.Request) *http.Response {
		keys := keysOf("evil")
		return body(io.MultiReader(bytes.NewReader(keys[:len(keys)-1]), broken{}))
	},
	"half": func(*http.Request) *http.Response {
		keys := keysOf("evil")
		return body(bytes.NewReader(keys[:len(keys)/2]))
	},
	"a redirect": func(*http.Request) *http.Response {
		res := body(strings.NewReader(string(keysOf("evil"))))
		res.StatusCode = http.StatusTemporaryRedirect
		res.Header.Set("Location", "https://evil.example/keys")
		return res
	},
	"HTML": func(*http.Request) *http.Response {
		res := body(bytes.NewReader(keysOf("evil")))
		res.Header.Set("Content-Type", "text/html")
		return res
	},
	"no type": func(*http.Request) *http.Response {
		res := body(bytes.NewReader(keysOf("evil")))
		res.Header.Del("Content-Type")
		return res
	},
	"an error with keys": func(*http.Request) *http.Response {
		res := body(bytes.NewReader(keysOf("evil")))
		res.StatusCode = http.StatusInternalServerError
		return res
	},
	"deep": func(*http.Request) *http.Response {
		return body(strings.NewReader(strings.Repeat(`{"keys":[`, 20_000)))
	},
	"too long":           always(`{"keys":[]` + strings.Repeat(" ", 1<<20) + "}"),
	"an empty set":       always(`{"keys":[]}`),
	"null":               always(`null`),
	"keys twice":         always(`{"keys":[],` + string(keysOf("evil")[1:])),
	"only for HS256":     always(`{"keys":[{"kty":"oct","kid":"k1","alg":"HS256","k":"AAAA"}]}`),
	"only private keys":  always(`{"keys":[` + string(must(jose.JSONWebKey{Key: keyOf("k1"), KeyID: "k1", Algorithm: "EdDSA"}.MarshalJSON())) + `]}`),
	"another's metadata": always(`{"issuer":"https://evil.example","jwks_uri":"https://evil.example/keys"}`),
	"metadata to http":   always(`{"issuer":"` + issuerURL + `","jwks_uri":"http://evil.example/keys"}`),
}

func always(s string) func(*http.Request) *http.Response {
	return func(*http.Request) *http.Response { return body(strings.NewReader(s)) }
}

func body(r io.Reader) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(r)}
}

// broken is where a connection ends too early.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A drip gives a byte a second until nobody waits any more; endless, it gives
// what fits, at once.
type drip struct {
	r       *http.Request
	text    string
	endless bool
}

func (d *drip) Read(p []byte) (int, error) {
	if d.endless {
		for i := range p {
			p[i] = ' '
		}
		return len(p), nil
	}
	select {
	case <-time.After(time.Second):
	case <-d.r.Context().Done():
		return 0, d.r.Context().Err()
	}
	if d.text == "" {
		return 0, io.EOF
	}
	p[0], d.text = d.text[0], d.text[1:]
	return 1, nil
}

// A turncoat is an issuer that is good first and hostile then.
type turncoat struct {
	origin
	hostile func(r *http.Request) *http.Response
	strange []string // places that it was asked for and should not
}

func (c *turncoat) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.String(), issuerURL+"/") {
		c.strange = append(c.strange, r.URL.String())
	}
	c.mu.Lock()
	hostile := c.hostile
	c.mu.Unlock()
	if hostile == nil {
		return c.origin.RoundTrip(r)
	}
	c.mu.Lock()
	c.fetched = append(c.fetched, time.Now())
	c.mu.Unlock()
	res := hostile(r)
	if res == nil {
		return nil, r.Context().Err()
	}
	res.Request = r
	return res, nil
}

// Whatever an issuer answers with, the good keys serve on, none of its
// inventions is ever used, nobody is sent elsewhere, and it takes no more time
// and memory than is allowed.
func TestHostileIssuer(t *testing.T) {
	for name, hostile := range hostilities {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &turncoat{origin: *newOrigin("k1")}
				v := newVerifier(t, WithHTTPClient(&http.Client{Transport: c}))
				c.mu.Lock()
				c.hostile = hostile
				c.mu.Unlock()
				for begin := time.Now(); time.Since(begin) < time.Hour; time.Sleep(59 * time.Second) {
					if waited := expect(t, v, "k1", nil); waited != 0 {
						t.Errorf("a good token waited %s", waited)
					}
					if waited := expect(t, v, "evil", errUnknownKey); waited > askWait {
						t.Errorf("a bad one waited %s", waited)
					}
				}
				if len(c.strange) > 0 {
					t.Errorf("asked for %s", c.strange)
				}
				if n := c.count(); n > 3*60*3 { // keys and two places of metadata
					t.Errorf("%d requests in an hour", n)
				}
				c.mu.Lock()
				c.hostile = nil
				c.mu.Unlock()
				time.Sleep(2 * retryLast)
				c.set("k2")
				time.Sleep(time.Hour)
				expect(t, v, "k2", nil)
				expect(t, v, "k1", errUnknownKey)
			})
			synctest.Test(t, func(t *testing.T) {
				c := &turncoat{origin: *newOrigin("k1"), hostile: hostile}
				begin := time.Now()
				v, err := New(t.Context(), issuerURL, audience, WithHTTPClient(&http.Client{Transport: c}), WithLogger(quiet))
				if err == nil || v != nil || time.Since(begin) > 20*time.Second || len(c.strange) > 0 {
					t.Errorf("at the start: %v, %v after %s, asked for %s", v, err, time.Since(begin), c.strange)
				}
			})
		})
	}
}

// The same over real connections, for what a transport in memory cannot do.
func TestHostileConnections(t *testing.T) {
	keys := string(keysOf("evil"))
	for name, answer := range map[string]http.HandlerFunc{
		"fewer bytes than said": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", fmt.Sprint(len(keys)+1))
			io.WriteString(w, keys)
		},
		"the connection breaks": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"a redirect to itself":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
		"a packed bomb": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write(bytes.Repeat([]byte(" "), 8<<20))
			z.Close()
		},
		"long headers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X", strings.Repeat("x", 12<<20))
			io.WriteString(w, keys)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				answer(w, r)
			}))
			server.Config.ErrorLog = nil
			server.Start()
			defer server.Close()
			v, err := New(t.Context(), server.URL, audience, WithLogger(quiet))
			if err == nil || v != nil || asked.Load() > 4 { // a broken connection is tried again
				t.Errorf("got %v, %v after %d requests", v, err, asked.Load())
			}
		})
	}
}
