package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/keys"
)

func (x *examination) fetchKeySet(ctx context.Context) observation {
	switch {
	case x.meta == nil:
		return lacks("the metadata")
	case x.meta.JWKSURI == "":
		return bad(proxy, "the metadata has no jwks_uri")
	}
	if f := x.sameOrigin("jwks_uri", x.meta.JWKSURI); f != nil {
		return *f
	}
	r, wrong := x.get(ctx, x.meta.JWKSURI)
	if wrong != nil {
		return *wrong
	}
	set, err := discovery.ParseKeySet(r.body)
	if err != nil {
		return bad(proxy, "%s: %v", x.meta.JWKSURI, err)
	}
	x.keySet = r
	if why := errors.Join(set.Skipped...); why != nil {
		return bad("see that the key set is this server's", "%d usable keys; %v", set.Len(), why)
	}
	return good("%s has %d keys", x.meta.JWKSURI, set.Len())
}

// sameOrigin: an endpoint elsewhere is another server's, or a name that only
// some can reach.
func (x *examination) sameOrigin(member, address string) *observation {
	u, err := url.Parse(address)
	base, _, _ := x.place()
	if err == nil && u.Scheme+"://"+u.Host == base {
		return nil
	}
	f := bad("start the server with --issuer "+x.Issuer+": it names its endpoints after that", "%s is %s, not below %s", member, address, base)
	return &f
}

// compareKeySet: what is served must be what is stored, a poll later at most.
func (x *examination) compareKeySet(ctx context.Context) observation {
	switch {
	case x.ring == nil:
		return lacks("the key ring")
	case x.keySet == nil:
		return lacks("the key set")
	}
	for deadline := x.now().Add(x.ring.Schedule().Poll + time.Second); ; {
		missing, extra, err := x.lag()
		switch {
		case err != nil:
			return bad(proxy, "%v", err)
		case missing == "" && extra == "":
			return good("the published keys of the ring, version %d", x.ring.Version())
		case x.now().After(deadline):
			return bad("see that --issuer and --data are of the same server, that it is ready, and that no proxy keeps the key set longer than its max-age",
				"the key set served is not that of the ring, version %d: missing %s; too many %s", x.ring.Version(), or(missing, "none"), or(extra, "none"))
		}
		select {
		case <-ctx.Done():
			return lacks("time")
		case <-time.After(time.Second):
		}
		if r, wrong := x.get(ctx, x.meta.JWKSURI); wrong == nil {
			x.keySet = r
		}
		x.openRing(ctx) // somebody may be turning the keys over
	}
}

// lag compares kids, separated by spaces.
func (x *examination) lag() (missing, extra string, err error) {
	set, err := discovery.ParseKeySet(x.keySet.body)
	if err != nil {
		return "", "", err
	}
	object, err := discovery.DecodeObject(x.keySet.body)
	if err != nil {
		return "", "", err
	}
	var published, less, more []string
	for _, k := range x.ring.Published(x.now()) {
		published = append(published, k.ID)
		if _, ok := set.Key(k.ID); !ok {
			less = append(less, k.ID)
		}
	}
	members, _ := object["keys"].([]any) // ParseKeySet has taken it
	for _, m := range members {
		if jwk, ok := m.(map[string]any); ok {
			if kid, _ := jwk["kid"].(string); !slices.Contains(published, kid) {
				more = append(more, kid)
			}
		}
	}
	return strings.Join(less, " "), strings.Join(more, " "), nil
}

// keySetCache: the timetable of the keys reckons with max-age.
func (x *examination) keySetCache(ctx context.Context) observation {
	if x.keySet == nil {
		return lacks("the key set")
	}
	schedule := keys.DefaultSchedule()
	if x.ring != nil {
		schedule = x.ring.Schedule()
	}
	const do = "let the proxy pass Cache-Control and ETag on as they are: keys are published ahead by twice their max-age"
	policy := x.keySet.header.Get("Cache-Control")
	age, ok := directive(policy, "max-age")
	switch {
	case !ok || age != schedule.MaxAge:
		return bad(do, "Cache-Control is %.80q, the schedule wants max-age=%d", policy, int(schedule.MaxAge.Seconds()))
	case x.keySet.aged() > schedule.MaxAge:
		return bad(do, "a cache answered with a key set that is %s old", x.keySet.aged())
	}
	etag := x.keySet.header.Get("ETag")
	if etag == "" {
		return warn(do, "max-age=%d, but no ETag", int(age.Seconds()))
	}
	again, err := x.send(ctx, http.MethodGet, x.meta.JWKSURI, etag)
	switch {
	case err != nil:
		return bad(reach, "%v", err)
	case again.status != http.StatusNotModified:
		return warn(do, "max-age=%d, but the ETag is not recognised: status %d", int(age.Seconds()), again.status)
	}
	return good("max-age=%d as in the schedule, ETag recognised", int(age.Seconds()))
}

// directive finds a number of seconds in Cache-Control (RFC 9111 §5.2).
func directive(policy, name string) (time.Duration, bool) {
	for d := range strings.SplitSeq(policy, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(d), "=")
		if strings.EqualFold(key, name) {
			n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			return time.Duration(n) * time.Second, err == nil
		}
	}
	return 0, false
}

// aged is for how long a cache has had an answer (RFC 9111 §5.1).
func (r *reply) aged() time.Duration {
	n, err := strconv.ParseUint(r.header.Get("Age"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}
