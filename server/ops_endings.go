package server

import (
	"math"
	"strconv"
	"time"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// endedPage is what one call ended, or would, of a walk that may take many.
type endedPage struct {
	Ended  int      `json:"sessions_ended"`
	SIDs   []string `json:"sids"`
	DryRun bool     `json:"dry_run,omitempty"` // nothing was done
	Next   string   `json:"next,omitempty"`    // "after" of the next call
}

// endSessions ends the sessions that its parameters mean, those of a page: a
// request must not take as long as a million sessions do.
func endSessions(c opsCall) (opsAnswer, error) {
	filter, dryRun, err := c.sessionFilter()
	if err != nil {
		return opsAnswer{}, err
	}
	after, limit, err := c.sessionPage()
	if err != nil {
		return opsAnswer{}, err
	}
	var ids []storage.SessionID
	var next storage.SessionID
	if dryRun {
		var page []storage.SessionEntry
		page, next, err = c.op.MatchingPage(c.r.Context(), filter, after, limit)
		for _, e := range page {
			ids = append(ids, e.ID)
		}
	} else {
		ids, next, err = c.op.EndPage(c.r.Context(), filter, after, limit)
	}
	if err != nil {
		return opsAnswer{}, err
	}
	out := endedPage{Ended: len(ids), SIDs: []string{}, DryRun: dryRun}
	for _, id := range ids {
		out.SIDs = append(out.SIDs, id.String())
	}
	if next != (storage.SessionID{}) {
		out.Next = next.String()
	}
	return ok(out)
}

// sessionFilter reads which sessions are meant. That all are is refused: it is
// what a forgotten parameter looks like.
func (c opsCall) sessionFilter() (f operator.SessionFilter, dryRun bool, err error) {
	f = operator.SessionFilter{Username: c.query["username"], ClientID: c.query["client_id"], Device: c.query["device"]}
	var problems []operator.Problem
	for _, d := range []struct {
		name string
		to   *time.Duration
	}{{"older_than", &f.OlderThan}, {"idle_for", &f.IdleFor}} {
		text, given := c.query[d.name]
		if !given {
			continue
		}
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds < 1 || seconds > math.MaxInt64/int64(time.Second) {
			problems = append(problems, operator.Problem{Field: d.name, Advice: "must be a number of seconds above 0"})
			continue
		}
		*d.to = time.Duration(seconds) * time.Second
	}
	switch text := c.query["dry_run"]; text {
	case "true":
		dryRun = true
	case "", "false":
	default:
		problems = append(problems, operator.Problem{Field: "dry_run", Advice: "must be true or false"})
	}
	for _, name := range []string{"username", "client_id", "device"} {
		if text, given := c.query[name]; given && text == "" {
			problems = append(problems, operator.Problem{Field: name, Advice: "is empty: leave it out, or say which"})
		}
	}
	if len(problems) == 0 && f.Empty() {
		problems = append(problems, operator.Problem{Field: "query", Advice: "say which sessions: by username, client_id, device, older_than or idle_for"})
	}
	if len(problems) > 0 {
		return f, dryRun, wrong(problems...)
	}
	return f, dryRun, nil
}
