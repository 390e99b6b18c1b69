package discovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Bounds on what an issuer can do to us.
const (
	fetchTimeout  = 10 * time.Second
	fetchLimit    = 256 << 10 // bytes of a document, after decompression
	minFreshness  = time.Second
	maxFreshness  = time.Hour
	unstored      = time.Minute // what must not be stored, or is stale as it comes, is kept for so long
	maxETagLength = 256
)

// Freshness says how a fetched document may be kept.
type Freshness struct {
	// MaxAge is how long the document need not be fetched again: what the
	// answer's Cache-Control and Age say, at most an hour; MaxAge if they say
	// nothing, a minute if they leave no time at all.
	MaxAge time.Duration
	// ETag can be given to the next fetch; empty if the answer had none.
	ETag string
	// NotModified means that the document is still the one of the given ETag.
	NotModified bool
}

// FetchMetadata fetches the metadata of an issuer, from the RFC 8414 path and,
// if that fails, from OpenID Connect Discovery's. The document must name
// exactly this issuer (RFC 8414 §3.3), and its jwks_uri must be https, or http
// on loopback for an issuer that is so itself.
//
// Both fetches end with ctx and after ten seconds each, follow no redirects,
// and want status 200, a JSON content type and at most 256 KiB. The client may
// be nil; its cookies are not used. Errors name the URL.
func FetchMetadata(ctx context.Context, client *http.Client, issuer string) (Metadata, Freshness, error) {
	u, err := parseIssuer(issuer)
	if err != nil {
		return Metadata{}, Freshness{}, err
	}
	var causes []error
	for _, path := range []string{wellKnown(u).OAuth, wellKnown(u).OpenID} {
		var m Metadata
		fresh, err := fetch(ctx, client, u.Scheme+"://"+u.Host+path, "", func(body []byte) (err error) {
			if m, err = ParseMetadata(body); err != nil {
				return err
			}
			return m.belongsTo(issuer)
		})
		if err == nil {
			return m, fresh, nil
		}
		causes = append(causes, err)
	}
	return Metadata{}, Freshness{}, errors.Join(causes...)
}

// belongsTo checks what a verifier relies on.
func (m Metadata) belongsTo(issuer string) error {
	if m.Issuer != issuer { // RFC 8414 §3.3
		return fmt.Errorf("it is the metadata of issuer %.200q, not of %q", m.Issuer, issuer)
	}
	if m.JWKSURI == "" {
		return nil // an issuer of opaque tokens
	}
	u, err := parseURL(m.JWKSURI)
	switch {
	case err != nil:
		return fmt.Errorf("jwks_uri %.200q: %w", m.JWKSURI, err)
	case u.Scheme == "http" && strings.HasPrefix(issuer, "https:"):
		return fmt.Errorf("jwks_uri %.200q: it is not https, though the issuer is", m.JWKSURI)
	}
	return nil
}

// FetchKeySet fetches a key set, within the same bounds as FetchMetadata. With
// the ETag of an earlier answer the set may be nil: then it is NotModified.
func FetchKeySet(ctx context.Context, client *http.Client, uri, etag string) (*KeySet, Freshness, error) {
	var set *KeySet
	fresh, err := fetch(ctx, client, uri, etag, func(body []byte) (err error) {
		set, err = ParseKeySet(body)
		return err
	})
	if err != nil {
		return nil, Freshness{}, err
	}
	return set, fresh, nil
}

// fetch gets a document and hands its bytes to read.
func fetch(ctx context.Context, client *http.Client, uri, etag string, read func([]byte) error) (Freshness, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	fresh, err := get(ctx, client, uri, etag, read)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err // its text would name the URL again
		}
		return Freshness{}, fmt.Errorf("fetch %.300s: %w", uri, err)
	}
	return fresh, nil
}

func get(ctx context.Context, client *http.Client, uri, etag string, read func([]byte) error) (Freshness, error) {
	var none Freshness
	if _, err := parseURL(uri); err != nil {
		return none, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return none, err
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	if etag != "" {
		req.Header.Set("If-None-Match", etag) // RFC 9110 §13.1.2
	}
	res, err := direct(client).Do(req)
	if err != nil {
		return none, err
	}
	defer res.Body.Close()
	fresh := freshness(res.Header)
	switch {
	case res.StatusCode == http.StatusNotModified && etag != "":
		fresh.NotModified = true
		if fresh.ETag == "" {
			fresh.ETag = etag
		}
		return fresh, nil
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return none, fmt.Errorf("it redirects (status %d), which is not followed", res.StatusCode)
	case res.StatusCode != http.StatusOK: // RFC 8414 §3.2
		return none, fmt.Errorf("status %d", res.StatusCode)
	case !isJSON(res.Header.Get("Content-Type")):
		return none, fmt.Errorf("content type %.60q is not JSON", res.Header.Get("Content-Type"))
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, fetchLimit+1))
	if err != nil {
		return none, err
	}
	if len(body) > fetchLimit {
		return none, fmt.Errorf("the document is over %d bytes", fetchLimit)
	}
	return fresh, read(body)
}

// direct returns the client without what must not happen here: redirects lead
// away from what was checked, and cookies have no business in public documents.
func direct(client *http.Client) *http.Client {
	var c http.Client
	if client != nil {
		c = *client
	}
	c.Jar = nil
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || media == "application/jwk-set+json")
}

// freshness reads RFC 9111 §5.1 (Age) and §5.2.2 (Cache-Control).
func freshness(h http.Header) Freshness {
	age, store := MaxAge, true
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			store = false
		case "max-age":
			if n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				age = time.Duration(n) * time.Second
			}
		}
	}
	if n, err := strconv.ParseUint(h.Get("Age"), 10, 31); err == nil {
		age -= time.Duration(n) * time.Second
	}
	if !store || age < minFreshness {
		age = unstored
	}
	fresh := Freshness{MaxAge: min(age, maxFreshness), ETag: h.Get("ETag")}
	if len(fresh.ETag) > maxETagLength {
		fresh.ETag = ""
	}
	return fresh
}
