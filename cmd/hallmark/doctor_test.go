package main

import (
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A ward is a running server that the doctor looks at.
type ward struct {
	*desk
	server      *running
	issuer, ops string
}

func newWard(t *testing.T) *ward {
	d := newDesk(t)
	chmod(t, d.data, 0o700)
	// The issuer must be known before: take a port and give it back.
	address := freeAddress(t)
	w := &ward{desk: d, issuer: "http://" + address}
	w.server = d.serve("--issuer", w.issuer, "--listen", address)
	w.ops = "http://" + w.server.logged("operators")
	return w
}

// examine runs the doctor with --json and returns its observations and exit code.
func (d *desk) examine(args ...string) (map[string]observation, result) {
	d.Helper()
	r := d.run("", append([]string{"doctor", "--json"}, args...)...)
	var list []observation
	if err := json.Unmarshal([]byte(r.out), &list); err != nil {
		d.Fatalf("the doctor ended with %d: %v in %s%s", r.code, err, r.out, r.err)
	}
	found := map[string]observation{}
	for _, f := range list {
		found[f.ID] = f
		if (f.Verdict == isFail || f.Verdict == isWarn) && f.Do == "" || f.Seen == "" {
			d.Errorf("%s (%s) says nothing: %+v", f.ID, f.Verdict, f)
		}
	}
	return found, r
}

func (d *desk) expect(found map[string]observation, id, verdict string, parts ...string) {
	d.Helper()
	f := found[id]
	if f.Verdict != verdict {
		d.Errorf("%s is %q, want %q: %+v", id, f.Verdict, verdict, f)
	}
	for _, part := range parts {
		if !strings.Contains(f.Seen+" | "+f.Do, part) {
			d.Errorf("%s: %q lacks %q", id, f.Seen+" | "+f.Do, part)
		}
	}
}

// TestDoctor: all is well beside a running server; when it is stopped, what
// needs it fails with advice, and the rest goes on; nothing is changed.
func TestDoctor(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	before := files(t, w.data)
	found, r := w.examine("--issuer", w.issuer, "--ops", w.ops)
	for id, f := range found {
		if want := map[bool]string{true: skipped, false: isOK}[strings.Contains(id, "tls")]; f.Verdict != want { // plain http
			t.Errorf("%s is %s: %+v", id, f.Verdict, f)
		}
	}
	if r.code != exitOK || r.err != "" || len(found) < 20 {
		t.Errorf("ended with %d, %s, %d checks", r.code, r.err, len(found))
	}
	w.expect(found, "ring", isOK, "ES256: ", "RS256: ", "the next one from ")
	if out := w.ok("", "doctor", "--issuer", w.issuer, "--ops", w.ops); !strings.Contains(out, "CHECK") || strings.Contains(out, "What to do") {
		t.Errorf("prints\n%s", out)
	}
	if out := w.ok("", "ready", "--ops", w.ops); out != "ready\n" {
		t.Errorf("ready prints %q", out)
	}
	w.env["HALLMARK_OPS_LISTEN"] = strings.TrimPrefix(w.ops, "http://")
	w.ok("", "ready")

	w.server.stop(t)
	stopped := files(t, w.data)
	found, r = w.examine("--issuer", w.issuer, "--ops", w.ops)
	for id, verdict := range map[string]string{
		"ready": isFail, "metadata-oauth": isFail, "metadata-openid": isFail, "key-set": skipped, "token-endpoint": skipped,
		"clock-issuer": skipped, "store": isOK, "store-write": isOK, "ring": isOK, "clock-store": isOK,
	} {
		w.expect(found, id, verdict)
	}
	w.expect(found, "metadata-oauth", isFail, "connection refused", "DNS")
	w.expect(found, "ready", isFail, "start the server")
	if r.code != exitFailure || !strings.Contains(errorLine(r.err), "3 of 22 checks failed: ready, metadata-oauth, metadata-openid") {
		t.Errorf("ended with %d: %s", r.code, r.err)
	}
	w.fails(exitFailure, "", []string{"ready", "--ops", w.ops}, "not ready", "whether the server runs")
	if !maps.Equal(named(before), named(stopped)) || !maps.Equal(named(stopped), named(files(t, w.data))) {
		t.Error("there are other files than before")
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(filepath.Join(w.data, "hallmark.db"+suffix)); err == nil {
			t.Errorf("the doctor left hallmark.db%s behind", suffix)
		}
	}
}

func named(files map[string]string) map[string]bool {
	out := map[string]bool{}
	for name := range files {
		out[name] = true
	}
	return out
}

// TestDoctorElsewhere: on an API's machine there is neither store nor server,
// and the issuer's name is what matters.
func TestDoctorElsewhere(t *testing.T) {
	w := newWard(t)
	api := newDesk(t)
	t.Chdir(api.data)
	api.data = "" // HALLMARK_DATA is not set
	found, r := api.examine("--issuer", w.issuer)
	if r.code != exitOK {
		t.Errorf("ended with %d: %s", r.code, r.err)
	}
	for _, id := range []string{"data-dir", "store", "ring", "kek", "key-set-ring"} {
		api.expect(found, id, skipped, "needs")
	}
	api.expect(found, "metadata-oauth", isOK)
	api.failsBeside(exitUsage, []string{"doctor"}, "nothing was examined", "--issuer")
	if entries, err := os.ReadDir("."); err != nil || len(entries) != 0 {
		t.Errorf("the doctor made %v, %v", entries, err)
	}
	// Named, but not there.
	for _, args := range [][]string{{"--data", "/nonexistent/data"}, {"--store", "/nonexistent/h.db"}} {
		if found, r = api.examine(args...); r.code == exitOK {
			t.Errorf("%v: ended with %d", args, r.code)
		}
		api.expect(found, "store", isFail, "/nonexistent/", "--data")
	}
}

// failsBeside is fails for a command that also says what it looked at.
func (d *desk) failsBeside(code int, args []string, parts ...string) {
	d.Helper()
	r := d.run("", args...)
	r.out = ""
	r.check(d.T, code, args, parts...)
}

// TestDoctorStore spoils a store in each way, and the doctor finds it.
func TestDoctorStore(t *testing.T) {
	t.Parallel()
	used := newDesk(t)
	used.serve("--issuer", someIssuer).stop(t)
	db := func(dir string) string { return filepath.Join(dir, "hallmark.db") }
	wrong := base64.StdEncoding.EncodeToString([]byte("another key-encryption key: 32 B"))
	for name, tt := range map[string]struct {
		spoil   func(t *testing.T, d *desk)
		id      string
		verdict string
		code    int
		parts   []string
	}{
		"nothing":              {func(*testing.T, *desk) {}, "ring", isOK, exitFailure, []string{"signs"}}, // no server
		"data dir for all":     {func(t *testing.T, d *desk) { chmod(t, d.data, 0o755) }, "data-dir", isWarn, exitFailure, []string{"0755", "chmod 700"}},
		"data dir writable":    {func(t *testing.T, d *desk) { chmod(t, d.data, 0o777) }, "data-dir", isFail, exitFailure, []string{"0777", "changed by other users"}},
		"data is a file":       {func(t *testing.T, d *desk) { d.data = "/dev/null" }, "data-dir", isFail, exitUnusable, []string{"not a directory"}},
		"database for all":     {func(t *testing.T, d *desk) { chmod(t, db(d.data), 0o644) }, "store-files", isWarn, exitFailure, []string{"0644", "chmod 600"}},
		"database writable":    {func(t *testing.T, d *desk) { chmod(t, db(d.data), 0o666) }, "store-files", isFail, exitFailure, []string{"chmod 600"}},
		"log for all":          {func(t *testing.T, d *desk) { hold(t, db(d.data), "SELECT 1"); chmod(t, db(d.data)+"-wal", 0o644) }, "store-files", isWarn, exitFailure, []string{"-wal", "0644"}},
		"no database":          {func(t *testing.T, d *desk) { remove(t, d.data, "hallmark.db") }, "store", isFail, exitUnusable, []string{"no such file", "--data"}},
		"foreign":              {func(t *testing.T, d *desk) { write(t, db(d.data), strings.Repeat("no SQLite", 999)) }, "store", isFail, exitUnusable, []string{"not a Hallmark database"}},
		"newer":                {func(t *testing.T, d *desk) { execSQL(t, db(d.data), "PRAGMA user_version = 999") }, "store", isFail, exitUnusable, []string{"newer", "upgrade"}},
		"older":                {func(t *testing.T, d *desk) { remove(t, d.data, "hallmark.db"); write(t, db(d.data), "") }, "store", isWarn, exitFailure, []string{"schema 0", "back up"}},
		"no write-ahead log":   {func(t *testing.T, d *desk) { execSQL(t, db(d.data), "PRAGMA journal_mode = DELETE") }, "store", isFail, exitUnusable, []string{`"delete"`, "local disk"}},
		"held":                 {func(t *testing.T, d *desk) { hold(t, db(d.data), "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE") }, "store", isFail, exitUnusable, []string{"another process holds"}},
		"write lock held":      {func(t *testing.T, d *desk) { hold(t, db(d.data), "BEGIN IMMEDIATE") }, "store", isFail, exitUnusable, []string{"another process", "end it"}},
		"no kek":               {func(t *testing.T, d *desk) { remove(t, d.data, "kek") }, "kek", isFail, exitUnusable, []string{"is missing"}},
		"kek for all":          {func(t *testing.T, d *desk) { chmod(t, filepath.Join(d.data, "kek"), 0o644) }, "kek", isFail, exitUnusable, []string{"chmod 600"}},
		"kek beside the store": {func(*testing.T, *desk) {}, "kek", isOK, exitFailure, []string{"elsewhere"}},
		"another kek":          {func(t *testing.T, d *desk) { d.env["HALLMARK_KEK"] = wrong }, "ring", isFail, exitUnusable, []string{"another key-encryption key", "nothing was changed"}},
		"ring damaged":         {func(t *testing.T, d *desk) { execSQL(t, db(d.data), "UPDATE ring SET sealed = x'00'") }, "ring", isFail, exitUnusable, []string{"restore"}},
		"no ring":              {func(t *testing.T, d *desk) { execSQL(t, db(d.data), "DELETE FROM ring") }, "ring", skipped, exitFailure, []string{"signing keys"}},
		"set back":             {func(t *testing.T, d *desk) { write(t, filepath.Join(d.data, "kek.seen"), `{"version":99}`) }, "kek-seen", isFail, exitUnusable, []string{"version 99", "has 1", "recover"}},
		"set back, ring":       {func(t *testing.T, d *desk) { write(t, filepath.Join(d.data, "kek.seen"), `{"version":99}`) }, "ring", isFail, exitUnusable, []string{"older"}},
		"mark damaged":         {func(t *testing.T, d *desk) { write(t, filepath.Join(d.data, "kek.seen"), `{`) }, "kek-seen", isFail, exitUnusable, []string{"--seen-file"}},
		"mark missing":         {func(t *testing.T, d *desk) { remove(t, d.data, "kek.seen") }, "kek-seen", isWarn, exitFailure, []string{"set back would not be noticed"}},
		"mark behind": {func(t *testing.T, d *desk) {
			d.ok("", "keys", "rotate")
			write(t, filepath.Join(d.data, "kek.seen"), `{"version":1}`)
		}, "kek-seen", isWarn, exitFailure, []string{"has 2"}},
		"mark writable for all": {func(t *testing.T, d *desk) { chmod(t, filepath.Join(d.data, "kek.seen"), 0o666) }, "kek-seen", isFail, exitUnusable, []string{"chmod 600"}},
		"postgres":              {func(t *testing.T, d *desk) { d.env["HALLMARK_STORE"] = "postgres://u:p@h/x" }, "store-files", isFail, exitFailure, []string{"SQLite"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			chmod(t, d.data, 0o700)
			for name, text := range files(t, used.data) {
				write(t, filepath.Join(d.data, name), text)
			}
			chmod(t, db(d.data), 0o600)
			chmod(t, filepath.Join(d.data, "kek"), 0o600)
			chmod(t, filepath.Join(d.data, "kek.seen"), 0o600)
			tt.spoil(t, d)
			var before map[string]string
			if d.data != "/dev/null" {
				before = files(t, d.data)
			}
			closed := httptest.NewServer(nil)
			closed.Close()
			found, r := d.examine("--issuer", "https://127.0.0.1:1", "--ops", closed.URL)
			d.expect(found, tt.id, tt.verdict, tt.parts...)
			if r.code != tt.code || strings.Contains(r.out+r.err, "u:p") {
				t.Errorf("ended with %d, want %d: %s", r.code, tt.code, r.err)
			}
			if d.data != "/dev/null" && !maps.Equal(named(before), named(files(t, d.data))) {
				t.Error("there are other files than before")
			}
		})
	}
}

// hold keeps a connection in a state until the test ends.
func hold(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
}

// newProxy puts a proxy in front of a server whose address is known later.
// meddle may answer in its place, edit may change its answers.
func newProxy(t *testing.T, back func() string, meddle func(http.ResponseWriter, *http.Request) bool, edit func(*http.Response)) string {
	t.Helper()
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: back()}) },
		ModifyResponse: func(r *http.Response) error { edit(r); return nil },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !meddle(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestDoctorProxies puts something in between that spoils an answer. The
// server's issuer is the proxy's URL, so that nothing else is wrong.
func TestDoctorProxies(t *testing.T) {
	isToken := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/token") }
	isKeys := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/jwks.json") }
	isMetadata := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/oauth-authorization-server") }
	none := func(http.ResponseWriter, *http.Request) bool { return false }
	leave := func(*http.Response) {}
	at := func(is func(*http.Request) bool, answer func(http.ResponseWriter, *http.Request)) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if is(r) {
				answer(w, r)
			}
			return is(r)
		}
	}
	set := func(is func(*http.Request) bool, name, value string) func(*http.Response) {
		return func(r *http.Response) {
			if is(r.Request) {
				if r.Header.Del(name); value != "" {
					r.Header.Set(name, value)
				}
			}
		}
	}
	later := func(d time.Duration) func(*http.Response) {
		return func(r *http.Response) { r.Header.Set("Date", time.Now().Add(d).UTC().Format(http.TimeFormat)) }
	}
	page := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(403)
		w.Write([]byte("<html>Request blocked\x1b[2J</html>"))
	}
	for name, tt := range map[string]struct {
		meddle  func(http.ResponseWriter, *http.Request) bool
		edit    func(*http.Response)
		id      string
		verdict string
		parts   []string
	}{
		"nothing":       {none, leave, "token-endpoint", isOK, nil},
		"firewall page": {at(isToken, page), leave, "token-endpoint", isFail, []string{"403", "page for people", "proxy"}},
		"page by type alone": {at(isToken, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Write([]byte("blocked"))
		}), leave, "token-endpoint", isFail, []string{"page for people"}},
		"status rewritten": {at(isToken, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte(`{"error":"invalid_request"}`))
		}), leave, "token-endpoint", isFail, []string{"200 OK", "OAuth error"}},
		"steers the terminal": {at(isMetadata, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte(`{"issuer":"https://a\u001b[2J"}`))
		}), leave, "metadata-oauth", isFail, []string{"not a URL"}},
		"redirect": {at(isToken, http.RedirectHandler("https://login.example/", http.StatusTemporaryRedirect).ServeHTTP), leave, "token-endpoint", isFail, []string{"307", "redirect to https://login.example/"}},
		"gateway's own JSON": {at(isToken, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(502)
			w.Write([]byte("{}"))
		}), leave, "token-endpoint", isFail, []string{"502"}},
		"no-store lost":       {none, set(isToken, "Cache-Control", "max-age=60"), "token-cache", isFail, []string{"no-store was lost"}},
		"token cached":        {none, set(isToken, "Age", "5"), "token-cache", isFail, []string{"Age"}},
		"key set redirected":  {at(isKeys, http.RedirectHandler("/elsewhere", http.StatusFound).ServeHTTP), leave, "key-set", isFail, []string{"302"}},
		"key set is a page":   {at(isKeys, page), leave, "key-set", isFail, []string{"page for people"}},
		"key set cached long": {none, set(isKeys, "Cache-Control", "public, max-age=86400"), "key-set-cache", isFail, []string{"86400", "max-age=300"}},
		"key set is stale":    {none, set(isKeys, "Age", "4000"), "key-set-cache", isFail, []string{"1h6m40s old"}},
		"no ETag":             {none, set(isKeys, "ETag", ""), "key-set-cache", isWarn, []string{"no ETag"}},
		"clock ahead":         {none, later(time.Hour), "clock-issuer", isFail, []string{"ahead", "bears 2m0s"}},
		"clock behind":        {none, later(-40 * time.Second), "clock-issuer", isWarn, []string{"behind"}},
		"clock about right":   {none, later(-5 * time.Second), "clock-issuer", isOK, []string{"behind"}},
		"no date":             {func(w http.ResponseWriter, _ *http.Request) bool { w.Header()["Date"] = nil; return false }, func(r *http.Response) { r.Header.Del("Date") }, "clock-issuer", isWarn, []string{"no date"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			w := &ward{desk: d}
			front := newProxy(t, func() string { return w.server.logged("public") }, tt.meddle, tt.edit)
			w.server = d.serve("--issuer", front)
			found, r := d.examine("--issuer", front, "--ops", "http://"+w.server.logged("operators"))
			d.expect(found, tt.id, tt.verdict, tt.parts...)
			if want := map[bool]int{true: exitFailure}[tt.verdict == isFail]; r.code != want || strings.Contains(found[tt.id].Seen+found[tt.id].Do, "\x1b") {
				t.Errorf("ended with %d: %s", r.code, r.err)
			}
		})
	}
}

// TestDoctorNames: the issuer under another name than its own.
func TestDoctorNames(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	port := strings.TrimPrefix(w.issuer, "http://127.0.0.1:")
	for name, tt := range map[string]struct {
		issuer string
		parts  []string
	}{
		"slash": {w.issuer + "/", []string{"a final slash less", "byte for byte"}},
		"host":  {"http://localhost:" + port, []string{"host 127.0.0.1, an internal name, instead of localhost"}},
	} {
		found, r := w.examine("--issuer", tt.issuer, "--ops", w.ops)
		w.expect(found, "metadata-oauth", isFail, tt.parts...)
		w.expect(found, "metadata-openid", isFail, tt.parts...)
		if r.code != exitFailure {
			t.Errorf("%s: ended with %d", name, r.code)
		}
	}
	found, _ := w.examine("--issuer", w.issuer+"/tenant", "--ops", w.ops)
	w.expect(found, "metadata-oauth", isFail, "404")
	found, _ = w.examine("--issuer", "issuer.example", "--ops", w.ops)
	w.expect(found, "issuer", isFail, "not an absolute URL")
	w.expect(found, "metadata-oauth", skipped)
}

// TestDoctorLag: the key set of another server is not that of this store; one
// that changes while the doctor looks is.
func TestDoctorLag(t *testing.T) {
	t.Parallel()
	w, other := newWard(t), newDesk(t)
	other.serve("--issuer", someIssuer).stop(t)
	found, r := other.examine("--issuer", w.issuer, "--ops", w.ops)
	other.expect(found, "key-set-ring", isFail, "missing ", "too many ", "same server")
	if r.code != exitFailure {
		t.Errorf("ended with %d", r.code)
	}
	w.ok("", "keys", "rotate", "--now") // the server hears of it with its next poll
	found, r = w.examine("--issuer", w.issuer, "--ops", w.ops)
	w.expect(found, "key-set-ring", isOK, "version")
	if r.code != exitOK {
		t.Errorf("ended with %d: %s", r.code, r.err)
	}
}

// TestDoctorOvertaken: the keys are turned over after the doctor has read the ring.
func TestDoctorOvertaken(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	x := &examination{doctorCmd: &doctorCmd{Issuer: w.issuer}, process: &process{getenv: func(string) string { return "" }}, now: time.Now, client: outside()}
	x.Data = w.data
	t.Cleanup(x.close)
	_, before := get(t, w.issuer+"/.well-known/jwks.json")
	for _, check := range x.checks() {
		switch check.id {
		case "key-set": // by now the ring was read
			w.ok("", "keys", "rotate", "--now")
			for after := before; after == before; time.Sleep(100 * time.Millisecond) {
				_, after = get(t, w.issuer+"/.well-known/jwks.json")
			}
		case "key-set-ring":
			if f := check.run(t.Context()); f.Verdict != isOK || !strings.Contains(f.Seen, "version 2") {
				t.Errorf("found %+v", f)
			}
			return
		case "ready": // not of interest, and elsewhere
			continue
		}
		if f := check.run(t.Context()); f.Verdict == isFail {
			t.Fatalf("%s: %+v", check.id, f)
		}
	}
}

// TestReady: the server's own reason, and answers that are not the server's.
func TestReady(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	status, body := 503, `{"status":"not ready","reason":"shutting down"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); w.Write([]byte(body)) }))
	defer server.Close()
	d.fails(exitFailure, "", []string{"ready", "--ops", server.URL}, "not ready: shutting down")
	if r := d.run("", "ready", "--json", "--ops", server.URL); r.code != exitFailure || !strings.Contains(r.out, `"ready": false`) {
		t.Errorf("ended with %d: %s", r.code, r.out)
	}
	status, body = 200, "<html>"
	d.fails(exitFailure, "", []string{"ready", "--ops", server.URL}, "not what this server would")
	for _, ops := range []string{"127.0.0.1:8081", "ftp://x", "http://u:p@x", "http://x/readyz"} {
		d.fails(exitUsage, "", []string{"ready", "--ops", ops}, "--ops", "http://127.0.0.1:8081")
	}
	for listen, want := range map[string]string{":8081": "127.0.0.1:8081", "0.0.0.0:1": "127.0.0.1:1", "[::]:2": "127.0.0.1:2", "10.1.1.1:3": "10.1.1.1:3"} {
		if got := dialable(listen); got != want {
			t.Errorf("%s is reached at %s", listen, got)
		}
	}
}
