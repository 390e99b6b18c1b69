package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/server/operator"
)

// EachToken is called with each blacklisted token.
type EachToken func(operator.BlacklistedToken) error

// maxOutstanding is how many tokens of a dump are in memory; a database has no bound.
const maxOutstanding = 1_000_000

const (
	outstandingTable = "token_blacklist_outstandingtoken"
	blacklistTable   = "token_blacklist_blacklistedtoken"
)

// Blacklist reads which refresh tokens Simple JWT has blacklisted. A site without
// its blacklist app has no such tables, and nothing is blacklisted there.
func (d *Database) Blacklist(ctx context.Context, each EachToken) error {
	if there, err := d.has(ctx, outstandingTable, blacklistTable); err != nil || !there {
		return errors.Join(err, fmt.Errorf("there are no tables %s and %s: the site does not blacklist tokens", outstandingTable, blacklistTable))
	}
	query := fmt.Sprintf(`SELECT b.id, o.jti, o.expires_at FROM %s b JOIN %s o ON o.id = b.token_id WHERE b.id > $1 ORDER BY b.id LIMIT %d`,
		quoted(blacklistTable), quoted(outstandingTable), pageRows)
	for last := int64(-1); ; {
		n := 0
		var page []operator.BlacklistedToken // called back with when the database is let go of
		err := d.each(ctx, query, []any{last}, func(v []any) error {
			id, isID := v[0].(int64)
			expires, isTime := v[2].(time.Time)
			jti := columnText(v[1])
			if !isID || !isTime || jti == "" {
				return fmt.Errorf("table %s does not look like Simple JWT's: row %v", outstandingTable, v[0])
			}
			last, n, page = id, n+1, append(page, operator.BlacklistedToken{ID: jti, ExpiresAt: expires.UTC()})
			return nil
		})
		if err != nil || n == 0 {
			return err
		}
		for _, t := range page {
			if err := each(t); err != nil {
				return err
			}
		}
	}
}

func columnText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

// DumpedBlacklist reads the same from what "dumpdata token_blacklist" writes,
// where the outstanding tokens stand before those that are blacklisted.
func DumpedBlacklist(r io.Reader, each EachToken) error {
	s, outstanding := splitter{r: bufio.NewReader(r)}, map[string]operator.BlacklistedToken{}
	for n := 1; ; n++ {
		text, err := s.next(n == 1)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		object, err := discovery.DecodeObject(text)
		if err == nil {
			err = takeToken(object, outstanding, each)
		}
		if err != nil {
			return fmt.Errorf("object %d (line %d): %w", n, s.line+1, err)
		}
	}
}

func takeToken(object map[string]any, outstanding map[string]operator.BlacklistedToken, each EachToken) error {
	fields, _ := object["fields"].(map[string]any)
	switch object["model"] {
	case "token_blacklist.outstandingtoken":
		jti, _ := fields["jti"].(string)
		when, _ := fields["expires_at"].(string)
		expires, err := dumpedTime(when)
		if pk := text(object["pk"]); jti == "" || pk == "" || err != nil {
			return errors.New("an outstanding token without pk, jti or expires_at")
		} else if outstanding[pk] = (operator.BlacklistedToken{ID: jti, ExpiresAt: expires}); len(outstanding) > maxOutstanding {
			return fmt.Errorf("more than %d tokens: run flushexpiredtokens before, or read the database with --from-django", maxOutstanding)
		}
	case "token_blacklist.blacklistedtoken":
		t, known := outstanding[text(fields["token"])]
		if !known {
			return errors.New("a blacklisted token that is not outstanding before: dump the whole app, token_blacklist")
		}
		return each(t)
	}
	return nil
}

// dumpedTime reads a time as Django dumps it, with its zone, or without one where
// USE_TZ is off: the hours that may be wrong are less than what is kept longer.
func dumpedTime(s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	return time.Parse("2006-01-02T15:04:05", s)
}
