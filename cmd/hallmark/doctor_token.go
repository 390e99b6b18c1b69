package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/keys"
)

// tokenEndpoint posts nothing, which the server refuses in its own words.
func (x *examination) tokenEndpoint(ctx context.Context) observation {
	switch {
	case x.meta == nil:
		return lacks("the metadata")
	case x.meta.TokenEndpoint == "":
		return bad(proxy, "the metadata has no token_endpoint")
	}
	if f := x.sameOrigin("token_endpoint", x.meta.TokenEndpoint); f != nil {
		return *f
	}
	r, err := x.send(ctx, http.MethodPost, x.meta.TokenEndpoint, "")
	if err != nil {
		return bad(reach, "%v", err)
	}
	if strange := r.strange(); strange != "" {
		return bad(proxy, "an empty POST was answered %s", strange)
	}
	object, err := discovery.DecodeObject(r.body)
	code, _ := object["error"].(string)
	if err != nil || code == "" || r.status != http.StatusBadRequest && r.status != http.StatusUnauthorized { // RFC 6749 §5.2
		return bad(proxy, "an empty POST was answered %d %s, not with an OAuth error", r.status, http.StatusText(r.status))
	}
	x.token = r
	return good("an empty POST was answered %d %.60s", r.status, code)
}

// tokenCache: RFC 6749 §5.1 forbids to keep what it answers.
func (x *examination) tokenCache(context.Context) observation {
	if x.token == nil {
		return lacks("an answer of the token endpoint")
	}
	const do = "keep the token endpoint out of every cache, and let Cache-Control: no-store pass: cached tokens get into wrong hands"
	policy := strings.Join(x.token.header.Values("Cache-Control"), ",")
	var kept bool
	for d := range strings.SplitSeq(policy, ",") {
		kept = kept || strings.EqualFold(strings.TrimSpace(d), "no-store")
	}
	switch {
	case !kept:
		return bad(do, "Cache-Control is %.80q, no-store was lost", policy)
	case x.token.header.Get("Age") != "":
		return bad(do, "a cache answered: Age is %.20q", x.token.header.Get("Age"))
	}
	return good("no-store, not from a cache")
}

// clockIssuer compares this clock with the server's, by an answer that no cache has.
func (x *examination) clockIssuer(context.Context) observation {
	r := x.token
	if r == nil {
		r = x.keySet
	}
	if r == nil {
		return lacks("an answer of the issuer")
	}
	date, err := http.ParseTime(r.header.Get("Date"))
	if err != nil {
		return warn("let the proxy pass the header Date on", "the answer has no date")
	}
	schedule := keys.DefaultSchedule()
	if x.ring != nil {
		schedule = x.ring.Schedule()
	}
	lead, slack := skew(date.Add(r.aged()), r.began, r.ended)
	const do = "keep both clocks by NTP: tokens are refused as expired, or as of the future, by whoever is off"
	seen := fmt.Sprintf("the issuer's clock is %s %s of this one, give or take %s", lead.Abs().Round(100*time.Millisecond), aheadOrBehind(lead), slack.Round(100*time.Millisecond))
	switch certain := lead.Abs() - slack; {
	case certain > schedule.Skew:
		return bad(do, "%s; the key schedule bears %s", seen, schedule.Skew)
	case certain > schedule.Skew/4:
		return warn(do, "%s; the key schedule bears %s", seen, schedule.Skew)
	}
	return good("%s", seen)
}

// skew is by how much the other clock is ahead, and how far that may be off: a
// date is cut to seconds, and was taken at some time between two moments.
func skew(date, began, ended time.Time) (lead, slack time.Duration) {
	half := ended.Sub(began) / 2
	return date.Add(500 * time.Millisecond).Sub(began.Add(half)), half + 500*time.Millisecond
}

func aheadOrBehind(lead time.Duration) string {
	if lead < 0 {
		return "behind"
	}
	return "ahead"
}
