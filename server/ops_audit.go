package server

import (
	"errors"
	"strconv"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// An auditList is a part of the audit, the oldest first.
type auditList struct {
	Records []operator.AuditView `json:"records"`
	Next    int64                `json:"next"` // "after" of what comes then, now or later
	More    bool                 `json:"more"` // now
}

func listAudit(c opsCall) (opsAnswer, error) {
	text, limit, err := c.page()
	if err != nil {
		return opsAnswer{}, err
	}
	after := int64(0)
	if text != "" {
		if after, err = strconv.ParseInt(text, 10, 64); err != nil || after < 0 {
			return opsAnswer{}, wrong(operator.Problem{Field: "after", Advice: "must be the number of a record: next of the answer before"})
		}
	}
	q := operator.AuditQuery{
		User: c.query["user"], Client: c.query["client_id"], Session: c.query["sid"], Address: c.query["address"],
		Since: c.query["since"], Until: c.query["until"],
	}
	if pattern := c.query["event"]; pattern != "" {
		q.Events = []string{pattern}
	}
	f, err := c.op.AuditFilter(c.r.Context(), q)
	switch {
	case errors.Is(err, storage.ErrNotFound): // not repeated: the log would have it
		return opsAnswer{}, errOpsUnknown.because(errors.New("no user of that name"))
	case err != nil:
		return opsAnswer{}, err
	}
	page, err := c.op.AuditAfter(c.r.Context(), f, after, limit)
	if err != nil {
		return opsAnswer{}, err
	}
	list := auditList{Records: []operator.AuditView{}, Next: page.Next, More: page.More}
	for _, e := range page.Records {
		list.Records = append(list.Records, operator.ViewAudit(e))
	}
	return ok(list)
}
