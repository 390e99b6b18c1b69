package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/hallmark-auth/hallmark/discovery"
)

// How often the issuer is asked.
const (
	retryFirst = 5 * time.Second // after a failed refresh, doubling
	retryLast  = time.Minute
)

// A remote keeps an issuer's keys: one goroutine fetches, everybody reads.
//
//	New ─► fetch ─► held ──(0.8–0.95 of max-age, or somebody asks)──► fetch ─► held …
//	                  └── on failure the old one stays, and the retries begin
type remote struct {
	cache
	trust
	log   *slog.Logger
	stop  context.CancelFunc
	ended chan struct{}
}

// startRemote fetches the keys once, unless the issuer may be away, and starts
// the refreshing.
func startRemote(ctx context.Context, t trust, log *slog.Logger) (*remote, error) {
	r := &remote{cache: cache{wanted: make(chan struct{}, 1)}, trust: t, log: log, ended: make(chan struct{})}
	r.begin() // tokens that come before the first keys wait for them
	if !t.fromStart {
		first, err := r.fetch(ctx)
		if err != nil {
			return nil, err
		}
		r.held.Store(first)
		r.end()
	}
	ctx, r.stop = context.WithCancel(context.Background())
	go r.run(ctx)
	return r, nil
}

func (r *remote) close() {
	r.stop()
	<-r.ended
}

// run refreshes until ctx ends. There is never more than one fetch.
func (r *remote) run(ctx context.Context) {
	defer close(r.ended)
	defer r.retire()
	retry := retryFirst
	var wait time.Duration
	if first := r.held.Load(); first != nil {
		wait = early(first.maxAge)
	}
	for {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-r.wanted:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return
		}
		r.begin()
		next, err := r.fetch(ctx)
		if err == nil {
			r.held.Store(next)
			retry, wait = retryFirst, early(next.maxAge)
		} else if ctx.Err() == nil {
			wait = early(retry)
			retry = min(2*retry, retryLast)
			r.complain(err, wait)
		}
		r.end()
	}
}

// complain logs that a fetch failed.
func (r *remote) complain(err error, wait time.Duration) {
	log := r.log.With("issuer", r.issuer, "retry_in", wait, "error", err)
	if old := r.held.Load(); old != nil {
		log.Warn("issuer's keys not refreshed, the old ones stay in use", "fetched", old.at)
		return
	}
	log.Warn("issuer's keys not fetched yet, its tokens cannot be verified")
}

// early shortens a time by 5 to 20 %, so that many verifiers do not ask at once.
func early(d time.Duration) time.Duration {
	return d*4/5 + rand.N(d*3/20+1)
}

// fetch gets the keys from where they were, and asks the issuer where they are
// when that is not known or fails.
func (r *remote) fetch(ctx context.Context) (*held, error) {
	old := r.held.Load()
	var failed error
	if old != nil {
		var next *held
		if next, failed = r.fetchFrom(ctx, old.uri, old); failed == nil {
			return next, nil
		}
	}
	meta, _, err := discovery.FetchMetadata(ctx, r.client, r.issuer)
	switch {
	case err != nil:
		return nil, errors.Join(failed, err)
	case meta.JWKSURI == "":
		return nil, errors.Join(failed, fmt.Errorf("the metadata of %s has no jwks_uri", r.issuer))
	case old != nil && old.uri == meta.JWKSURI:
		return nil, failed
	}
	next, err := r.fetchFrom(ctx, meta.JWKSURI, nil)
	if err != nil {
		return nil, errors.Join(failed, err)
	}
	return next, nil
}

// fetchFrom gets a key set, or finds that the old one is still current.
func (r *remote) fetchFrom(ctx context.Context, uri string, old *held) (*held, error) {
	next := &held{uri: uri, at: time.Now(), longest: r.longest}
	etag := ""
	if old != nil {
		etag = old.etag
	}
	set, fresh, err := discovery.FetchKeySet(ctx, r.client, uri, etag)
	if err != nil {
		return nil, err
	}
	if next.set = set; fresh.NotModified {
		next.set = old.set
	}
	r.report(ctx, next.set)
	next.etag, next.maxAge = fresh.ETag, min(fresh.MaxAge, r.longest/2)
	return next, nil
}

// report logs keys that are not used: what is merely of no use to us quietly,
// what endangers everybody who trusts the issuer loudly.
func (r *remote) report(ctx context.Context, set *discovery.KeySet) {
	for _, why := range set.Skipped[:min(len(set.Skipped), 16)] {
		level := slog.LevelDebug
		if errors.Is(why, discovery.ErrPrivate) {
			level = slog.LevelWarn
		}
		r.log.Log(ctx, level, "a key of the issuer is not used", "issuer", r.issuer, "error", why)
	}
}
