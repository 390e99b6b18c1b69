package discovery

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// MaxAge is how long anybody may keep a Document without asking again, unless
// WithMaxAge says otherwise. The timetable of keys is built on it: what is
// announced less than twice this long before its use may be missed.
const MaxAge = 5 * time.Minute

// A Document is a public JSON document, rendered once. It serves itself:
// GET and HEAD with a strong ETag, 304 on a match, open to every origin.
type Document struct {
	body   []byte
	etag   string
	maxAge time.Duration
}

func newDocument(body []byte) *Document {
	sum := sha256.Sum256(body)
	return &Document{body: body, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:18]) + `"`, maxAge: MaxAge}
}

// WithMaxAge returns the document with another max-age, in whole seconds.
func (d *Document) WithMaxAge(age time.Duration) *Document {
	return &Document{body: d.body, etag: d.etag, maxAge: age}
}

// Bytes returns a copy of the JSON text.
func (d *Document) Bytes() []byte { return bytes.Clone(d.body) }

// ETag returns the entity tag, quoted, as in the header (RFC 9110 §8.8.3). It
// is a function of the bytes alone, so all replicas agree.
func (d *Document) ETag() string { return d.etag }

// ServeHTTP answers with the document.
func (d *Document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	// RFC 9700 §2.6: metadata and key sets are for browsers too. Without credentials, since they are public.
	h.Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodGet, http.MethodHead: // RFC 9110 §9.3.2
	case http.MethodOptions:
		h.Set("Allow", allowed)
		h.Set("Access-Control-Allow-Methods", allowed)
		h.Set("Access-Control-Allow-Headers", "If-None-Match, Cache-Control, Pragma")
		h.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		h.Set("Allow", allowed) // RFC 9110 §15.5.6
		http.Error(w, "this document can only be read", http.StatusMethodNotAllowed)
		return
	}
	h.Set("Access-Control-Expose-Headers", "ETag")
	// RFC 7517 §8.5.1 has a type of its own for key sets, but the general one
	// is understood by every client, the special one is not.
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")                                       // WHATWG Fetch
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(d.maxAge.Seconds()))) // RFC 9111 §5.2.2.1
	h.Set("ETag", d.etag)
	if isPlain(r) {
		h.Set("Accept-Ranges", "bytes")
		h.Set("Content-Length", strconv.Itoa(len(d.body)))
		_, _ = w.Write(d.body) // nothing of it where the method is HEAD
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.body)) // answers If-None-Match with 304: RFC 9110 §13.1.2, §15.4.5
}

// isPlain reports a request for the whole document without a condition. Most
// are, and ServeContent takes half as long again for them: it writes the header
// and the body apart.
func isPlain(r *http.Request) bool {
	for _, name := range []string{"Range", "If-None-Match", "If-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"} {
		if r.Header[name] != nil {
			return false
		}
	}
	return true
}

const allowed = "GET, HEAD, OPTIONS"

// A Holder serves the document that was last stored in it. Readers never wait
// for a writer. The zero Holder answers 503.
type Holder struct{ current atomic.Pointer[Document] }

// Store makes d the document that is served from now on.
func (h *Holder) Store(d *Document) { h.current.Store(d) }

// Load returns the document that is served, nil when there is none yet.
func (h *Holder) Load() *Document { return h.current.Load() }

// ServeHTTP answers with the current document.
func (h *Holder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d := h.current.Load()
	if d == nil {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the document is not there yet", http.StatusServiceUnavailable)
		return
	}
	d.ServeHTTP(w, r)
}
