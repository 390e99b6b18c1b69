package operator_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// acts are the methods of Operator that change something, in an order in which
// they can be called, and what each leaves in the audit. looks are the others.
// A new method is in one of the two, or TestEveryActIsRecorded fails.
func acts(t *testing.T, d *desk) []struct {
	method, event string
	act           func(context.Context) error
} {
	var u storage.User
	var sid storage.SessionID
	var kid string
	client := func() storage.Client { return d.app(t) }
	login := func() { sid = d.login(t, u, storage.Client{Number: 1}).SessionID() }
	pair := material(t, keys.ES256)[0]
	public := material(t, keys.ES256)
	return []struct {
		method, event string
		act           func(context.Context) error
	}{
		{"AddUser", "user.add", func(ctx context.Context) (err error) {
			u, err = d.AddUser(ctx, operator.NewUser{Name: "ada", Password: secret(t)})
			return err
		}},
		{"PutUser", "user.add", func(ctx context.Context) error {
			_, _, err := d.PutUser(ctx, operator.NewUser{Name: "bob", ForeignID: "17"})
			return err
		}},
		{"EditUser", "user.edit", func(ctx context.Context) error {
			_, _, err := d.EditUser(ctx, u.ID, operator.UserEdit{Name: new("ada l")})
			return err
		}},
		{"AddClient", "client.add", func(ctx context.Context) error { client(); return nil }},
		{"EndSession", "session.end", func(ctx context.Context) error { login(); _, err := d.EndSession(ctx, sid); return err }},
		{"EndUserSessions", "session.end_all", func(ctx context.Context) error { login(); _, err := d.EndUserSessions(ctx, u.ID); return err }},
		{"EndMatching", "session.end_matching", func(ctx context.Context) error {
			login()
			_, err := d.EndMatching(ctx, operator.SessionFilter{Username: "ada l", ClientID: "app"}, func(int) {})
			return err
		}},
		{"EndPage", "session.end_matching", func(ctx context.Context) error {
			login()
			_, _, err := d.EndPage(ctx, operator.SessionFilter{ClientID: "app"}, storage.SessionID{}, 100)
			return err
		}},
		{"SetPassword", "user.passwd", func(ctx context.Context) error {
			_, err := d.SetPassword(ctx, "ada l", storage.RandomSecret())
			return err
		}},
		{"SetDisabled", "user.disable", func(ctx context.Context) error { _, err := d.SetDisabled(ctx, "ada l", true); return err }},
		{"SetDisabled", "user.enable", func(ctx context.Context) error { _, err := d.SetDisabled(ctx, "ada l", false); return err }},
		{"EditClient", "client.edit", func(ctx context.Context) error {
			_, err := d.EditClient(ctx, "app", operator.ClientEdit{Name: new("renamed")})
			return err
		}},
		{"AddClient", "client.add", func(ctx context.Context) error {
			_, _, err := d.AddClient(ctx, operator.NewClient{ID: "back", AuthMethod: storage.AuthBasic, ClientPolicy: storage.ClientPolicy{
				Grants: []string{storage.GrantPassword}, Audiences: []string{"https://a.example"},
			}})
			return err
		}},
		{"AddSecret", "client.add_secret", func(ctx context.Context) error { _, _, err := d.AddSecret(ctx, "back", false); return err }},
		{"DropOldSecrets", "client.drop_secrets", func(ctx context.Context) error { _, err := d.DropOldSecrets(ctx, "back"); return err }},
		{"RemoveClient", "client.remove", func(ctx context.Context) error { return d.RemoveClient(ctx, "back") }},
		{"AddToken", "token.add", func(ctx context.Context) error {
			_, _, err := d.AddToken(ctx, "deploy", []string{"read"}, time.Hour)
			return err
		}},
		{"RemoveToken", "token.remove", func(ctx context.Context) error { return d.RemoveToken(ctx, "deploy") }},
		{"RotateKeys", "keys.rotate", func(ctx context.Context) error { _, err := d.RotateKeys(ctx, keys.ES256, true); return err }},
		{"ExportPrivateKey", "keys.export", func(ctx context.Context) error {
			kid = line(d.list(t), keys.ES256, keys.Signing)[0]
			_, err := d.ExportPrivateKey(ctx, kid)
			return err
		}},
		{"RevokeKey", "keys.revoke", func(ctx context.Context) error { _, err := d.RevokeKey(ctx, kid, "leaked"); return err }},
		{"ImportPublicKeys", "keys.import", func(ctx context.Context) error { _, err := d.ImportPublicKeys(ctx, public, time.Time{}); return err }},
		{"ImportPrivateKey", "keys.import", func(ctx context.Context) error { _, err := d.ImportPrivateKey(ctx, pair, false); return err }},
		{"ChangeKeyPolicy", "keys.policy", func(ctx context.Context) error {
			_, err := d.ChangeKeyPolicy(ctx, operator.PolicyEdit{RotateEvery: 200 * time.Hour})
			return err
		}},
		{"ResealKeys", "keys.reseal", func(ctx context.Context) error { _, err := d.ResealKeys(ctx); return err }},
		{"RecoverKeys", "keys.recover", func(ctx context.Context) error { _, err := d.RecoverKeys(ctx, true); return err }},
		{"RevokeAllKeys", "keys.revoke_all", func(ctx context.Context) error { _, err := d.RevokeAllKeys(ctx, "a lost host"); return err }},
		{"ImportUsers", "user.import", func(ctx context.Context) error {
			_, err := d.ImportUsers(ctx, func(take func(operator.Arrival) error) error {
				return errors.Join(take(operator.Arrival{Name: "carl", ForeignID: "18"}), take(operator.Arrival{Name: "dora", ForeignID: "19"}))
			}, operator.ImportOptions{})
			return err
		}},
		{"ExportUsers", "user.export", func(ctx context.Context) error {
			_, err := d.ExportUsers(ctx, func(storage.User) error { return nil })
			return err
		}},
		{"Blacklist", "exchange.blacklist", func(ctx context.Context) error {
			_, err := d.Blacklist(ctx, func(each func(operator.BlacklistedToken) error) error {
				return each(operator.BlacklistedToken{ID: "a-jti", ExpiresAt: time.Now().Add(time.Hour)})
			})
			return err
		}},
		{"RemoveUser", "user.remove", func(ctx context.Context) error { _, err := d.RemoveUser(ctx, u.ID); return err }},
	}
}

var looks = strings.Fields(`As DryRun Session UserSessions SessionPage ListSessions User UserByID UserByForeignID UserPage ListUsers
	Client ListClients ListTokens Authenticate ListKeys MatchingSessions MatchingPage Timetable KeyPolicy PublishedKeys AuditFilter AuditAfter AuditNewest NotCome`)

// Whatever an operator does is recorded: who did it, from where, and what the
// log calls it. Nothing else is.
func TestEveryActIsRecorded(t *testing.T) {
	d := newDesk(t)
	d.seed(t)
	who := &storage.Act{Actor: storage.Actor{Kind: storage.ByProgram, Name: "deploy"}, Address: "192.0.2.9", Request: "r1"}
	seen := map[string]bool{}
	for _, a := range acts(t, d) {
		seen[a.method] = true
		before, err := d.AuditNewest(t.Context(), operator.AuditFilter{}, 1)
		if err != nil {
			t.Fatal(err)
		}
		d.log.Reset()
		if err := a.act(storage.WithAct(t.Context(), who)); err != nil {
			t.Fatalf("%s: %v", a.method, err)
		}
		page, err := d.AuditAfter(t.Context(), operator.AuditFilter{}, before.Next, 100)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, r := range page.Records {
			if string(r.Event) != a.event {
				continue
			}
			found++
			if a.method != "AddClient" && (r.Actor != who.Actor || r.Address != who.Address || r.Request != who.Request) {
				t.Errorf("%s: %+v", a.method, r)
			}
		}
		if found != 1 {
			t.Errorf("%s leaves %+v, want one of %s", a.method, page.Records, a.event)
		}
		if !strings.Contains(d.log.String(), "act="+a.event+" ") {
			t.Errorf("%s: the log says %s", a.method, d.log)
		}
	}
	for m := range reflect.TypeFor[*operator.Operator]().Methods() {
		if seen[m.Name] == slices.Contains(looks, m.Name) {
			t.Errorf("%s: say whether it changes something, and what it leaves in the audit", m.Name)
		}
	}
}

// Nothing of a key act that was not stored is recorded, and none that did
// nothing; a private key that cannot be recorded is not handed out.
func TestKeyActsUnrecorded(t *testing.T) {
	d := newDesk(t)
	d.seed(t)
	list := d.list(t)
	waits := line(list, keys.ES256, keys.Waiting)[0]
	if _, err := d.RevokeKey(t.Context(), waits, ""); err != nil {
		t.Fatal(err)
	}
	from := d.newest(t)
	for what, err := range map[string]error{
		"a dry run":       second(d.DryRun().RevokeKey(t.Context(), line(list, keys.ES256, keys.Signing)[0], "")),
		"revoked already": second(d.RevokeKey(t.Context(), waits, "")),
		"the same policy": second(d.ChangeKeyPolicy(t.Context(), operator.PolicyEdit{RotateEvery: keys.DefaultSchedule().RotateEvery})),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := d.RevokeKey(t.Context(), "nobody's", ""); !errors.Is(err, storage.ErrNotFound) {
		t.Error(err)
	}
	page, err := d.AuditAfter(t.Context(), operator.AuditFilter{}, from, 100)
	for _, r := range page.Records {
		if r.Event != storage.EventKeysAdvance { // time went on meanwhile
			t.Errorf("%+v", r)
		}
	}
	if err != nil {
		t.Error(err)
	}
	d.Audit = deaf{d.store}
	if jwk, err := d.ExportPrivateKey(t.Context(), line(list, keys.ES256, keys.Signing)[0]); !errors.Is(err, errDeaf) || jwk.Key != nil {
		t.Errorf("handed out unrecorded: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

var errDeaf = errors.New("deaf")

// deaf is an audit that records nothing.
type deaf struct{ operator.Audit }

func (deaf) Record(context.Context, ...storage.Record) error { return errDeaf }

func (d *desk) newest(t *testing.T) int64 {
	t.Helper()
	page, err := d.AuditNewest(t.Context(), operator.AuditFilter{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return page.Next
}

// filled is a desk with 1,300 records, one a minute before start, and who they are about.
func filled(t *testing.T) (d *desk, ada storage.User) {
	t.Helper()
	d = newDesk(t)
	ada, err := d.AddUser(t.Context(), operator.NewUser{Name: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	records := make([]storage.Record, 1299)
	for i := range records {
		r := &records[i]
		r.At, r.Event, r.Address = start.Add(time.Duration(i-1299)*time.Minute), storage.EventSignInFailed, "198.51.100.7"
		switch {
		case i%100 == 0:
			r.Event, r.User, r.Client, r.Session, r.Address = storage.EventSignIn, ada.ID, "web", storage.SessionID{1}, "2001:db8::1"
		case i%100 == 1:
			r.Event, r.Address = storage.EventKeysRotate, storage.Local
		}
	}
	if err := d.store.Record(t.Context(), records...); err != nil {
		t.Fatal(err)
	}
	return d, ada
}

// walk goes on behind each page until there is no more, a few at a time.
func (d *desk) walk(t *testing.T, f operator.AuditFilter, limit int) (numbers []int64) {
	t.Helper()
	for after, pages := int64(0), 0; ; pages++ {
		page, err := d.AuditAfter(t.Context(), f, after, limit)
		if err != nil || len(page.Records) > limit || pages > 10_000 {
			t.Fatalf("%d records, %v", len(page.Records), err)
		}
		for _, r := range page.Records {
			numbers = append(numbers, r.Number)
		}
		if after = page.Next; !page.More {
			return numbers
		}
	}
}

// Each filter finds what it names: the same from the end, and page by page from
// the beginning, whatever the pages' size.
func TestAuditFilters(t *testing.T) {
	d, ada := filled(t)
	gone, err := d.AddUser(t.Context(), operator.NewUser{Name: "gone"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.RemoveUser(t.Context(), gone.ID); err != nil {
		t.Fatal(err)
	}
	since := start.Add(-650 * time.Minute)
	for name, c := range map[string]struct {
		q    operator.AuditQuery
		want int
	}{
		"all":                {operator.AuditQuery{}, 1302},
		"a user by name":     {operator.AuditQuery{User: "ada"}, 14},
		"a user by sub":      {operator.AuditQuery{User: ada.ID.String()}, 14},
		"a user who is gone": {operator.AuditQuery{User: gone.ID.String()}, 2},
		"a client":           {operator.AuditQuery{Client: "web"}, 13},
		"no client":          {operator.AuditQuery{Client: "none"}, 0},
		"a session":          {operator.AuditQuery{Session: storage.SessionID{1}.String()}, 13},
		"an event":           {operator.AuditQuery{Events: []string{"keys.rotate"}}, 13},
		"a pattern":          {operator.AuditQuery{Events: []string{"keys.*", "user.*"}}, 16},
		"an address":         {operator.AuditQuery{Address: "2001:db8:0::1"}, 13},
		"a prefix":           {operator.AuditQuery{Address: "2001:db8::/32"}, 13},
		"local":              {operator.AuditQuery{Address: "local"}, 13},
		"since":              {operator.AuditQuery{Since: since.Format(time.RFC3339Nano), Events: []string{"sign_in"}}, 6},
		"since so long ago":  {operator.AuditQuery{Since: "650m", Events: []string{"sign_in"}}, 6},
		"until":              {operator.AuditQuery{Until: "650m", Events: []string{"sign_in"}}, 7},
		"together":           {operator.AuditQuery{User: "ada", Client: "web", Since: "1000m", Until: "500m"}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := d.AuditFilter(t.Context(), c.q)
			if err != nil {
				t.Fatal(err)
			}
			all := d.walk(t, f, 1000)
			if len(all) != c.want || !slices.IsSorted(all) {
				t.Errorf("%d records, want %d", len(all), c.want)
			}
			if few := d.walk(t, f, 7); !slices.Equal(few, all) {
				t.Errorf("7 at a time: %v\nall: %v", few, all)
			}
			page, err := d.AuditNewest(t.Context(), f, 5)
			var newest []int64
			for _, r := range page.Records {
				newest = append(newest, r.Number)
			}
			if err != nil || !slices.Equal(newest, all[max(0, len(all)-5):]) || page.Next != d.newest(t) {
				t.Errorf("the newest: %v, next %d, %v", newest, page.Next, err)
			}
		})
	}
}

// A page since a time looks at few records, however many there are since then
// or before, and none is missed where clocks were set.
func TestAuditSinceIsBounded(t *testing.T) {
	const n = 42_000
	for name, c := range map[string]struct {
		minute func(i int) int // of record i
		most   int             // records read for one page
	}{
		"in order":               {func(i int) int { return i }, 3000},
		"an hour forth and back": {func(i int) int { return i + i%1000/900*60 }, 3000},
		"two clocks":             {func(i int) int { return i - i%2*n }, 25_000},
	} {
		d := newDesk(t)
		var records []storage.Record
		for i := range n {
			records = append(records, storage.Record{Event: storage.EventSignInFailed, At: start.Add(time.Duration(c.minute(i)-n) * time.Minute)})
		}
		if err := d.store.Record(t.Context(), records...); err != nil {
			t.Fatal(err)
		}
		for _, minute := range []int{5, n / 2, n - 5} {
			f, err := d.AuditFilter(t.Context(), operator.AuditQuery{Since: start.Add(time.Duration(minute-n)*time.Minute - time.Second).Format(time.RFC3339Nano)})
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			for i := range n {
				if c.minute(i) >= minute {
					want++
				}
			}
			counted := &counted{Audit: d.store}
			d.Audit = counted
			if _, err := d.AuditAfter(t.Context(), f, 0, 100); err != nil || counted.read > c.most {
				t.Errorf("%s, since %d: %d records read for a page, at most %d; %v", name, minute, counted.read, c.most, err)
			}
			if got := d.walk(t, f, 1000); len(got) != want {
				t.Errorf("%s, since %d: %d records, want %d", name, minute, len(got), want)
			}
		}
	}
}

// counted is an audit that counts the records that are read.
type counted struct {
	operator.Audit
	read int
}

func (c *counted) Records(ctx context.Context, s storage.Span) ([]storage.Record, error) {
	out, err := c.Audit.Records(ctx, s)
	c.read += len(out)
	return out, err
}

func TestAuditQueryRefused(t *testing.T) {
	d := newDesk(t)
	for field, q := range map[string]operator.AuditQuery{
		"sid": {Session: "x"}, "event": {Events: []string{"sign_ins"}}, "address": {Address: "here"}, "since": {Since: "yesterday"}, "until": {Until: "1"},
		"user": {User: "a\x00b"},
	} {
		_, err := d.AuditFilter(t.Context(), q)
		advised(t, err, field, "")
	}
	if _, err := d.AuditFilter(t.Context(), operator.AuditQuery{Events: []string{"["}}); err == nil {
		t.Error("no pattern is taken")
	}
	if _, err := d.AuditFilter(t.Context(), operator.AuditQuery{User: "nobody"}); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := d.AuditAfter(t.Context(), operator.AuditFilter{}, 0, 0); err == nil {
		t.Error("no limit is taken")
	}
}

func TestViewAudit(t *testing.T) {
	d, ada := filled(t)
	f, err := d.AuditFilter(t.Context(), operator.AuditQuery{Client: "web"})
	if err != nil {
		t.Fatal(err)
	}
	page, err := d.AuditNewest(t.Context(), f, 1)
	if err != nil {
		t.Fatal(err)
	}
	e := page.Records[0]
	e.Actor, e.Detail = storage.Actor{Kind: storage.ByUser}, storage.Detail{"device": "x"}
	v := operator.ViewAudit(e)
	if v.Actor != ada.ID.String() || v.Username != "ada" || v.Session != (storage.SessionID{1}).String() || !strings.HasSuffix(v.At, "00.123456Z") || v.Event != "sign_in" {
		t.Errorf("%+v", v)
	}
	if bare := operator.ViewAudit(operator.AuditEntry{}); bare.Subject != "" || bare.Session != "" {
		t.Errorf("%+v", bare)
	}
}
