package sqlstore

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/hallmark-auth/hallmark/storage"
)

func array[T ~[16]byte | ~[32]byte](t *rapid.T, label string) (v T) {
	rv := reflect.ValueOf(&v).Elem()
	for i := range rv.Len() {
		rv.Index(i).SetUint(uint64(rapid.Byte().Draw(t, label)))
	}
	return v
}

func moment(t *rapid.T, label string) time.Time {
	if us := rapid.Int64Range(0, 4e15).Draw(t, label); us != 0 {
		return time.UnixMicro(us).UTC()
	}
	return time.Time{}
}

func list(t *rapid.T, label string) []string {
	member := rapid.StringMatching(`[!#-\[\]-~]{1,12}`) // RFC 6749 §3.3, scope-token
	values := rapid.SliceOfN(member, 0, 4).Draw(t, label)
	if len(values) == 0 {
		return nil
	}
	return values
}

func anySession(t *rapid.T) storage.Session {
	s := storage.Session{
		ID: array[storage.SessionID](t, "id"), User: array[uuid.UUID](t, "user"), Client: rapid.Int64().Draw(t, "client"),
		Scope: list(t, "scope"), Audience: list(t, "audience"),
		AuthTime: moment(t, "auth"), ExpiresAt: moment(t, "expires"), LastUsedAt: moment(t, "used"), EndedAt: moment(t, "ended"),
		IdleLifetime: time.Duration(rapid.Int64Range(0, 1e13).Draw(t, "idle")) * time.Microsecond,
		LastAddress:  rapid.String().Draw(t, "address"), EndReason: storage.EndReason(rapid.String().Draw(t, "why")),
		Device: rapid.String().Draw(t, "device"),
	}
	s.Generation = rapid.Uint32().Draw(t, "generation")
	s.Current = array[storage.Digest](t, "current")
	s.RotatedAt = storage.ServiceTime(rapid.Int64().Draw(t, "rotated"))
	if rapid.Bool().Draw(t, "has rotated") {
		s.Previous, s.Nonce = array[storage.Digest](t, "previous"), array[storage.Nonce](t, "nonce")
	}
	return s
}

// A session comes back from its row as it went in.
func TestSessionRow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anySession(t)
		row, err := rowOf(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := row.session()
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
	})
}

// A row that holds what does not belong there is no record, and the error
// tells the column and none of its content.
func TestDamagedRows(t *testing.T) {
	session := func(change func(*sessionRow)) func() error {
		return func() error {
			row, err := rowOf(storage.Session{})
			if err != nil {
				t.Fatal(err)
			}
			change(&row)
			_, err = row.session()
			return err
		}
	}
	user := func(change func(*userRow)) func() error {
		return func() error {
			row := userRow{ID: make([]byte, 16), Claims: "{}"}
			change(&row)
			_, err := row.user()
			return err
		}
	}
	client := func(change func(*clientRow)) func() error {
		return func() error {
			row := clientRow{Policy: "{}"}
			change(&row)
			_, err := row.client()
			return err
		}
	}
	token := func(change func(*operatorTokenRow)) func() error {
		return func() error {
			row := operatorTokenRow{Digest: make([]byte, 32)}
			change(&row)
			_, err := row.token()
			return err
		}
	}
	entry := func(change func(*entryRow)) func() error {
		return func() error {
			row, err := rowOf(storage.Session{})
			if err != nil {
				t.Fatal(err)
			}
			e := entryRow{sessionRow: row}
			change(&e)
			_, err = e.entry()
			return err
		}
	}
	cases := map[string]struct {
		column string
		read   func() error
	}{
		"short id":        {"sessions.id", session(func(r *sessionRow) { r.ID = r.ID[:15] })},
		"null id":         {"sessions.id", session(func(r *sessionRow) { r.ID = nil })},
		"long user":       {"sessions.user_id", session(func(r *sessionRow) { r.User = make([]byte, 17) })},
		"no digest":       {"sessions.current", session(func(r *sessionRow) { r.Current = nil })},
		"empty previous":  {"sessions.previous", session(func(r *sessionRow) { r.Previous = []byte{} })},
		"long nonce":      {"sessions.nonce", session(func(r *sessionRow) { r.Nonce = make([]byte, 33) })},
		"generation":      {"sessions.generation", session(func(r *sessionRow) { r.Generation = 1 << 32 })},
		"past generation": {"sessions.generation", session(func(r *sessionRow) { r.Generation = -1 })},
		"user id":         {"users.id", user(func(r *userRow) { r.ID = nil })},
		"claims":          {"users.claims", user(func(r *userRow) { r.Claims = `{"roles": "content"}` })},
		"no claims":       {"users.claims", user(func(r *userRow) { r.Claims = `content` })},
		"short import":    {"users.imported", user(func(r *userRow) { r.Imported = make([]byte, 31) })},
		"empty import":    {"users.imported", user(func(r *userRow) { r.Imported = []byte{} })},
		"operator digest": {"operator_tokens.digest", token(func(r *operatorTokenRow) { r.Digest = r.Digest[:31] })},
		"listed session":  {"sessions.current", entry(func(r *entryRow) { r.Current = nil })},
		"cut secret":      {"clients.secrets", client(func(r *clientRow) { r.Secrets = make([]byte, 33) })},
		"policy":          {"clients.policy", client(func(r *clientRow) { r.Policy = `["content"]` })},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := c.read()
			if !errors.Is(err, ErrRecord) {
				t.Fatalf("reported %v", err)
			}
			if !strings.Contains(err.Error(), c.column+":") || strings.Contains(err.Error(), "content") {
				t.Errorf("says %q", err)
			}
		})
	}
}

func TestListsThatWouldReadBackDifferently(t *testing.T) {
	for _, values := range [][]string{{""}, {"a", ""}, {" "}, {"a b"}, {"a", "b "}} {
		if s, err := join("column", values); !errors.Is(err, ErrRecord) {
			t.Errorf("%q is joined to %q (%v)", values, s, err)
		}
		if _, err := rowOf(storage.Session{Scope: values}); err == nil {
			t.Errorf("a session has scope %q", values)
		}
		if _, err := rowOf(storage.Session{Audience: values}); err == nil {
			t.Errorf("a session has audience %q", values)
		}
	}
}

// Statements are read alike by engines that number parameters and by those that
// count them only if the first $2 comes after the first $1, and so on.
func TestParametersComeInOrder(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	literal, parameter := regexp.MustCompile("(?s)`([^`]*)`"), regexp.MustCompile(`\$(\d+)`)
	seen := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range literal.FindAllStringSubmatch(string(source), -1) {
			var order []int
			for _, p := range parameter.FindAllStringSubmatch(text[1], -1) {
				if n, _ := strconv.Atoi(p[1]); !slices.Contains(order, n) {
					order = append(order, n)
				}
			}
			for i, n := range order {
				if n != i+1 {
					t.Errorf("%s: %q: $%d comes as number %d", file, text[1], n, i+1)
				}
			}
			seen += min(1, len(order))
		}
	}
	if seen < 29 {
		t.Errorf("only %d statements were found", seen)
	}
}
