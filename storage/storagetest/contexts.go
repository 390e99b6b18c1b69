package storagetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

func contextCases() map[string]func(*store) {
	return map[string]func(*store){
		"an ended context does nothing":       contextEnded,
		"callers that leave harm nobody":      contextLeaves,
		"a deadline that is far is no matter": contextFar,
	}
}

func contextEnded(s *store) {
	verbs := everyVerb(s)
	before := s.content()
	cause := errors.New("the caller went away")
	canceled, cancel := context.WithCancelCause(s.Context())
	cancel(cause)
	late, cancel2 := context.WithDeadline(s.Context(), time.Now().Add(-time.Hour))
	defer cancel2()
	for ctx, want := range map[context.Context]error{canceled: context.Canceled, late: context.DeadlineExceeded} {
		for name, call := range verbs {
			if err := call(ctx, s.Backend); verdict(err) != want {
				s.Errorf("%s: %v, want %v", name, err, want)
			}
		}
	}
	s.equal(s.content(), before)
	for _, name := range []string{
		"CreateUser", "CreateClient", "ReplaceRing", "Rehash", "RotateSession", "RemoveUser", "RemoveClient", "CreateOperatorToken", "RemoveOperatorToken",
		"ReportReplica", "RemoveReplica",
	} {
		s.must(verbs[name](s.Context(), s.Backend)) // it was not done before
	}
}

// Callers whose context ends while they wait get their own context's error or
// an answer; what they asked for has happened or not, and everybody else is
// served.
func contextLeaves(s *store) {
	ada, web := s.addUser("ada"), s.addClient("web")
	for round := range 6 {
		s.leave(round, ada, web)
	}
	s.addUser("afterwards")
}

// leave has many callers at once, of which every other one leaves early. Half
// of them create a user, half refresh.
func (s *store) leave(round int, u storage.User, c storage.Client) {
	s.Helper()
	const callers = 60
	name := func(i int) string { return fmt.Sprint("user ", round, " ", i) }
	devices, errs := parallel(callers, func(int) (device, error) {
		n := s.aSession(u, c)
		_, err := s.CreateSession(s.Context(), n)
		return device{c.Number, n.Token}, err
	})
	s.allOf(errs, nil)
	errs = parallelOnly(callers, func(i int) error {
		ctx := s.Context()
		if i%2 == 1 {
			short, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(2000))*time.Microsecond)
			defer cancel()
			ctx = short
		}
		if i%4 < 2 {
			return s.CreateUser(ctx, s.aUser(name(i)))
		}
		_, err := s.RotateSession(ctx, s.request(devices[i]))
		return err
	})
	for i, err := range errs {
		if i%2 == 0 {
			s.must(err)
		} else {
			s.allOf([]error{err}, nil, context.DeadlineExceeded)
		}
	}
	s.reopen()
	happened, _ := parallel(callers, func(i int) (bool, error) {
		if i%4 < 2 {
			_, missing := s.UserByName(s.Context(), name(i))
			return missing == nil, nil
		}
		out, _ := s.RotateSession(s.Context(), peek(devices[i].token, s.now))
		return out.Before.Generation == 1, nil
	})
	again, lost := parallel(callers, func(i int) (storage.Refreshed, error) { return s.refresh(devices[i]) })
	s.allOf(lost, nil) // a lost answer is asked for again, as any other
	for i := range callers {
		if errs[i] == nil && !happened[i] {
			s.Errorf("call %d was answered, and did not happen", i)
		}
		if want := map[bool]storage.Outcome{true: storage.Retried, false: storage.Rotated}[happened[i]]; i%4 >= 2 && again[i].Outcome != want {
			s.Errorf("call %d: %q, want %q", i, again[i].Outcome, want)
		}
	}
}

func contextFar(s *store) {
	ctx, cancel := context.WithTimeout(s.Context(), time.Hour)
	for name, call := range everyVerb(s) {
		if name != "ChangeUser to disabled" && name != "SweepSessions" && name != "CreateSession" && name != "RotateSession" {
			if err := call(ctx, s.Backend); err != nil {
				s.Errorf("%s: %v", name, err)
			}
		}
	}
	cancel() // after the answers
	s.must(s.Check(s.Context()))
	s.addUser("afterwards")
}
