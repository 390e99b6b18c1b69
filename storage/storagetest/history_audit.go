package storagetest

import (
	"time"

	"pgregory.net/rapid"

	"github.com/hallmark-auth/hallmark/storage"
)

// audit writes, reads or removes records.
func (h *history) audit(rt *rapid.T) {
	switch rapid.IntRange(0, 2).Draw(rt, "audit") {
	case 0:
		r := storage.Record{
			At: h.now, Event: rapid.SampledFrom(storage.Events()).Draw(rt, "event").Event, Session: h.someSession(rt),
			User: h.someUser(rt).ID, Reason: "drawn",
		}
		_, _ = both(h, rt, func(x *side) (struct{}, error) { return struct{}{}, x.Record(h.ctx, r, r) })
	case 1:
		h.records(rt, storage.Span{
			After: rapid.Int64Range(0, 40).Draw(rt, "after"), Before: rapid.Int64Range(0, 40).Draw(rt, "before"),
			Limit: rapid.IntRange(0, 20).Draw(rt, "limit"), Newest: rapid.Bool().Draw(rt, "newest"),
		})
	case 2: // by number: what has no time of its own is of today
		keep := storage.Retention{Age: 100 * 365 * 24 * time.Hour, Rows: rapid.IntRange(1, 60).Draw(rt, "rows")}
		limit := rapid.IntRange(0, 20).Draw(rt, "limit")
		_, _ = both(h, rt, func(x *side) (int, error) { return x.SweepRecords(h.ctx, keep, limit, h.now) })
	}
}

func (h *history) records(rt *rapid.T, span storage.Span) {
	_, _ = both(h, rt, func(x *side) ([]storage.Record, error) { return x.Records(h.ctx, span) })
}
