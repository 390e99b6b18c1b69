package keys

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// ReportEvery is how often a process reports its version when nothing changes.
const ReportEvery = time.Minute

const (
	reportAgain = 10 * time.Second // after a report that failed
	reportTime  = 10 * time.Second // bounds one report
	reportQuiet = time.Hour        // between two log records about failed reports
)

// reports tells which version the process goes by, at once after each change,
// until ctx ends. It is apart from the looks: a store that takes no report, or
// takes it slowly, keeps nobody from looking and signing.
func (r *Rotator) reports(ctx context.Context) {
	if r.cfg.Report == nil {
		return
	}
	var logged time.Time
	for wait := ReportEvery; ; {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-r.adopted: // by Start, first of all
			timer.Stop()
		case <-timer.C:
		}
		wait = ReportEvery
		err := r.report(ctx)
		if err == nil || ctx.Err() != nil {
			continue
		}
		wait = reportAgain
		if now := r.cfg.Now(); logged.IsZero() || now.Sub(logged) >= reportQuiet {
			logged = now
			r.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "key ring: the version in use cannot be reported, `hallmark keys list` does not tell of this process", slog.Any("error", err))
		}
	}
}

// report is one report. A panic in it is an error.
func (r *Rotator) report(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	v := r.Ring().version
	if v == 0 {
		return nil // not started yet
	}
	ctx, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	return r.cfg.Report(ctx, v)
}

// tell has the version reported that was just adopted.
func (r *Rotator) tell() {
	select {
	case r.adopted <- struct{}{}:
	default: // it will be, and the newest then
	}
}
