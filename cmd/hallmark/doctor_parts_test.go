package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
)

func TestDifference(t *testing.T) {
	for _, tt := range []struct{ want, got, how string }{
		{"https://a.example", "https://a.example", ""},
		{"https://a.example", "https://a.example/", "a final slash too many"},
		{"https://a.example/t/", "https://a.example/t", "a final slash less"},
		{"https://a.example", "http://a.example", "scheme http instead of https (the server does not know that TLS ends in front of it)"},
		{"https://a.example", "https://A.example", "upper and lower case in the host"},
		{"https://a.example/t", "https://a.example/T", "upper and lower case in the path"},
		{"https://a.example", "https://a.example:8443", "port 8443 instead of left out"},
		{"https://a.example:443", "https://a.example", "port left out instead of 443"},
		{"https://a.example", "https://b.example", "host b.example instead of a.example"},
		{"https://a.example", "http://hallmark:8080", "scheme http instead of https (the server does not know that TLS ends in front of it), host hallmark, an internal name, instead of a.example, port 8080 instead of left out"},
		{"https://auth.svc", "https://a.example", "host a.example instead of auth.svc, which is an internal name"},
		{"https://a.example", "https://10.1.2.3", "host 10.1.2.3, an internal name, instead of a.example"},
		{"https://a.example", "https://a.example/tenant", "path /tenant instead of left out"},
		{"https://a.example", "https://a.example?x", "another query or fragment"},
		{"https://a.example", "HTTPS://a.example", "they are written differently"},
		{"https://a.example", "https://a b", "one of them is not a URL"},
	} {
		if got := difference(tt.want, tt.got); got != tt.how {
			t.Errorf("%s and %s: %q, want %q", tt.want, tt.got, got, tt.how)
		}
	}
}

// FuzzDifference: whatever a server calls itself, it is told apart from the
// expected name, and only from another.
func FuzzDifference(f *testing.F) {
	for _, got := range []string{"https://a.example", "https://a.example/", "", "%", "https://[::1]:8/x?y#z", "\x00", "//a.example"} {
		f.Add("https://a.example", got)
	}
	f.Fuzz(func(t *testing.T, want, got string) {
		if how := difference(want, got); (how == "") != (want == got) {
			t.Errorf("%q and %q: %q", want, got, how)
		}
	})
}

// TestSkew: whenever the other clock was read between two moments, the truth
// lies within what is given.
func TestSkew(t *testing.T) {
	began := time.Date(2026, 11, 23, 12, 0, 0, 300e6, time.UTC)
	for _, ahead := range []time.Duration{0, time.Second, -time.Second, 3 * time.Minute, -time.Hour, 700 * time.Millisecond} {
		for _, trip := range []time.Duration{0, 10 * time.Millisecond, 4 * time.Second} {
			for _, at := range []float64{0, 0.1, 0.5, 1} {
				read := began.Add(time.Duration(at * float64(trip)))
				date := read.Add(ahead).Truncate(time.Second)
				lead, slack := skew(date, began, began.Add(trip))
				if off := (lead - ahead).Abs(); off > slack || slack > trip/2+time.Second {
					t.Errorf("%s ahead, read at %v of %s: found %s ± %s", ahead, at, trip, lead, slack)
				}
			}
		}
	}
}

func TestDirective(t *testing.T) {
	for policy, want := range map[string]time.Duration{
		"public, max-age=300": 300 * time.Second, "Max-Age=\"5\"": 5 * time.Second, "no-store": -1, "": -1, "max-age=x": -1, "max-age=-1": -1, "s-maxage=9": -1,
	} {
		got, ok := directive(policy, "max-age")
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %s, %v", policy, got, ok)
		}
	}
}

// examined is what the doctor knows of a store that was served for a moment.
func examined(t *testing.T) *examination {
	d := newDesk(t)
	d.serve("--issuer", someIssuer).stop(t)
	x := &examination{doctorCmd: &doctorCmd{}, process: &process{getenv: func(string) string { return "" }}, now: time.Now}
	x.Data = d.data
	t.Cleanup(x.close)
	for _, check := range x.checks()[:7] {
		if f := check.run(t.Context()); f.Verdict == isFail {
			t.Fatalf("%s: %+v", check.id, f)
		}
	}
	return x
}

// TestClocks: what the store remembers of clocks gives away one that is wrong.
func TestClocks(t *testing.T) {
	t.Parallel()
	x := examined(t)
	at := x.at
	for name, tt := range map[string]struct {
		wall, service time.Duration // since the keys were made
		verdict, part string
	}{
		"right":          {0, 0, isOK, "in step"},
		"behind":         {-time.Hour - time.Minute, 0, isFail, "behind: a key was made 1h"},
		"a little":       {-time.Minute, 0, isOK, "in step"},
		"set back":       {time.Hour, 20 * time.Hour, isFail, "set back"},
		"out of service": {20 * time.Hour, time.Hour, isOK, "out of service for 19h0m"},
	} {
		x.at = keys.Instant{Wall: at.Wall.Add(tt.wall), Service: at.Service.Add(tt.service)}
		if f := x.clockStore(t.Context()); f.Verdict != tt.verdict || !strings.Contains(f.Seen, tt.part) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// TestLine: each line has a key that signs and one that waits, and the next
// rotation is when the one that waits may sign.
func TestLine(t *testing.T) {
	t.Parallel()
	x := examined(t)
	at := x.at
	if seen, problem := x.line(keys.ES256); problem != "" || !strings.HasSuffix(seen, "the next one from "+stamp(at.Wall.Add(30*24*time.Hour))) && !strings.Contains(seen, "the next one from ") {
		t.Errorf("%q, %q", seen, problem)
	}
	if _, problem := x.line("EdDSA"); problem != "no key" {
		t.Errorf("an unknown line: %q", problem)
	}
	month := 31 * 24 * time.Hour
	x.at = keys.Instant{Wall: at.Wall.Add(month), Service: at.Service.Add(month)}
	if _, problem := x.line(keys.ES256); !strings.Contains(problem, "no key waits") {
		t.Errorf("after the last rotation: %q", problem)
	}
	// Out of service nearly all the time: the key signs 25 hours of service later.
	x.at = keys.Instant{Wall: at.Wall.Add(month), Service: at.Service}
	seen, problem := x.line(keys.ES256)
	_, from, _ := strings.Cut(seen, "the next one from ")
	next, err := time.Parse(time.RFC3339, from)
	if wait := next.Sub(x.at.Wall); problem != "" || err != nil || wait < 24*time.Hour || wait > 25*time.Hour {
		t.Errorf("after an outage: %q, %q: %s", seen, problem, wait)
	}
}

// TestOpsURL: without --ops the operators' listener is where serve's settings put it.
func TestOpsURL(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"http://127.0.0.1:8081":    nil,
		"http://127.0.0.1:9":       {"--ops-listen", "0.0.0.0:9"},
		"https://127.0.0.1:9":      {"--ops-listen", ":9", "--ops-tls-cert", "x"},
		"https://ops.example:8081": {"--ops-listen", ":9", "--ops", "https://ops.example:8081/"},
	} {
		if got, err := parsedDoctor(t, args...).url(); err != nil || got != want {
			t.Errorf("with %v it is %s, %v; want %s", args, got, err, want)
		}
	}
}

func parsedDoctor(t *testing.T, args ...string) *doctorCmd {
	t.Helper()
	var cmds commands
	p := &process{stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }}
	parser, err := p.parser(&cmds)
	if err == nil {
		_, err = parser.Parse(append([]string{"doctor", "check"}, args...))
	}
	if err != nil {
		t.Fatal(err)
	}
	return &cmds.Doctor.Check
}

// TestDoctorManual: docs/doctor.md says what each check means.
func TestDoctorManual(t *testing.T) {
	manual, err := os.ReadFile(filepath.Join(repo(t), "docs", "doctor.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range (&examination{doctorCmd: &doctorCmd{OldTokens: OldTokens{SimpleJWTOldKeyFile: "key"}}}).checks() {
		if !strings.Contains(string(manual), "`"+check.id+"`") {
			t.Errorf("docs/doctor.md lacks %s", check.id)
		}
	}
}
