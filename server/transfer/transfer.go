// Package transfer reads users out of other systems, and writes ours for them:
//
//	dumpdata JSON ─┐
//	JSON lines ────┤
//	CSV ───────────┼─► columns by name ─► Mapping ─► operator.Arrival ─► Operator.ImportUsers
//	Django SQLite ─┤
//	PostgreSQL ────┘
//	storage.User ─► JSON lines, CSV, a Django fixture
//
// Everything is a stream: a reader holds one user, or one page of a database.
// What is wrong with one user is that user's Problems and the reader goes on;
// what cannot be read on from is an error that says where. Nothing is hashed,
// stored or decided here, and no error or problem quotes a hash.
package transfer

import (
	"fmt"

	"github.com/hallmark-auth/hallmark/server/operator"
)

const (
	// maxRow bounds one user of a source, in bytes.
	maxRow = 64 << 10

	// maxTable bounds how many groups, permissions and content types are kept.
	maxTable = 100_000

	// maxListed bounds the groups and permissions of one user; a token takes less.
	maxListed = 1000
)

// A Mapping says what becomes of what a source has.
type Mapping struct {
	NameField string            // the column with the user name; "username" if empty
	IDField   string            // the column with the id; "id" if empty
	IDClaim   string            // the free claim that gets the id, a number as a number; empty: none
	Claims    map[string]string // free claims and the columns that fill them
	Rules     []Rule            // the first that matches decides; DefaultRules come after them

	WithoutUnknown bool // leave groups and permissions out that the source has by number only
}

func (m Mapping) nameField() string { return or(m.NameField, "username") }
func (m Mapping) idField() string   { return or(m.IDField, "id") }

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// Each is called with one user after another.
type Each = func(operator.Arrival) error

// A row is one user as columns by name. Values are string, json.Number, bool,
// nil, []any and map[string]any.
type row map[string]any

func problem(field, format string, args ...any) operator.Problem {
	return operator.Problem{Field: field, Advice: fmt.Sprintf(format, args...)}
}
