package interop

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A probe is a line of django/simplejwt.jsonl: one request. In the body
// <<access>> and <<refresh:STATE|EDIT>> are tokens of the server that is asked,
// <<x:100>> is a hundred x, <<hex:ff>> is that byte.
type probe struct {
	Name     string            `json:"name"`
	To       string            `json:"to"` // below /api/token/; "-": that without the slash
	Method   string            `json:"method"`
	Type     *string           `json:"type"` // absent: no Content-Type
	Headers  map[string]string `json:"headers"`
	Body     string            `json:"body"`
	Rotating bool              `json:"rotating"` // where refresh tokens are rotated
	Differs  string            `json:"differs"`  // the difference in docs/simplejwt.md that it shows
}

func corpus(t *testing.T, rotating bool) (probes []probe) {
	t.Helper()
	for line := range strings.Lines(read(t, "django/simplejwt.jsonl")) {
		p := probe{Method: "POST"}
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if p.Rotating == rotating {
			probes = append(probes, p)
		}
	}
	return probes
}

// tokens are an access and a refresh token, by these names.
type tokens map[string]string

// An authority is a server with Simple JWT's paths: Simple JWT's own, or ours.
type authority struct {
	url     string
	change  func(t *testing.T, user, what string)           // what happens to users while they are signed in
	expired func(t *testing.T, signIn func() tokens) string // an access token that is over
	states  map[string]tokens                               // by what became of them; "": nothing
	callers atomic.Int32
}

// An outcome is what both servers must agree on.
type outcome struct {
	status    int
	challenge string
	allow     string // of 405
	body      string // members with their types, and the code
}

func (o outcome) String() string {
	return fmt.Sprintf("%d %s %s%s", o.status, o.body, o.challenge, o.allow)
}

// ask sends a probe, again where the server says that it is busy: the machine is.
func (a *authority) ask(t *testing.T, p probe) (outcome, []byte) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		resp, err := http.DefaultTransport.RoundTrip(a.request(t, p)) // follows no redirect
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
			return outcome{}, nil
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		if resp.StatusCode == http.StatusServiceUnavailable && time.Now().Before(deadline) {
			continue
		}
		o := outcome{status: resp.StatusCode, challenge: resp.Header.Get("WWW-Authenticate"), body: shape(resp.Header.Get("Content-Type"), body)}
		if o.status == http.StatusMethodNotAllowed {
			o.allow = resp.Header.Get("Allow")
		}
		return o, body
	}
}

// request makes a probe's request, from an address of its own, so that no
// throttle sees it together with others.
func (a *authority) request(t *testing.T, p probe) *http.Request {
	t.Helper()
	path := "/api/token/" + p.To
	if p.To == "-" {
		path = "/api/token"
	}
	req, err := http.NewRequestWithContext(t.Context(), p.Method, a.url+path, strings.NewReader(a.fill(t, p)))
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true // Django's server answers HEAD with a body
	n := a.callers.Add(1)
	req.Header.Set("X-Forwarded-For", fmt.Sprintf("10.0.%d.%d", n/250, n%250+1))
	types := map[string]string{"json": "application/json", "form": "application/x-www-form-urlencoded"}
	switch {
	case p.Type == nil:
	case types[*p.Type] != "":
		req.Header.Set("Content-Type", types[*p.Type])
	default:
		req.Header["Content-Type"] = []string{*p.Type}
	}
	for name, value := range p.Headers {
		req.Header.Set(name, value)
	}
	return req
}

// shape is what a program can go by in a body: the members and their types, and
// the code.
func shape(contentType string, body []byte) string {
	var members map[string]any
	switch {
	case len(body) == 0:
		return "nothing"
	case !strings.HasPrefix(contentType, "application/json"):
		return "no JSON"
	case json.Unmarshal(body, &members) != nil:
		return "no object"
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(members)) {
		kind := fmt.Sprintf("%T", members[name])
		if name == "code" {
			kind = fmt.Sprint(members[name])
		}
		parts = append(parts, name+" "+kind)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

var blank = regexp.MustCompile(`<<(\w+)(?::(\w+))?(?:\|(\w+))?>>`)

// fill puts the server's own tokens into a body.
func (a *authority) fill(t *testing.T, p probe) string {
	t.Helper()
	return blank.ReplaceAllStringFunc(p.Body, func(text string) string {
		part := blank.FindStringSubmatch(text)
		switch part[1] {
		case "hex":
			raw, err := hex.DecodeString(part[2])
			if err != nil {
				t.Fatal(err)
			}
			return string(raw)
		case "access", "refresh":
			token := a.states[part[2]][part[1]]
			if token == "" {
				t.Fatalf("%s: there is no such token", text)
			}
			return edited(t, token, part[3])
		}
		n, err := strconv.Atoi(part[2])
		if err != nil {
			t.Fatal(err)
		}
		return strings.Repeat(part[1], n)
	})
}

// edited does to a token what strangers do.
func edited(t *testing.T, token, edit string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	other := func(s string) string { // another character that is no padding
		return map[bool]string{true: "B", false: "A"}[s[0] == 'A'] + s[1:]
	}
	switch edit {
	case "":
		return token
	case "signature":
		return parts[0] + "." + parts[1] + "." + other(parts[2])
	case "payload":
		raw, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		more := strings.Replace(string(raw), "{", `{"x":1,`, 1)
		return parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(more)) + "." + parts[2]
	case "none":
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
	case "cut":
		return parts[0] + "." + parts[1] + "."
	case "fourth":
		return token + "." + parts[2]
	case "lines":
		return parts[0] + ".\\n" + parts[1] + "." + parts[2]
	}
	t.Fatalf("%s is no edit", edit)
	return ""
}

func text(s string) *string { return &s }

// signIn signs a user in, who must be let in.
func (a *authority) signIn(t *testing.T, user string) tokens {
	t.Helper()
	users := siteUsers()
	i := slices.IndexFunc(users, func(u siteUser) bool { return u.Name == user })
	return a.good(t, "", url.Values{"username": {user}, "password": {users[i].Password}})
}

// good sends a form that must be answered 200.
func (a *authority) good(t *testing.T, to string, form url.Values) tokens {
	t.Helper()
	got := tokens{}
	o, body := a.ask(t, probe{Name: to + form.Get("username"), To: to, Method: "POST", Type: text("form"), Body: form.Encode()})
	if o.status != 200 || json.Unmarshal(body, &got) != nil {
		t.Fatalf("%s%s answered %v %s", to, form.Get("username"), o, body)
	}
	return got
}

// prepare brings about the states that the corpus asks about. Probes are sent at
// once and in any order, so what one of them uses up is another's no more.
func (a *authority) prepare(t *testing.T, rotating bool) {
	t.Helper()
	alice := func() tokens { return a.signIn(t, "alice") }
	a.states = map[string]tokens{"": alice(), "new": alice(), "newer": alice(), "blacklisted": alice()}
	a.good(t, "blacklist/", url.Values{"refresh": {a.states["blacklisted"]["refresh"]}})
	if rotating {
		a.states["superseded"] = alice()
		a.states["rotated"] = a.good(t, "refresh/", url.Values{"refresh": {a.states["superseded"]["refresh"]}})
		a.states["turned"] = a.good(t, "refresh/", url.Values{"refresh": {alice()["refresh"]}})
		return
	}
	a.signIn(t, "zoë ☃") // from now on the hash here is of the normal form
	a.states["disabled"], a.states["dismissed"], a.states["changed"] = a.signIn(t, "dora"), a.signIn(t, "dora"), a.signIn(t, "carl")
	a.change(t, "dora", "disable")
	a.change(t, "carl", "password")
	a.states["expired"] = tokens{"access": a.expired(t, alice)}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			guess := url.Values{"username": {"guessed"}, "password": {"wrong"}}.Encode()
			a.ask(t, probe{Method: "POST", Type: text("form"), Body: guess, Headers: map[string]string{"X-Forwarded-For": "192.0.2.9"}})
		})
	}
	wg.Wait()
}

// compare sends the probes to both, and returns by difference the statuses that
// were found: theirs and ours. What agrees and should not, and what differs and
// is not said to, are errors.
func compare(t *testing.T, theirs, ours *authority, probes []probe) map[string][2][]int {
	t.Helper()
	found := map[string][2][]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	places := make(chan struct{}, 8)
	for _, p := range probes {
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			want, wantBody := theirs.ask(t, p)
			got, gotBody := ours.ask(t, p)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case want == got && p.Differs != "":
				t.Errorf("%s: said to differ as %q, and does not: %v", p.Name, p.Differs, got)
			case want != got && p.Differs == "":
				t.Errorf("%s: Simple JWT %v, Hallmark %v (%.120q, %.120q)", p.Name, want, got, wantBody, gotBody)
			case want != got:
				both := found[p.Differs]
				found[p.Differs] = [2][]int{append(both[0], want.status), append(both[1], got.status)}
			}
		})
	}
	wg.Wait()
	return found
}

// TestSimpleJWTCorpus: Hallmark answers what Simple JWT does, or the difference
// is in docs/simplejwt.md, with both statuses; and every difference there is one.
func TestSimpleJWTCorpus(t *testing.T) {
	needSimpleJWT(t)
	t.Parallel()
	found, asked := map[string][2][]int{}, 0
	for _, rotating := range []bool{false, true} {
		environment, client := "ROTATE=no", "--no-rotate"
		if rotating {
			environment, client = "ROTATE=yes", "--rotate"
		}
		site := startDjango(t, environment)
		theirs, ours := site.authority(), startSurface(t, site.users, client).authority()
		theirs.prepare(t, rotating)
		ours.prepare(t, rotating)
		probes := corpus(t, rotating)
		asked += len(probes)
		for id, statuses := range compare(t, theirs, ours, probes) {
			both := found[id]
			found[id] = [2][]int{append(both[0], statuses[0]...), append(both[1], statuses[1]...)}
		}
	}
	page := read(t, "../../docs/simplejwt.md")
	if asked < 150 || !strings.Contains(page, fmt.Sprintf("The tests send %d requests ", asked)) {
		t.Errorf("%d requests were sent; 150 are too few, and docs/simplejwt.md says how many", asked)
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| ([0-9, ]+) \\| ([0-9, ]+) \\| [^|]{20,} \\|$")
	for _, r := range row.FindAllStringSubmatch(page, -1) {
		both, differs := found[r[1]]
		if !differs {
			t.Errorf("docs/simplejwt.md lists %s, which is no difference", r[1])
		} else if theirs, ours := statuses(both[0]), statuses(both[1]); r[2] != theirs || r[3] != ours {
			t.Errorf("%s: docs/simplejwt.md says %s and %s; found are %s and %s", r[1], r[2], r[3], theirs, ours)
		}
		delete(found, r[1])
	}
	for id, both := range found {
		t.Errorf("docs/simplejwt.md does not list `%s` | %s | %s", id, statuses(both[0]), statuses(both[1]))
	}
}

func statuses(found []int) string {
	var out []string
	for _, status := range slices.Compact(slices.Sorted(slices.Values(found))) {
		out = append(out, strconv.Itoa(status))
	}
	return strings.Join(out, ", ")
}
