package transfer

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"

	"github.com/hallmark-auth/hallmark/storage"
)

// FormatDjango is a fixture that Django's loaddata reads.
const FormatDjango = "django"

// A Writer writes users, with their hashes.
type Writer interface {
	Write(storage.User) error
	End() error // writes the rest: without it the output is not whole
}

// NewWriter returns the writer of a format: jsonl, csv or django.
func NewWriter(format string, w io.Writer) (Writer, error) {
	switch format {
	case FormatLines:
		return &lineWriter{w}, nil
	case FormatCSV:
		out := csv.NewWriter(w)
		return &csvWriter{out}, out.Write(exportColumns)
	case FormatDjango:
		return &Fixture{w: w, groups: map[string]bool{}}, nil
	}
	return nil, fmt.Errorf("unknown format %q", format)
}

// An exported user has the members that the operators' API takes, and the
// subject identifier.
type exported struct {
	Sub          string             `json:"sub"`
	ForeignID    string             `json:"foreign_id,omitempty"`
	Username     string             `json:"username"`
	PasswordHash string             `json:"password_hash,omitempty"`
	Disabled     bool               `json:"disabled"`
	Roles        []string           `json:"roles"`
	Groups       []string           `json:"groups"`
	Entitlements []string           `json:"entitlements"`
	Extra        storage.FreeClaims `json:"extra"`
}

func export(u storage.User) exported {
	e := exported{
		Sub: u.ID.String(), ForeignID: u.ForeignID, Username: u.Name, PasswordHash: u.PasswordHash, Disabled: u.Disabled,
		Roles: u.Claims.Roles, Groups: u.Claims.Groups, Entitlements: u.Claims.Entitlements, Extra: u.Claims.Extra,
	}
	for _, list := range []*[]string{&e.Roles, &e.Groups, &e.Entitlements} {
		if *list == nil {
			*list = []string{}
		}
	}
	if e.Extra == nil {
		e.Extra = storage.FreeClaims{}
	}
	return e
}

type lineWriter struct{ w io.Writer }

func (l *lineWriter) Write(u storage.User) error {
	text, err := encode(export(u))
	if err != nil {
		return err
	}
	_, err = l.w.Write(append(text, '\n'))
	return err
}

func (*lineWriter) End() error { return nil }

// encode is v as JSON on one line, without escapes for HTML.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

var exportColumns = []string{"sub", "foreign_id", "username", "password_hash", "disabled", "roles", "groups", "entitlements", "extra"}

// A csvWriter writes lists and free claims as JSON in their cells.
type csvWriter struct{ w *csv.Writer }

func (c *csvWriter) Write(u storage.User) error {
	e := export(u)
	cells := []string{e.Sub, e.ForeignID, e.Username, e.PasswordHash, fmt.Sprint(e.Disabled)}
	for _, v := range []any{e.Roles, e.Groups, e.Entitlements, e.Extra} {
		text, err := encode(v)
		if err != nil {
			return err
		}
		cells = append(cells, string(text))
	}
	return c.w.Write(cells)
}

func (c *csvWriter) End() error {
	c.w.Flush()
	return c.w.Error()
}
