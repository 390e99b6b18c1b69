package transfer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/server/operator"
)

// taken is what a reader made of a text.
func taken(t *testing.T, read func(io.Reader, Each) error, text string) []operator.Arrival {
	t.Helper()
	var all []operator.Arrival
	if err := read(strings.NewReader(text), func(a operator.Arrival) error { all = append(all, a); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func dumpdata(m Mapping) func(io.Reader, Each) error {
	return func(r io.Reader, each Each) error { return Dumpdata(r, "auth.user", m, each) }
}

func lineReader(m Mapping) func(io.Reader, Each) error {
	return func(r io.Reader, each Each) error { return Lines(r, "auth.user", m, each) }
}

func csvReader(m Mapping) func(io.Reader, Each) error {
	return func(r io.Reader, each Each) error { return CSV(r, m, each) }
}

// show is an arrival in a form that is easy to compare.
func show(a operator.Arrival) string {
	text := a.At + " " + a.ForeignID + " " + a.Name
	if a.PasswordHash != nil {
		text += " hash=" + *a.PasswordHash
	}
	if a.Disabled != nil {
		text += fmt.Sprintf(" disabled=%v", *a.Disabled)
	}
	for _, l := range []struct {
		name string
		list *[]string
	}{{"roles", a.Roles}, {"groups", a.Groups}, {"entitlements", a.Entitlements}} {
		if l.list != nil {
			text += fmt.Sprintf(" %s=%q", l.name, *l.list)
		}
	}
	if len(a.Extra) > 0 {
		extra, _ := json.Marshal(a.Extra)
		text += " extra=" + string(extra)
	}
	if len(a.Drop) > 0 {
		text += fmt.Sprintf(" drop=%q", a.Drop)
	}
	if len(a.Problems) > 0 {
		text += " PROBLEMS " + a.Problems.Error()
	}
	return text
}

func compare(t *testing.T, got []operator.Arrival, want ...string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("missing: %s", want[i])
		case i >= len(want):
			t.Errorf("too many: %s", show(got[i]))
		case show(got[i]) != want[i]:
			t.Errorf("got  %s\nwant %s", show(got[i]), want[i])
		}
	}
}

const whole = `[
{"model": "contenttypes.contenttype", "pk": 4, "fields": {"app_label": "blog", "model": "post"}},
{"model": "auth.permission", "pk": 9, "fields": {"name": "x", "content_type": 4, "codename": "add_post"}},
{"model": "auth.permission", "pk": 10, "fields": {"name": "x", "content_type": ["blog", "post"], "codename": "change_post"}},
{"model": "auth.group", "pk": 2, "fields": {"name": "editors", "permissions": [10, ["delete_post", "blog", "post"]]}},
{"model": "auth.user", "pk": 17, "fields": {"username": "alice", "password": "h", "is_active": true, "is_staff": true, "is_superuser": true, "email": "a@b", "groups": [2], "user_permissions": [9]}},
{"model": "auth.user", "pk": "6f1c", "fields": {"username": "bob", "password": "", "is_active": false, "is_staff": false, "is_superuser": false, "email": "", "groups": [["editors"], ["other"]], "user_permissions": []}}
]
`

func TestDumpdata(t *testing.T) {
	m := Mapping{IDClaim: "user_id", Claims: map[string]string{"mail": "email"}}
	compare(t, taken(t, dumpdata(m), whole),
		`object 5 17 alice hash=h disabled=false roles=["staff" "superuser"] groups=["editors"] entitlements=["blog.add_post" "blog.change_post" "blog.delete_post"] extra={"mail":"a@b","user_id":17}`,
		`object 6 6f1c bob hash=! disabled=true roles=[] groups=["editors" "other"] entitlements=["blog.change_post" "blog.delete_post"] extra={"user_id":"6f1c"} drop=["mail"]`)

	jsonl := ""
	for line := range strings.Lines(whole) {
		if strings.HasPrefix(line, "{") {
			jsonl += strings.TrimSuffix(strings.TrimSpace(line), ",") + "\n"
		}
	}
	for i, a := range taken(t, lineReader(m), jsonl) {
		if got, want := "object"+strings.TrimPrefix(show(a), "line"), show(taken(t, dumpdata(m), whole)[i]); got != want {
			t.Errorf("as lines %s, want %s", got, want)
		}
	}
}

func TestMappingRules(t *testing.T) {
	var m Mapping
	for _, text := range []string{"superuser=none", "staff=role:office", "group:edit*=role:e-*", "group:*=none", "permission:blog.*=role:blog-*"} {
		r, err := ParseRule(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		m.Rules = append(m.Rules, r)
	}
	compare(t, taken(t, dumpdata(m), whole)[:1],
		`object 5 17 alice hash=h disabled=false roles=["office" "e-ors" "blog-add_post" "blog-change_post" "blog-delete_post"] entitlements=[]`)
}

func TestParseRule(t *testing.T) {
	for _, bad := range []string{"", "=", "staff", "staff=", "staff=x", "staff=role:", "staff:x=role:y", "group=role:x", "group:=none", "group:a=role:*",
		"group:a*b=role:x", "group:*=role:**", "user:x=role:x", "group:a=none:x", "none=none"} {
		if r, err := ParseRule(bad); err == nil {
			t.Errorf("%q is %+v", bad, r)
		}
	}
	if r, err := ParseRule("group:a=b: c=role:d=e"); err != nil || r != (Rule{fromGroup, "a=b: c", toRole, "d=e"}) {
		t.Errorf("%+v, %v", r, err)
	}
}

// Numbers that nothing in the dump explains refuse their user, unless nobody
// wants to know.
func TestDumpdataUnknown(t *testing.T) {
	const dump = `[{"model":"auth.user","pk":1,"fields":{"username":"a","password":"h","groups":[3],"user_permissions":[4]}},{"model":"auth.user","pk":null,"fields":{"username":"b"}}]`
	got := taken(t, dumpdata(Mapping{}), dump)
	for _, part := range []string{"group 3 is not in the dump: add --natural-foreign", "permission 4 is not in the dump"} {
		if !strings.Contains(got[0].Problems.Error(), part) {
			t.Errorf("%s", show(got[0]))
		}
	}
	if !strings.Contains(got[1].Problems.Error(), "without --natural-primary") {
		t.Errorf("%s", show(got[1]))
	}
	none := Mapping{Rules: []Rule{{fromGroup, "*", toNothing, ""}, {fromPermission, "*", toNothing, ""}}}
	for _, m := range []Mapping{{WithoutUnknown: true}, none} {
		if got := taken(t, dumpdata(m), dump); len(got[0].Problems) > 0 {
			t.Errorf("%s", show(got[0]))
		}
	}
}

func TestLines(t *testing.T) {
	const id = "4b7f3f1e-6a9e-4d93-a1b2-0c1d2e3f4a5b"
	text := "\uFEFF" + `{"sub":"` + id + `","username":"alice","password_hash":"h","disabled":true,"roles":["r"],"groups":null,"extra":{"n":12345678901234567890}}

{"id":17,"username":"bob","password":"p","is_active":1,"permissions":["a.b"]}
{"id":1.5,"username":"carol"}
{"foreign_id":"x","id":3,"username":"dave","roles":"r"}
not an object
{"username":"erin","username":"twice"}
{"username":"frank","is_active":"maybe","extra":[],"sub":"1"}
{"username":17}
{"username":"last"}`
	got := taken(t, lineReader(Mapping{IDClaim: "uid"}), text)
	compare(t, got,
		`line 1  alice hash=h disabled=true roles=["r"] groups=[] extra={"n":12345678901234567890}`,
		`line 3 17 bob hash=p disabled=false entitlements=["a.b"] extra={"uid":17}`,
		`line 4 1.5 carol extra={"uid":1.5} PROBLEMS id: must be a whole number or a text`,
		`line 5 x dave roles=["r"]`,
		`line 6   PROBLEMS line: it is not a JSON object`,
		`line 7   PROBLEMS line: at byte 37: member "username" is there twice`,
		`line 8 frank frank PROBLEMS sub: must be a UUID; is_active: must be true or false; extra: must be a JSON object`,
		`line 9   PROBLEMS username: must be a text`,
		`line 10 last last`)
	if got[0].ID.String() != id {
		t.Errorf("sub is %s", got[0].ID)
	}
}

func TestCSV(t *testing.T) {
	text := "\uFEFFid, username,password,is_active,groups,roles,email,extra\r\n" +
		"17,\"a, b\",h,t,x; y,\"[\"\"a;b\"\"]\",a@b,\"{\"\"n\"\":1}\"\r\n" +
		"017,bob,,,,,,\n" +
		"1,carol\n" +
		"2,dave,,0,[,,,[\n"
	compare(t, taken(t, csvReader(Mapping{IDClaim: "user_id", Claims: map[string]string{"mail": "email"}}), text),
		`line 2 17 a, b hash=h disabled=false roles=["a;b"] groups=["x" "y"] extra={"mail":"a@b","n":1,"user_id":17}`,
		`line 3 017 bob roles=[] groups=[] extra={"user_id":"017"} drop=["mail"]`,
		`line 4   PROBLEMS line: has 2 cells, and the first line has 8`,
		`line 5 2 dave disabled=true roles=[] extra={"user_id":2} drop=["mail"] PROBLEMS groups: must be a JSON array of texts, or texts with semicolons between them; extra: must be a JSON object: it is not a JSON object`)
}

// What cannot be read on from ends the import with the place and the reason,
// however long it is: no more than one row is in memory.
func TestBroken(t *testing.T) {
	endless := io.LimitReader(zeros{}, 1<<30)
	long := strings.Repeat("x", maxRow)
	for name, tt := range map[string]struct {
		read func(io.Reader, Each) error
		text io.Reader
		part string
	}{
		"cut off":          {dumpdata(Mapping{}), strings.NewReader(whole[:len(whole)/2]), "line 5: the array has no end"},
		"no array":         {dumpdata(Mapping{}), strings.NewReader(`{"a":1}`), "not a JSON array"},
		"no objects":       {dumpdata(Mapping{}), strings.NewReader(`[1]`), "not a JSON array of objects"},
		"no comma":         {dumpdata(Mapping{}), strings.NewReader(`[{"model":"auth.user","pk":1,"fields":{}} {}]`), "not a JSON array of objects"},
		"more after":       {dumpdata(Mapping{}), strings.NewReader(`[] []`), "after the end"},
		"no dump":          {dumpdata(Mapping{}), strings.NewReader(`[{"a":1}]`), "object 1: not an object of dumpdata"},
		"no users":         {dumpdata(Mapping{}), strings.NewReader(`[]`), "no object is of the model auth.user"},
		"other users":      {dumpdata(Mapping{}), strings.NewReader(`[{"model":"accounts.user","pk":1,"fields":{"password":"x"}}]`), "Then say --model accounts.user"},
		"wrong brackets":   {dumpdata(Mapping{}), strings.NewReader(`[{"a":(]}]`), "it is not valid JSON"},
		"long object":      {dumpdata(Mapping{}), io.MultiReader(strings.NewReader(`[{"a":"`), endless), "an object of more than 64 KiB"},
		"long line":        {lineReader(Mapping{}), io.MultiReader(strings.NewReader("{}\n"), endless), "line 2 is longer than 64 KiB"},
		"open quote":       {csvReader(Mapping{}), io.MultiReader(strings.NewReader("username\na\n\""), endless), "a row of more than 64 KiB"},
		"long header":      {csvReader(Mapping{}), strings.NewReader(long + long), "a row of more than 64 KiB"},
		"no column":        {csvReader(Mapping{}), strings.NewReader("name\na\n"), `no column is named "username"`},
		"two columns":      {csvReader(Mapping{}), strings.NewReader("username,username\na,b\n"), "two columns"},
		"empty":            {csvReader(Mapping{}), strings.NewReader(""), "it is empty"},
		"quote in a cell":  {csvReader(Mapping{}), strings.NewReader("username\na\nb\"\n"), "line 3"},
		"a reader's error": {lineReader(Mapping{}), io.MultiReader(strings.NewReader("{}\n"), failing{}), "disk"},
	} {
		err := tt.read(tt.text, func(operator.Arrival) error { return nil })
		if err == nil || !strings.Contains(err.Error(), tt.part) {
			t.Errorf("%s: %v, want %q", name, err, tt.part)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, fmt.Errorf("disk") }

func TestRecognize(t *testing.T) {
	for text, want := range map[string]string{" \n[": FormatDumpdata, "\uFEFF{": FormatLines, "id,x": FormatCSV, "": FormatCSV} {
		if got := Recognize(bufio.NewReader(strings.NewReader(text))); got != want {
			t.Errorf("%q is %s", text, got)
		}
	}
}

// fuzzed checks what holds of whatever a reader makes of foreign bytes.
func fuzzed(t *testing.T, a operator.Arrival) {
	for _, list := range []*[]string{a.Roles, a.Groups, a.Entitlements} {
		if list != nil && len(*list) > maxRow {
			t.Errorf("%d values", len(*list))
		}
	}
	if _, err := json.Marshal(a.Extra); err != nil {
		t.Errorf("claims that are not JSON: %v", err)
	}
	if slices.Contains(a.Drop, "") && len(a.Name) > maxRow {
		t.Error("no bound")
	}
}

func fuzz(f *testing.F, read func(io.Reader, Each) error, seeds ...string) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var first, second []string
		err := read(strings.NewReader(text), func(a operator.Arrival) error {
			fuzzed(t, a)
			first = append(first, show(a))
			return nil
		})
		again := read(io.MultiReader(strings.NewReader(text[:len(text)/2]), strings.NewReader(text[len(text)/2:])), func(a operator.Arrival) error {
			second = append(second, show(a))
			return nil
		})
		if (err == nil) != (again == nil) || !slices.Equal(first, second) {
			t.Errorf("read in two pieces it is something else: %q %v, %q %v", first, err, second, again)
		}
	})
}

func FuzzDumpdata(f *testing.F) {
	fuzz(f, dumpdata(Mapping{IDClaim: "user_id", Claims: map[string]string{"email": "email"}}), whole, `[]`, `[{"model":"auth.user","pk":1,"fields":{"username":"\"}","groups":[[["x"]]]}}]`)
}

func FuzzLines(f *testing.F) {
	fuzz(f, lineReader(Mapping{IDClaim: "user_id"}), `{"username":"a","extra":{"x":1},"roles":["a"]}`, "\n\n{}\r\n[", `{"model":"auth.user","pk":1,"fields":{"username":"x"}}`)
}

func FuzzCSV(f *testing.F) {
	fuzz(f, csvReader(Mapping{IDClaim: "user_id", Claims: map[string]string{"email": "email"}}), "id,username,groups,extra,email\n1,a,x;y,{},\n", "username\n\"\n", "\uFEFFusername,disabled\n,\n")
}

// TestRulesOfDjango: the Django app reads the same rules; its tests read the same file.
func TestRulesOfDjango(t *testing.T) {
	text, err := os.ReadFile("../../conformance/interop/django/rules.json")
	if err != nil {
		t.Fatal(err)
	}
	var rules map[string]bool
	if err := json.Unmarshal(text, &rules); err != nil || len(rules) < 20 {
		t.Fatal(err, len(rules))
	}
	for rule, good := range rules {
		if _, err := ParseRule(rule); (err == nil) != good {
			t.Errorf("%q: %v", rule, err)
		}
	}
}

func FuzzParseRule(f *testing.F) {
	f.Add("group:a*=role:b*", "abc")
	f.Fuzz(func(t *testing.T, text, name string) {
		r, err := ParseRule(text)
		if err != nil {
			return
		}
		if made, matches := r.apply(r.from, name); matches && len(made) > len(text)+len(name) {
			t.Errorf("%q makes %q of %q", text, made, name)
		}
	})
}
