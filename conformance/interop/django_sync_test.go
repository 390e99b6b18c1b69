package interop

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestDjangoSync: what happens to users, groups and permissions in a Django site
// is so at Hallmark within seconds, by the rules of the import.
func TestDjangoSync(t *testing.T) {
	needSimpleJWT(t)
	t.Parallel()
	h := startHallmark(t)
	s := startSynced(t, h, "auth.User", settings{
		"MAP": []string{"group:editors=role:editor", "group:shop-*=entitlement:shop.*", "permission:auth.delete_*=none", "staff=group:office"},
	})
	flags := []string{"--claim=email=email", "--map=group:editors=role:editor", "--map=group:shop-*=entitlement:shop.*", "--map=permission:auth.delete_*=none", "--map=staff=group:office"}

	s.do(t, `ada = User.objects.create_user("ada", "ada@example.com", "wonderland 1")`)
	s.arrives(t)
	h.has(t, "ada", "wonderland 1", map[string]any{"user_id": 1, "email": "ada@example.com"})
	_, refresh := h.signIn(t, "ada", "wonderland 1")

	// What Hallmark knows beside what the site knows stays.
	h.imports(t, `{"foreign_id": "1", "username": "ada", "extra": {"team": "core"}}`)
	s.do(t, `ada.username, ada.email, ada.is_staff = "adä", "", True; ada.save()`)
	s.arrives(t)
	h.refuses(t, "ada", "wonderland 1")
	h.has(t, "adä", "wonderland 1", map[string]any{"user_id": 1, "team": "core", "groups": []string{"office"}})

	if status := h.post(t, "refresh/", map[string]string{"refresh": refresh}, &tokens{}); status != 200 {
		t.Errorf("a refresh before the new password: %d", status)
	}
	s.do(t, `ada.set_password("looking-glass 2"); ada.save()`)
	s.arrives(t)
	h.refuses(t, "adä", "wonderland 1")
	h.has(t, "adä", "looking-glass 2", map[string]any{"user_id": 1, "team": "core", "groups": []string{"office"}})
	if status := h.post(t, "refresh/", map[string]string{"refresh": refresh}, &tokens{}); status != 401 {
		t.Errorf("a refresh after the new password: %d", status)
	}

	s.do(t, `ada.is_active = False; ada.save(update_fields=["is_active"])`)
	s.arrives(t)
	h.refuses(t, "adä", "looking-glass 2")
	s.do(t, `ada.is_active = True; ada.save(); from django.contrib.auth.models import update_last_login`)
	s.arrives(t)
	if rows, _ := s.do(t, `update_last_login(None, ada); answer = Change.objects.count()`); rows != 0.0 {
		t.Error("a sign-in at the site is sent")
	}
	if rows, _ := s.do(t, "try:\n  with transaction.atomic():\n    User.objects.create_user('nobody'); 1 / 0\nexcept ZeroDivisionError: answer = Change.objects.count()"); rows != 0.0 {
		t.Error("what was rolled back is sent")
	}

	t.Run("groups", func(t *testing.T) { syncGroups(t, s) })
	s.agrees(t, 1, flags...)
	t.Run("many", func(t *testing.T) { syncMany(t, s) })
	s.agrees(t, 21, flags...)

	s.do(t, `ada.delete()`)
	s.arrives(t)
	h.refuses(t, "adä", "looking-glass 2")
	s.agrees(t, 20, flags...)
	if users := strings.Count(string(h.operate(t, "user", "list")), "\n"); users != 21 { // and the heading
		t.Errorf("%d lines of users", users)
	}
	s.quiet(t)
}

// syncGroups changes what ada may do, from all sides.
func syncGroups(t *testing.T, s *syncedSite) {
	for _, step := range []struct {
		python string
		want   map[string]any // beside the user's id
	}{
		{`editors = Group.objects.create(name="editors"); press = Group.objects.create(name="press"); ada.groups.add(editors, press)`,
			map[string]any{"roles": []string{"editor"}, "groups": []string{"office", "press"}}},
		{`editors.permissions.add(Permission.objects.get(codename="add_user"), Permission.objects.get(codename="delete_user"))`,
			map[string]any{"roles": []string{"editor"}, "groups": []string{"office", "press"}, "entitlements": []string{"auth.add_user"}}},
		{`press.name = "shop-front"; press.save()`,
			map[string]any{"roles": []string{"editor"}, "groups": []string{"office"}, "entitlements": []string{"shop.front", "auth.add_user"}}},
		{`press.user_set.clear(); ada.user_permissions.add(Permission.objects.get(codename="view_group"))`,
			map[string]any{"roles": []string{"editor"}, "groups": []string{"office"}, "entitlements": []string{"auth.add_user", "auth.view_group"}}},
		{`editors.delete()`,
			map[string]any{"groups": []string{"office"}, "entitlements": []string{"auth.view_group"}}},
		{`press.user_set.add(ada); Permission.objects.get(codename="add_group").group_set.add(press)`,
			map[string]any{"groups": []string{"office"}, "entitlements": []string{"shop.front", "auth.add_group", "auth.view_group"}}},
		{`Permission.objects.get(codename="view_group").delete(); p = Permission.objects.get(codename="add_group"); p.codename = "make_group"; p.save()`,
			map[string]any{"groups": []string{"office"}, "entitlements": []string{"shop.front", "auth.make_group"}}},
		{`p.group_set.clear(); ada.groups.set([Group.objects.create(name="zeta"), Group.objects.create(name="alpha")])`,
			map[string]any{"groups": []string{"office", "alpha", "zeta"}}},
	} {
		s.do(t, step.python)
		s.arrives(t)
		step.want["user_id"], step.want["team"] = 1, "core"
		s.h.has(t, "adä", "looking-glass 2", step.want)
	}
}

// syncMany changes users without a signal, and by a group.
func syncMany(t *testing.T, s *syncedSite) {
	s.do(t, `User.objects.bulk_create([User(username="u%d" % i, password=make_password("password %d" % i)) for i in range(20)]); push(User.objects.filter(username__startswith="u"))`)
	s.arrives(t)
	s.h.has(t, "u19", "password 19", map[string]any{"user_id": 21})
	s.do(t, `g = Group.objects.create(name="everybody"); g.user_set.add(*User.objects.filter(username__startswith="u"))`)
	s.do(t, `User.objects.filter(username="u7").update(is_active=False)`) // nobody is told of this
	s.arrives(t)
	if out, err := s.manage(t, "hallmark_sync", "--all"); err != nil || !strings.Contains(out, "sent: 21\n") {
		t.Errorf("hallmark_sync: %v\n%s", err, out)
	}
	s.h.refuses(t, "u7", "password 7")
	s.do(t, `g.name = "all"; g.save()`)
	s.arrives(t)
	s.h.has(t, "u8", "password 8", map[string]any{"user_id": 10, "groups": []string{"all"}})
}

// TestDjangoSyncOutage: while Hallmark hangs, is away, or the site's process is
// killed as well, nothing waits and nothing is lost, and the last state wins.
func TestDjangoSyncOutage(t *testing.T) {
	needSimpleJWT(t)
	t.Parallel()
	h := startHallmark(t)
	s := startSynced(t, h, "auth.User", settings{"TIMEOUT": 2})
	s.do(t, `ada = User.objects.create_user("ada", password="password 0"); bob = User.objects.create_user("bob", password="password b")`)
	s.arrives(t)

	h.signal(syscall.SIGSTOP)(t)
	if _, took := s.do(t, `User.objects.create_user("carl", password="password c"); ada.set_password("password 1"); ada.save()`); took > 2*time.Second {
		t.Errorf("with Hallmark hanging, the site took %v", took)
	}
	time.Sleep(time.Second) // the request is on its way
	h.kill(t)
	s.do(t, `ada.set_password("password 2"); ada.save(); bob.delete()`)
	h.back(t)
	s.arrives(t) // by itself: nothing else happens at the site
	h.has(t, "ada", "password 2", map[string]any{"user_id": 1})
	h.has(t, "carl", "password c", map[string]any{"user_id": 3})
	h.refuses(t, "bob", "password b")
	s.agrees(t, 2)

	h.kill(t)
	s.do(t, `ada.set_password("password 3"); ada.save(); User.objects.create_user("dora", password="password d")`)
	s.do(t, `ada.set_password("password 4"); ada.save()`)
	s.cmd.Process.Kill()
	if out, err := s.manage(t, "hallmark_sync"); err == nil || !strings.Contains(out, "changes that wait: 3: ") {
		t.Errorf("hallmark_sync without Hallmark: %v\n%s", err, out)
	}
	h.back(t)
	if out, err := s.manage(t, "hallmark_sync"); err != nil || !strings.Contains(out, "sent: 2\n") {
		t.Errorf("hallmark_sync: %v\n%s", err, out)
	}
	h.refuses(t, "ada", "password 3")
	h.has(t, "ada", "password 4", map[string]any{"user_id": 1})
	h.has(t, "dora", "password d", map[string]any{"user_id": 4})
	s.agrees(t, 3)
}

// TestDjangoSyncOwnModel: a site with a users' model of its own, and what is
// refused: it holds up nobody else, and is said.
func TestDjangoSyncOwnModel(t *testing.T) {
	needSimpleJWT(t)
	t.Parallel()
	h := startHallmark(t)
	url, ca := h.overTLS(t)
	s := startSynced(t, h, "members.Member", settings{"CLAIMS": map[string]string{"born": "born", "team": "team"}, "OPERATORS_URL": url, "CA_FILE": ca, "MAP": nil})
	flags := []string{"--table=members_member", "--id-field=uid", "--name-field=email"} // which writes dates otherwise than dumpdata
	s.do(t, `import datetime
from members.models import Admin
def member(name, password):
    m = User(email=name + "@example.com", born=datetime.date(1815, 12, 10))
    m.set_password(password)
    m.save()
    return m
ada = member("ada", "password a"); bob = member("bob", "password b")
Admin(email="eve@example.com", password=make_password("password e")).save()`)
	s.arrives(t)
	uid, _ := s.do(t, `answer = str(ada.uid)`)
	h.has(t, "ada@example.com", "password a", map[string]any{"user_id": uid, "born": "1815-12-10"})
	s.agrees(t, 3, flags...)

	// A foreign key has two names, and a claim of it is sent for either.
	for _, field := range []string{"team", "team_id"} {
		team, _ := s.do(t, fmt.Sprintf(`from members.models import Team
ada.team = Team.objects.create(name="core"); ada.save(update_fields=[%q]); answer = ada.team.pk`, field))
		s.arrives(t)
		h.has(t, "ada@example.com", "password a", map[string]any{"user_id": uid, "born": "1815-12-10", "team": team})
	}
	s.do(t, `ada.team = None; ada.save()`)
	s.arrives(t)

	// Bob has the name that somebody at Hallmark has, and a hash that is not taken.
	h.imports(t, `{"foreign_id": "elsewhere", "username": "taken@example.com"}`)
	s.do(t, `bob.email = "taken@example.com"; bob.set_password("password B"); bob.save(); ada.born = None; ada.save()
carl = member("carl", "password c"); carl.password = make_password("password c", hasher="md5"); carl.save()
dora = member("dora", "password d")`)
	for deadline := time.Now().Add(time.Minute); len(waiting(t, s)) != 1; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("these wait: %v; only bob should", waiting(t, s))
		}
	}
	h.has(t, "ada@example.com", "password a", map[string]any{"user_id": uid})
	h.refuses(t, "carl@example.com", "password c")
	h.refuses(t, "bob@example.com", "password b") // a new password does not wait for the name
	if claims, _ := h.signIn(t, "bob@example.com", "password B"); claims == nil {
		t.Error("bob's new password does not arrive while his new name is refused")
	}
	if out := string(h.operate(t, "user", "show", "carl@example.com")); !strings.Contains(out, "carl") {
		t.Errorf("user show: %s", out)
	}
	out, err := s.manage(t, "hallmark_sync")
	if err == nil || !strings.Contains(out, `username: a user "taken@example.com" already exists`) || !strings.Contains(out, "changes that wait: 1: ") {
		t.Errorf("hallmark_sync: %v\n%s", err, out)
	}
	s.do(t, `bob.email = "bob@example.com"; bob.save(); carl.delete()`)
	s.arrives(t)
	s.agrees(t, 4, flags...)

	t.Run("processes", func(t *testing.T) { syncProcesses(t, s) })
	s.agrees(t, 4, flags...)
	s.quiet(t)
}

func waiting(t *testing.T, s *syncedSite) []any {
	t.Helper()
	rows, _ := s.do(t, `answer = list(Change.objects.values_list("key", flat=True))`)
	list, _ := rows.([]any)
	return list
}

// syncProcesses changes the same user in several processes at once, all of which
// send: the last state arrives last.
func syncProcesses(t *testing.T, s *syncedSite) {
	var wg sync.WaitGroup
	for n := range 3 {
		d := s.process(t)
		wg.Go(func() {
			for i := range 8 {
				python := fmt.Sprintf(`u = User.objects.get(email__startswith="dora"); u.email = "dora%d-%d@example.com"; u.save()`, n, i)
				if _, _, err := doIn(d, python); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s.arrives(t)
	// Two that hold the outbox, one after the other; the first is late then.
	held, _ := s.do(t, `from hallmark_django.sender import Outbox, Lease, timezone
a, b = Outbox("default"), Outbox("default")
while not a.hold(): time.sleep(0.05)
with transaction.atomic():
    answer = [a.hold(), b.hold()]
    a.until = timezone.now(); Lease.objects.update(until=a.until)
    answer += [b.hold(), a.hold(), b.release(), a.hold(), a.release()]`)
	if got := fmt.Sprint(held); got != "[true false true false <nil> true <nil>]" {
		t.Errorf("who holds the outbox: %s", got)
	}
}

// TestDjangoSyncStart: changes wait until there is somewhere to send them, over
// the import, and a site without threads has a service that sends.
func TestDjangoSyncStart(t *testing.T) {
	needSimpleJWT(t)
	t.Parallel()
	h := startHallmark(t)
	s := startSynced(t, h, "auth.User", settings{"OPERATORS_URL": "", "THREAD": false})
	s.do(t, `ada = User.objects.create_user("ada", password="password 0")`)
	h.operate(t, "user", "import", "--from-django", s.database)
	h.has(t, "ada", "password 0", map[string]any{"user_id": 1})
	s.do(t, `ada.set_password("password 1"); ada.save()`)
	if out, err := s.manage(t, "hallmark_sync"); err == nil || !strings.Contains(out, "HALLMARK has no OPERATORS_URL") {
		t.Errorf("hallmark_sync: %v\n%s", err, out)
	}
	if n := len(waiting(t, s)); n != 2 {
		t.Errorf("%d changes wait, want 2", n)
	}

	s.env = append(s.env, `HALLMARK={"THREAD": false}`)
	converseIn(t, s.env, python, "-B", "django/synced.py", s.database, "hallmark_sync", "--follow") // until the test ends
	s.arrives(t)
	h.has(t, "ada", "password 1", map[string]any{"user_id": 1})
	s.do(t, `User.objects.create_user("bob", password="password b")`)
	s.arrives(t)
	h.has(t, "bob", "password b", map[string]any{"user_id": 2})
}

// TestDjangoSyncSettings: settings that are wrong are said at once, and rules are
// those that the import reads, and no others.
func TestDjangoSyncSettings(t *testing.T) {
	needSimpleJWT(t)
	t.Parallel()
	s := startSynced(t, &hallmark{}, "auth.User", settings{})
	t.Run("rules", func(t *testing.T) { syncRules(t, s) })
	s.do(t, `from django.test import override_settings
from django.core.management import call_command
from hallmark_django import conf
import io`)
	for _, c := range []struct{ settings, want string }{
		{`{}`, "[]"},
		{`{"OPERATORS_URL": "http://login.internal:8081"}`, "in clear"},
		{`{"OPERATORS_URL": "login.internal"}`, "has to be such as https://"},
		{`{"CLAIMS": {"a": "nickname"}}`, "the field nickname, which auth.User does not have"},
		{`{"ID_FIELD": "uid"}`, "the field uid, which auth.User does not have"},
		{`{"MAP": ["staff=x"]}`, "no rule of `hallmark user import --map`"},
		{`{"OPERATOR_URL": ""}`, "HALLMARK has no setting OPERATOR_URL"},
		{`{"OLD_TOKENS_UNTIL": "2027-03-01T00:00:00+00:00"}`, "[]"},
		{`{"OLD_TOKENS_UNTIL": "2027-03-01T00:00:00"}`, "OLD_TOKENS_UNTIL has to be such as 2027-03-01T00:00:00+00:00"},
		{`{"OLD_TOKENS_UNTIL": "soon"}`, "OLD_TOKENS_UNTIL has to be"},
		{`{}, SIMPLE_JWT={"AUTH_TOKEN_CLASSES": ["hallmark_django.tokens.OldToken"]}`, "OLD_TOKENS_UNTIL has to be"},
		{`{}, SIMPLE_JWT={"AUTH_TOKEN_CLASSES": ["hallmark_django.tokens.HallmarkToken"]}`, "[]"},
	} {
		said, _ := s.do(t, "with override_settings(HALLMARK="+c.settings+"): answer = [e.msg for e in conf.check(None)]")
		if !strings.Contains(fmt.Sprint(said), c.want) {
			t.Errorf("%s: %s", c.settings, said)
		}
	}
	s.do(t, `call_command("makemigrations", "hallmark_django", check_changes=True, dry_run=True, stdout=io.StringIO())`)
	s.env = append(s.env, `HALLMARK={"OPERATOR_URL": ""}`)
	if out, err := s.manage(t, "check"); err == nil {
		t.Errorf("a site starts with a setting that there is not: %s", out)
	}
}

// syncRules reads the rules that a test of server/transfer reads too.
func syncRules(t *testing.T, s *syncedSite) {
	got, _ := s.do(t, `def reads(rule):
    try:
        return bool(mapping.parse_rule(rule))
    except ValueError:
        return False
rules = json.load(open("django/rules.json"))
answer = [rule for rule, good in rules.items() if reads(rule) != good]`)
	if fmt.Sprint(got) != "[]" {
		t.Errorf("the app and the import differ about the rules %q", got)
	}
}

// TestDjangoSyncNobodyElse: the operator token goes to the operators' listener,
// and not where a redirect or a proxy would have it.
func TestDjangoSyncNobodyElse(t *testing.T) {
	needSimpleJWT(t)
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("another server is asked %s", r.URL) }))
	t.Cleanup(other.Close)
	var asked atomic.Bool
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(true)
		http.Redirect(w, r, other.URL+r.URL.String(), http.StatusTemporaryRedirect)
	}))
	t.Cleanup(front.Close)
	h := &hallmark{demo: demo{Operators: front.URL}, tokenFile: filepath.Join(t.TempDir(), "token"), token: "a-token"}
	write(t, h.tokenFile, h.token)
	s := startSynced(t, h, "auth.User", settings{})
	s.env = append(s.env, "http_proxy="+other.URL, "no_proxy=")
	s.dialogue = s.process(t)
	s.do(t, `User.objects.create_user("ada", password="wonderland 1")`)
	if out, err := s.manage(t, "hallmark_sync"); err == nil || !strings.Contains(out, "answered 307") || !asked.Load() {
		t.Errorf("hallmark_sync: %v\n%s", err, out)
	}
	s.quiet(t)
}
