package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/storage"
)

// A site is a real Django site; see testdata/django_site.py.
type site struct {
	*testing.T
	database string
	env      []string
	users    []siteUser
}

type siteUser struct {
	ID       int64
	Username string
	Password string
}

func (s *site) do(stdin string, args ...string) []byte {
	s.Helper()
	cmd := exec.CommandContext(s.Context(), "/usr/bin/python3", append([]string{"testdata/django_site.py", s.database}, args...)...)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stdin = strings.NewReader(stdin)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.Is(err, os.ErrNotExist) || errors.As(err, &exit) && exit.ExitCode() == 3 {
		lacking(s.T, "Debian's python3-django, python3-argon2, python3-bcrypt and python3-psycopg2", fmt.Errorf("%w: %s", err, errs.Bytes()))
	}
	if err != nil {
		s.Fatalf("%v: %v\n%s", args, err, errs.Bytes())
	}
	return out
}

// make makes the site's users.
func (s *site) make() {
	s.Helper()
	if err := json.Unmarshal(s.do("", "make"), &s.users); err != nil {
		s.Fatal(err)
	}
}

// imported runs an import and returns how it ended and what became of each user.
func (d *desk) imported(args ...string) (result, map[string]string) {
	d.Helper()
	report := filepath.Join(d.TempDir(), "report")
	r := d.execute(append([]string{"user", "import", "--report", report}, args...)...)
	outcomes := map[string]string{}
	for line := range strings.Lines(read(d.T, report)) {
		var v struct {
			At, Username, Outcome string
			Changed               []string
			Problems              []struct{ Field, Advice string }
		}
		if err := json.Unmarshal([]byte(line), &v); err != nil || v.At == "" {
			d.Fatalf("the report has %q: %v", line, err)
		}
		outcomes[v.Username] = v.Outcome
		for _, p := range v.Problems {
			outcomes[v.Username] += ": " + p.Field + ": " + p.Advice
		}
		if len(v.Changed) > 0 {
			outcomes[v.Username] += " " + strings.Join(v.Changed, " ")
		}
	}
	if strings.Contains(r.out+r.err+read(d.T, report), "$") {
		d.Errorf("a hash is shown:\n%s%s", r.out, r.err)
	}
	return r, outcomes
}

// all checks that everybody became the same, but for those whom the import refuses.
func (d *desk) all(r result, outcomes map[string]string, want string) {
	d.Helper()
	for name, outcome := range outcomes {
		switch name {
		case "by-md5":
			if !strings.Contains(outcome, "refused: password_hash: ") || !strings.Contains(outcome, "Django's md5 is not taken") {
				d.Errorf("%s: %s", name, outcome)
			}
		case "beyond":
			if !strings.Contains(outcome, "pbkdf2_sha256 with 9000000 iterations, at most 2500000") {
				d.Errorf("%s: %s", name, outcome)
			}
		default:
			if outcome != want {
				d.Errorf("%s: %s, want %s", name, outcome, want)
			}
		}
	}
	if r.code != exitUsage || !strings.Contains(r.out, " 2 refused\n") || !strings.Contains(r.err, "2 of 10 users were refused") || len(outcomes) != 10 {
		d.Errorf("ended with %d: %s%s\n%v", r.code, r.out, r.err, outcomes)
	}
}

// hashes are the hashes in the store, by name.
func (d *desk) hashes() map[string]string {
	d.Helper()
	hashes := map[string]string{}
	for line := range strings.Lines(d.ok("", "user", "export")) {
		var u struct {
			Username string
			Hash     string `json:"password_hash"`
		}
		if err := json.Unmarshal([]byte(line), &u); err != nil {
			d.Fatal(err)
		}
		hashes[u.Username] = u.Hash
	}
	return hashes
}

// tokenOf signs in over HTTP and returns the claims of the access token, nil if
// that is refused.
func tokenOf(t *testing.T, s *running, username, password string) map[string]any {
	t.Helper()
	resp, err := http.PostForm("http://"+s.logged("public")+"/oauth2/token", url.Values{
		"grant_type": {"password"}, "client_id": {"web"}, "username": {username}, "password": {password},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	if resp.StatusCode != http.StatusOK || json.Unmarshal(text, &answer) != nil {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(answer.Token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.UseNumber()
	if err := dec.Decode(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// TestImportDjango: the users of a real Django site come over with whatever
// hashes it made, sign in with the passwords of there, and have our hash from
// then on; what was said before, a dry run foresaw; and doing it again changes
// nothing. Then all go back into another Django.
func TestImportDjango(t *testing.T) {
	t.Parallel()
	buildProgram(t)
	d := newDesk(t)
	dir := d.TempDir()
	s := &site{T: t, database: filepath.Join(dir, "db.sqlite3")}
	s.make()
	dump := filepath.Join(dir, "dump.json")
	write(t, dump, string(s.do("", "dumpdata", "contenttypes", "auth")))
	before := read(t, s.database)

	r, outcomes := d.imported(dump, "--dry-run")
	d.all(r, outcomes, "created")
	if left := files(t, d.data); len(left) > 0 {
		t.Errorf("a dry run made %v", left)
	}
	r, outcomes = d.imported(dump)
	d.all(r, outcomes, "created")
	r, outcomes = d.imported("--from-django", s.database) // the same, live
	d.all(r, outcomes, "unchanged")
	if read(t, s.database) != before {
		t.Error("the site's database was changed")
	}

	d.ok("", "client", "add", "--id=web", "--audience=api", "--claim", "user_id roles groups entitlements")
	server := d.process("--issuer", someIssuer) // the race detector makes hashing take longer than a request may wait
	hashes := d.hashes()
	for _, u := range s.users {
		claims := tokenOf(t, server, u.Username, u.Password)
		if (claims == nil) != (u.Username == "by-md5") {
			t.Errorf("%s: signed in with %v", u.Username, claims)
		}
		if id := claims["user_id"]; claims != nil && id != json.Number(fmt.Sprint(u.ID)) {
			t.Errorf("%s: user_id is %T %v, want the number %d", u.Username, id, id, u.ID)
		}
		switch {
		case u.Username == "by-scrypt" && fmt.Sprint(claims["groups"], claims["entitlements"]) != `[editors staff: ünïcode, "quoted"] [auth.add_user auth.change_group]`,
			u.Username == "by-bcrypt" && fmt.Sprint(claims["roles"], claims["groups"], claims["entitlements"]) != `[staff] [editors] [auth.change_group]`,
			u.Username == "by-argon2" && fmt.Sprint(claims["roles"], claims["groups"]) != `[superuser] <nil>`:
			t.Errorf("%s: %v", u.Username, claims)
		}
	}
	for name, pw := range map[string]string{"gone": "the password of gone", "nobody": "!", "beyond": "NaCl", "by-scrypt": "the password of argon2"} {
		if tokenOf(t, server, name, pw) != nil {
			t.Errorf("%s signed in", name)
		}
	}
	ours := d.hashes()
	for _, u := range s.users {
		if was, is := hashes[u.Username], ours[u.Username]; was != "" && (was == is || !strings.HasPrefix(is, "$argon2id$v=19$m=19456,t=2,p=1$")) {
			t.Errorf("%s: the hash was %s and is %s", u.Username, was, is)
		}
	}
	for _, args := range [][]string{{dump}, {"--from-django", s.database}} {
		r, outcomes = d.imported(args...)
		d.all(r, outcomes, "unchanged")
	}
	if again := d.hashes(); fmt.Sprint(again) != fmt.Sprint(ours) {
		t.Error("an import set hashes back")
	}

	back := &site{T: t, database: filepath.Join(dir, "other.sqlite3")}
	back.do("", "migrate", "--verbosity=0")
	back.load(d, s.users)
}

// load has Django take an export of ours in, and check everybody's password.
func (s *site) load(d *desk, users []siteUser) {
	s.Helper()
	fixture := filepath.Join(d.TempDir(), "users.json")
	d.ok("", "user", "export", "--format=django", "--out", fixture)
	if info, err := os.Stat(fixture); err != nil || info.Mode().Perm() != 0o600 {
		s.Errorf("the export is %v, %v", info, err)
	}
	s.do("", "loaddata", fixture)
	passwords, want := map[string]string{"nobody": "!", "gone": "the password of gone"}, []string{}
	for _, u := range users {
		if passwords[u.Username] = u.Password; u.Username != "by-md5" {
			want = append(want, u.Username)
		}
	}
	asked, err := json.Marshal(passwords)
	if err != nil {
		s.Fatal(err)
	}
	var got []string
	if err := json.Unmarshal(s.do(string(asked), "check"), &got); err != nil {
		s.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		s.Errorf("in Django %q sign in, want %q", got, want)
	}
	var users2 []struct {
		PK     int64
		Fields struct {
			Username string
			Groups   [][]string
			Staff    bool `json:"is_staff"`
		}
	}
	if err := json.Unmarshal(s.do("", "dumpdata", "auth.user", "--natural-foreign"), &users2); err != nil {
		s.Fatal(err)
	}
	for _, u := range users2 {
		if i := slices.IndexFunc(users, func(o siteUser) bool { return o.Username == u.Fields.Username }); i >= 0 && users[i].ID != u.PK {
			s.Errorf("%s has the id %d, and had %d", u.Fields.Username, u.PK, users[i].ID)
		}
		if u.Fields.Username == "by-bcrypt" && (fmt.Sprint(u.Fields.Groups) != "[[editors]]" || !u.Fields.Staff) {
			s.Errorf("%+v", u)
		}
	}
}

// TestImportCrypt: hashes of crypt(3) as openssl makes them, from a table.
func TestImportCrypt(t *testing.T) {
	t.Parallel()
	need(t, "openssl")
	d := newDesk(t)
	hash := func(pw string, args ...string) string {
		cmd := exec.Command("openssl", append([]string{"passwd"}, append(args, "-stdin")...)...)
		cmd.Stdin = strings.NewReader(pw + "\n")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	pw := storage.RandomSecret().Reveal()
	table := "username,password\nsix," + hash(pw, "-6") + "\nfive," + hash(pw, "-5") + "\none," + hash(pw, "-1") + "\n"
	r := d.run(table, "user", "import", "-")
	if r.code != exitUsage || !strings.Contains(r.out, "line 4: one: refused: password_hash: ") || !strings.Contains(r.out, "md5-crypt is not taken") ||
		!strings.Contains(r.out, "\n2 created, 0 updated, 0 unchanged, 1 refused\n") || !strings.Contains(r.err, "--without-unknown-hashes") {
		t.Errorf("ended with %d: %s%s", r.code, r.out, r.err)
	}
	if out := d.ok(table, "user", "import", "-", "--without-unknown-hashes"); !strings.Contains(out, "line 4: one: created; without its password: ") || !strings.Contains(out, "1 created, 0 updated, 2 unchanged, 0 refused") {
		t.Error(out)
	}
	d.ok("", "client", "add", "--id=web", "--audience=api")
	server := d.serve("--issuer", someIssuer)
	for name, want := range map[string]bool{"six": true, "five": true, "one": false} {
		if got := tokenOf(t, server, name, pw) != nil; got != want {
			t.Errorf("%s: signed in: %v", name, got)
		}
	}
	if h := d.hashes(); !strings.HasPrefix(h["six"], "$argon2id$") || !strings.HasPrefix(h["five"], "$argon2id$") || h["one"] != "" {
		t.Errorf("the hashes are %q", h)
	}
}
