package storagetest

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/storage"
)

// A mutant is a Model with one verb that is wrong, beside the case of the
// suite that finds it; of lives, with the law that it breaks.
type mutant struct {
	wrap func(*Model) Backend
	find string
}

var mutants = map[string]mutant{
	"names in any case":        {func(m *Model) Backend { return anyCase{m} }, "users/names are compared exactly"},
	"list without order":       {func(m *Model) Backend { return unordered{m} }, "users/users are listed by name"},
	"user by chance":           {func(m *Model) Backend { return racyUsers{m} }, "races/one name, twenty users"},
	"user overwritten":         {func(m *Model) Backend { return overwrites{m} }, "users/a conflict changes nothing"},
	"nanoseconds":              {func(m *Model) Backend { return nanoseconds{m} }, "sessions/a session is found as created"},
	"milliseconds":             {func(m *Model) Backend { return milliseconds{m} }, "users/odd values are kept"},
	"claims lost":              {func(m *Model) Backend { return noClaims{m} }, "users/a user is found as created"},
	"password ends nothing":    {func(m *Model) Backend { return endsNothing{m} }, "standing/a new password ends the sessions"},
	"password ends the live":   {func(m *Model) Backend { return endsLive{m} }, "standing/a new password ends the sessions"},
	"disabling ends all":       {func(m *Model) Backend { return endsAll{m} }, "standing/disabling ends the sessions"},
	"enabling revives":         {func(m *Model) Backend { return revives{m} }, "standing/enabling brings no session back"},
	"revival, in histories":    {func(m *Model) Backend { return revives{m} }, "histories"},
	"rehash of any hash":       {func(m *Model) Backend { return rehashesAny{m} }, "standing/a hash that changed is not replaced"},
	"rehash ends":              {func(m *Model) Backend { return rehashEnds{m} }, "standing/a new hash ends nothing"},
	"client numbers are one":   {func(m *Model) Backend { return oneNumber{m} }, "clients/a client is found as created"},
	"login under any hash":     {func(m *Model) Backend { return anyHash{m} }, "sessions/a login under an old hash is refused"},
	"login of the disabled":    {func(m *Model) Backend { return anyHash{m} }, "sessions/a session needs its user and client"},
	"login checked too early":  {func(m *Model) Backend { return racyLogin{m} }, "races/a new password and logins"},
	"login beside disabling":   {func(m *Model) Backend { return racyLogin{m} }, "races/disabling and refreshing"},
	"rotation by chance":       {func(m *Model) Backend { return racyRotation{m} }, "races/one token, fifty refreshes"},
	"reuse by chance":          {func(m *Model) Backend { return racyRotation{m} }, "races/one token, no window"},
	"refresh beside disabling": {func(m *Model) Backend { return racyRotation{m} }, "races/disabling and refreshing"},
	"reuse rolled back":        {func(m *Model) Backend { return rollsBack{m} }, "refresh/reuse ends the session and no other"},
	"set back, rolled back":    {func(m *Model) Backend { return rollsBack{m} }, "refresh/a store set back ends the session"},
	"reuse lost in a batch":    {func(m *Model) Backend { return rollsBack{m} }, "batches/reuse beside good operations"},
	"refusal writes":           {func(m *Model) Backend { return refusalWrites{m} }, "refresh/a refusal costs nothing"},
	"retry writes":             {func(m *Model) Backend { return retryWrites{m} }, "refresh/a refresh writes what was decided"},
	"retry, in histories":      {func(m *Model) Backend { return retryWrites{m} }, "histories"},
	"window in wall time":      {func(m *Model) Backend { return wallWindow{m} }, "refresh/the window is service time"},
	"error without the row":    {func(m *Model) Backend { return bareError{m} }, "refresh/a refusal costs nothing"},
	"sweep of what ended":      {func(m *Model) Backend { return sweepsEnded{m} }, "sweep/only what is over for a day is removed"},
	"sweep skips":              {func(m *Model) Backend { return sweepSkips{m} }, "sweep/any slices cover the whole"},
	"sweep without end":        {func(m *Model) Backend { return sweepEndless{m} }, "sweep/an empty store is walked"},
	"ring of any version":      {func(m *Model) Backend { return anyVersion{m} }, "ring/a ring is replaced by version"},
	"ring by chance":           {func(m *Model) Backend { return racyRing{m} }, "races/twenty replace the ring"},
	"service time runs":        {func(m *Model) Backend { return fastService{m} }, "service/service time begins and only grows"},
	"never closed":             {func(m *Model) Backend { return neverCloses{m} }, "service/a closed store is not available"},
	"forgets sessions":         {forgets, "refresh/a session goes on after a restart"},
	"forgets the ring":         {forgets, "service/a store is kept when it is closed"},
	"context is nothing":       {func(m *Model) Backend { return noContext{m} }, "contexts/an ended context does nothing"},
	"conflicts harm others":    {func(m *Model) Backend { return &poisoned{Model: m} }, "batches/a conflict beside good operations"},
	"leavers harm others":      {func(m *Model) Backend { return &interrupted{Model: m} }, "contexts/callers that leave harm nobody"},
}

// The suite can fail: each mutant, in a process of its own, fails its case.
func TestSuiteFindsMutants(t *testing.T) {
	all := maps.Clone(mutants)
	maps.Copy(all, operatorMutants)
	maps.Copy(all, replicaMutants)
	maps.Copy(all, matchingMutants)
	maps.Copy(all, auditMutants)
	maps.Copy(all, livesMutants)
	maps.Copy(all, exchangeMutants)
	if len(all) != len(mutants)+len(operatorMutants)+len(replicaMutants)+len(matchingMutants)+len(auditMutants)+len(livesMutants)+len(exchangeMutants) {
		t.Fatal("two mutants of one name")
	}
	if name := os.Getenv("STORAGETEST_MUTANT"); name != "" {
		Run(t, func(*testing.T) Fixture { return openMutant(all[name].wrap) })
		return
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			find, law, _ := strings.Cut(m.find, ": ")
			path := "TestSuiteFindsMutants/" + strings.ReplaceAll(find, " ", "_")
			only := "^" + strings.ReplaceAll(path, "/", "$/^") + "$"
			var out []byte
			var err error
			for range 5 { // a race may go well by chance
				cmd := exec.Command(program, "-test.run", only, "-test.v", "-rapid.nofailfile", "-rapid.shrinktime", "0s",
					"-rapid.checks", "500") // as many as it takes, however busy the machine is
				cmd.Env = append(os.Environ(), "STORAGETEST_MUTANT="+name)
				out, err = cmd.CombinedOutput()
				if found(out, err, path, law) {
					return
				}
			}
			t.Errorf("%q does not find it: %v\n%s", m.find, err, out)
		})
	}
}

// found reports whether a case failed, and by a law.
func found(out []byte, err error, path, law string) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && strings.Contains(string(out), "--- FAIL: "+path+" ") && strings.Contains(string(out), law)
}

func openMutant(wrap func(*Model) Backend) Fixture {
	m := NewModel()
	return Fixture{
		Backend: wrap(m), AddService: func(d time.Duration) { m.AddService(d) },
		Reopen: func() Backend { m = m.Reopen(); return wrap(m) },
	}
}

// pause is where a mutant lets others in between a look and a write.
func pause() { time.Sleep(time.Millisecond) }

// with runs something on a model's state, past its rules.
func with(m *Model, run func(*state)) {
	m.state.mu.Lock()
	defer m.state.mu.Unlock()
	run(m.state)
}

// forgets is what comes out of a restart without the sessions and the ring.
func forgets(m *Model) Backend {
	with(m, func(s *state) {
		clear(s.sessions)
		s.sealed, s.version = nil, 0
	})
	return m
}

// rowOf looks at a session.
func rowOf(m *Model, t storage.RefreshToken) (row storage.Session) {
	with(m, func(s *state) { row = s.sessions[t.SessionID()] })
	return row
}
