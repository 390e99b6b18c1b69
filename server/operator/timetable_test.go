package operator_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// fixed is a View of the stored ring at an instant of the test's choice.
type fixed struct {
	operator.Keys
	now func(keys.Instant) keys.Instant
}

func (f fixed) View(ctx context.Context) (keys.Ring, keys.Instant, error) {
	ring, now, err := f.Keys.View(ctx)
	return ring, f.now(now), err
}

// TestTimetable: every process is listed by name, with what it says and whether
// that is true of the stored ring now.
func TestTimetable(t *testing.T) {
	d := newDesk(t)
	d.seed(t)
	for _, r := range []storage.Replica{{Name: "web-2", Version: 1}, {Name: "web-1", Version: 2}, {Name: "web-3", Version: 3}} {
		r.ID, r.AdoptedAt, r.SeenAt = uuid.New(), start.Add(-time.Hour), start
		if err := d.store.ReportReplica(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.ResealKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		wall, service time.Duration // since the reports
		want          []operator.Standing
	}{
		"at once":                    {0, 0, []operator.Standing{operator.Current, operator.Behind, operator.Current}},
		"three minutes":              {3 * time.Minute, 3*time.Minute - 20*time.Second, []operator.Standing{operator.Current, operator.Behind, operator.Current}},
		"a clock in its bounds":      {5*time.Minute - time.Second, 0, []operator.Standing{operator.Current, operator.Behind, operator.Current}},
		"silent beside others":       {0, 3*time.Minute + time.Second, []operator.Standing{operator.Silent, operator.Silent, operator.Silent}},
		"silent with everybody else": {5*time.Minute + time.Second, 0, []operator.Standing{operator.Silent, operator.Silent, operator.Silent}},
		"a clock that was set back":  {-time.Hour, 0, []operator.Standing{operator.Current, operator.Behind, operator.Current}},
		"an hour after an upgrade":   {time.Hour, time.Hour, []operator.Standing{operator.Silent, operator.Silent, operator.Silent}},
	} {
		op := *d.Operator
		op.Replicas = d.store.Replicas
		op.Keys = fixed{d.Keys, func(now keys.Instant) keys.Instant {
			return keys.Instant{Wall: start.Add(c.wall), Service: now.Service.Add(c.service)}
		}}
		got, err := op.Timetable(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var states []operator.Standing
		var names []string
		for _, r := range got.Replicas {
			states, names = append(states, r.State), append(names, r.Name)
		}
		if !slices.Equal(states, c.want) || !slices.Equal(names, []string{"web-1", "web-2", "web-3"}) {
			t.Errorf("%s: %v are %v, want %v", name, names, states, c.want)
		}
		if got.Version != 2 || len(got.Keys) != 4 || !got.Now.Equal(start.Add(c.wall)) || got.Schedule.RotateEvery == 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	list := d.list(t) // without replicas
	if k := list[0]; !k.Life.SignsUntil.Equal(list[1].SignsFrom) {
		t.Errorf("%s signs until %s, its successor from %s", k.ID, k.Life.SignsUntil, list[1].SignsFrom)
	}
	view := operator.ViewKey(list[0])
	if view.SignsUntil != list[1].SignsFrom.Format(time.RFC3339) || view.Gone != "" {
		t.Errorf("%+v", view)
	}
}

func TestTimetableFails(t *testing.T) {
	d := newDesk(t)
	d.seed(t)
	away := errors.New("no route")
	d.Replicas = func(context.Context) ([]storage.Replica, error) { return nil, away }
	if _, err := d.Timetable(t.Context()); !errors.Is(err, away) {
		t.Error(err)
	}
}
