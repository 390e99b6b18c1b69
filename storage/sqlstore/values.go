package sqlstore

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// micros writes an instant; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// instant reads what micros wrote.
func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func duration(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

// join writes a list. A member that is empty or holds a space would read back
// as something else: RFC 6749 §3.3 allows neither in a scope.
func join(column string, values []string) (string, error) {
	for _, v := range values {
		if v == "" || strings.Contains(v, " ") {
			return "", fmt.Errorf("%w: %s: a member is empty or holds a space", ErrRecord, column)
		}
	}
	return strings.Join(values, " "), nil
}

// split reads what join wrote.
func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, " ")
}

func encode(column string, v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("%w: %s: %w", ErrRecord, column, err)
	}
	return string(b), nil
}

// A decoder reads columns and keeps the first error.
type decoder struct{ err error }

func (d *decoder) fail(column, problem string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s: %s", ErrRecord, column, problem)
	}
}

// fixed fills dst with exactly what the column holds.
func (d *decoder) fixed(column string, dst, src []byte) {
	if len(src) != len(dst) {
		d.fail(column, fmt.Sprintf("%d bytes where %d belong", len(src), len(dst)))
	}
	copy(dst, src)
}

// optional is fixed for a column that may be null, which leaves dst zero.
func (d *decoder) optional(column string, dst, src []byte) {
	if src != nil {
		d.fixed(column, dst, src)
	}
}

func (d *decoder) json(column, src string, dst any) {
	if err := json.Unmarshal([]byte(src), dst); err != nil {
		d.fail(column, "not the JSON that belongs there") // the error would quote it
	}
}
