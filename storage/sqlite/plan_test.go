package sqlite_test

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

// A witness passes statements on and notes how SQLite means to run them.
type witness struct {
	sqlstore.Querier
	plans map[string][]string // by statement
}

func (w witness) note(query string, args []any) {
	if w.plans[query] != nil {
		return
	}
	var steps []struct {
		ID, Parent, Notused int
		Detail              string
	}
	if err := sqlx.SelectContext(ctx, w.Querier, &steps, "EXPLAIN QUERY PLAN "+query, args...); err != nil {
		w.plans[query] = []string{"SCAN of an error: " + err.Error()}
		return
	}
	w.plans[query] = []string{"-"}
	for _, s := range steps {
		w.plans[query] = append(w.plans[query], s.Detail)
	}
}

func (w witness) ExecContext(c context.Context, query string, args ...any) (sql.Result, error) {
	w.note(query, args)
	return w.Querier.ExecContext(c, query, args...)
}

func (w witness) QueryContext(c context.Context, query string, args ...any) (*sql.Rows, error) {
	w.note(query, args)
	return w.Querier.QueryContext(c, query, args...)
}

func (w witness) QueryxContext(c context.Context, query string, args ...any) (*sqlx.Rows, error) {
	w.note(query, args)
	return w.Querier.QueryxContext(c, query, args...)
}

func (w witness) QueryRowxContext(c context.Context, query string, args ...any) *sqlx.Row {
	w.note(query, args)
	return w.Querier.QueryRowxContext(c, query, args...)
}

// wholeTables are the lists that are read from one end to the other, in the
// order of an index.
var wholeTables = []string{"FROM clients ORDER BY client_id", "FROM operator_tokens ORDER BY name", "FROM replicas ORDER BY id"}

// Whatever a verb says to the database is answered by way of a key, but for
// the lists of what an operator registers by hand.
func TestEveryStatementSearches(t *testing.T) {
	s, _ := fresh(t)
	l := newLogin(t, s)
	tokens := l.open(t, 3)
	w := witness{plans: map[string][]string{}}
	must(t, s.Do(ctx, func(q sqlstore.Querier) error {
		w.Querier = q
		everyVerb(t, w, l, tokens)
		everyOperatorsVerb(t, w, l, tokens)
		everyExchange(t, w, l)
		everyRemoval(t, w, l)
		return nil
	}))
	statements, seen := everyStatement(t), slices.Collect(maps.Keys(w.plans))
	if len(statements) < 40 {
		t.Errorf("only %d statements were found in the source", len(statements))
	}
	for _, query := range statements {
		if !slices.ContainsFunc(seen, func(s string) bool { return strings.HasPrefix(s, query) }) {
			t.Errorf("nothing here leads to\n%s", query)
		}
	}
	searches := 0
	for query, plan := range w.plans {
		text := strings.Join(plan, "; ")
		whole := slices.ContainsFunc(wholeTables, func(list string) bool { return strings.HasSuffix(query, list) })
		if whole && !strings.Contains(text, "USING INDEX sqlite_autoindex") {
			t.Errorf("%s\nis not read in order: %s", query, text)
		}
		if !whole && strings.Contains(text, "SCAN") {
			t.Errorf("%s\nis answered by %s", query, text)
		}
		if strings.Contains(text, "TEMP B-TREE") {
			t.Errorf("%s\nsorts: %s", query, text)
		}
		searches += strings.Count(text, "SEARCH")
		if strings.Contains(query, "sessions") && strings.Contains(query, "id = $") && !strings.Contains(query, "user_id = $") &&
			!strings.Contains(text, "SEARCH sessions USING PRIMARY KEY") {
			t.Errorf("%s\nis answered by %s", query, text)
		}
	}
	if searches < 40 {
		t.Errorf("only %d searches", searches)
	}
}

// everyVerb calls each function of sqlstore that serves requests, in the ways that lead to each of
// its statements.
func everyVerb(t *testing.T, q sqlstore.Querier, l login, tokens []storage.RefreshToken) {
	t.Helper()
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Error(what, err)
		}
	}
	u := aUser("bob")
	check("create user", sqlstore.CreateUser(ctx, q, u))
	_, err := sqlstore.UserByName(ctx, q, "bob")
	check("user", err)
	_, err = sqlstore.Users(ctx, q, "a", 10)
	check("users", err)
	check("rehash", sqlstore.Rehash(ctx, q, u.ID, u.PasswordHash, "next"))
	_, err = sqlstore.CreateClient(ctx, q, aClient("cli"))
	check("create client", err)
	_, err = sqlstore.ClientByID(ctx, q, "cli")
	check("client", err)
	_, err = sqlstore.Clients(ctx, q)
	check("clients", err)
	_, err = sqlstore.CreateSession(ctx, q, l.session())
	check("create session", err)
	_, err = sqlstore.RotateSession(ctx, q, l.refresh(tokens[0]), 100)
	check("rotate", err)
	check("ring", sqlstore.ReplaceRing(ctx, q, 0, 1, nil))
	check("ring", sqlstore.ReplaceRing(ctx, q, 1, 2, nil))
	_, _, err = sqlstore.LoadRing(ctx, q)
	check("ring", err)
	at, err := sqlstore.ServiceTime(ctx, q)
	check("service time", err)
	check("service time", sqlstore.SetServiceTime(ctx, q, at+1))
}

// everyOperatorsVerb calls each function by which people look after a store.
func everyOperatorsVerb(t *testing.T, q sqlstore.Querier, l login, tokens []storage.RefreshToken) {
	t.Helper()
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Error(what, err)
		}
	}
	u, err := sqlstore.UserByName(ctx, q, "bob")
	check("user", err)
	_, _, err = sqlstore.ChangeUser(ctx, q, u.ID, storage.UserChange{
		Name: new("eve"), ForeignID: new("django:18"), PasswordHash: new("another"), Now: epoch,
	})
	check("change user", err)
	_, err = sqlstore.UserByForeignID(ctx, q, "django:18")
	check("foreign id", err)
	_, err = sqlstore.ChangeClient(ctx, q, "cli", storage.ClientChange{Name: new("renamed")})
	check("change client", err)
	_, err = sqlstore.SessionByID(ctx, q, tokens[1].SessionID())
	check("session", err)
	_, err = sqlstore.UserSessions(ctx, q, l.user.ID, 10)
	check("user's sessions", err)
	_, err = sqlstore.Sessions(ctx, q, storage.SessionID{1}, 10)
	check("sessions", err)
	_, err = sqlstore.EndSession(ctx, q, tokens[1].SessionID(), storage.EndedRevoked, epoch)
	check("end", err)
	n, err := sqlstore.EndSessions(ctx, q, l.user.ID, tokens[2].SessionID(), storage.EndedRevoked, epoch)
	check("end all", err)
	if n == 0 {
		t.Error("no session was ended")
	}
	for _, m := range []storage.SessionMatch{{}, {User: l.user.ID}} {
		_, ids, err := sqlstore.ScanMatching(ctx, q, storage.SessionID{}, 10, m)
		check("match", err)
		_, err = sqlstore.EndMatching(ctx, q, ids, m, storage.EndedRevoked, epoch)
		check("end matching", err)
	}
	token := storage.OperatorToken{Name: "deploy"}
	check("create token", sqlstore.CreateOperatorToken(ctx, q, token))
	_, err = sqlstore.OperatorToken(ctx, q, token.Digest)
	check("token", err)
	_, err = sqlstore.OperatorTokens(ctx, q)
	check("tokens", err)
	check("remove token", sqlstore.RemoveOperatorToken(ctx, q, "deploy"))
	replica := storage.Replica{Name: "web-1"}
	check("report", sqlstore.ReportReplica(ctx, q, replica, 1))
	_, err = sqlstore.Replicas(ctx, q)
	check("replicas", err)
	check("remove replica", sqlstore.RemoveReplica(ctx, q, replica.ID))
}

// everyExchange takes a token of another system, and forgets it.
func everyExchange(t *testing.T, q sqlstore.Querier, l login) {
	t.Helper()
	u := aUser("foreign")
	u.ForeignID = "19"
	must(t, sqlstore.CreateUser(ctx, q, u))
	e := exchange(t, l, "one", "19")
	for range 2 {
		_, err := sqlstore.ExchangeToken(ctx, q, e, 100)
		must(t, err)
	}
	_, err := sqlstore.SpendTokens(ctx, q, storage.Spent{ID: storage.SpentID("two"), ExpiresAt: epoch})
	must(t, err)
	over, err := sqlstore.ScanSpent(ctx, q, 10, epoch.AddDate(1, 0, 0))
	must(t, err)
	if n, err := sqlstore.RemoveSpent(ctx, q, over); n != 2 || err != nil {
		t.Errorf("%d tokens removed, %v", n, err)
	}
}

// everyRemoval calls what leaves nothing.
func everyRemoval(t *testing.T, q sqlstore.Querier, l login) {
	t.Helper()
	must(t, sqlstore.RemoveClient(ctx, q, "cli"))
	for _, newest := range []bool{false, true} {
		_, err := sqlstore.Records(ctx, q, storage.Span{After: 1, Limit: 3, Newest: newest})
		must(t, err)
	}
	upTo, err := sqlstore.ScanRecords(ctx, q, storage.Acts, storage.Retention{Age: time.Hour, Rows: 1}, 3, epoch.AddDate(90, 0, 0))
	must(t, err)
	if n, err := sqlstore.RemoveRecords(ctx, q, storage.Acts, upTo); err != nil || n != 3 {
		t.Errorf("%d records removed, %v", n, err)
	}
	late := epoch.AddDate(2, 0, 0)
	_, ids, err := sqlstore.ScanSessions(ctx, q, storage.SessionID{}, 2, late)
	must(t, err)
	n, err := sqlstore.RemoveSessions(ctx, q, ids, late)
	must(t, err)
	if n != 2 {
		t.Errorf("%d of %d sessions removed", n, len(ids))
	}
	if n, err = sqlstore.RemoveUser(ctx, q, l.user.ID); err != nil || n == 0 {
		t.Errorf("%d sessions removed with the user, %v", n, err)
	}
}

// No index holds a column that a refresh changes.
func TestIndexes(t *testing.T) {
	s, _ := fresh(t)
	var columns []string
	must(t, s.Readers().Select(&columns, `SELECT i.name || '.' || c.name FROM pragma_index_list('sessions') i, pragma_index_info(i.name) c ORDER BY 1`))
	if got := strings.Join(columns, " "); got != "sessions_by_user.user_id sqlite_autoindex_sessions_1.id" {
		t.Errorf("sessions are indexed by %s", got)
	}
	var loose []string
	must(t, s.Readers().Select(&loose, `SELECT name FROM pragma_table_list WHERE schema = 'main' AND strict = 0 AND name NOT LIKE 'sqlite_%'`))
	if len(loose) > 0 {
		t.Errorf("not STRICT: %v", loose)
	}
}
