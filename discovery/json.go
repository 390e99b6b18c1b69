package discovery

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep arrays and objects may nest.
const maxDepth = 32

var (
	errSyntax = errors.New("it is not valid JSON")
	errDepth  = errors.New("it nests too deeply")
)

// A decoder walks over a JSON text (RFC 8259).
type decoder struct {
	data   string
	at     int
	shares bool // what it returns may share the text's memory
}

// part is what stands from start to end.
func (d *decoder) part(start, end int) string {
	if d.shares {
		return d.data[start:end]
	}
	return strings.Clone(d.data[start:end])
}

// whole reads a text that is one JSON object, by way of read, and nothing else.
func (d *decoder) whole(read func() error) error {
	if !utf8.ValidString(d.data) { // RFC 8259 §8.1
		return errors.New("it is not UTF-8")
	}
	d.space()
	if d.peek() != '{' {
		return errors.New("it is not a JSON object")
	}
	if err := read(); err != nil {
		return fmt.Errorf("at byte %d: %w", d.at, err)
	}
	d.space()
	if d.at != len(d.data) {
		return fmt.Errorf("at byte %d: there are bytes after the JSON object", d.at)
	}
	return nil
}

// peek returns the byte ahead, 0 at the end.
func (d *decoder) peek() byte {
	if d.at < len(d.data) {
		return d.data[d.at]
	}
	return 0
}

func (d *decoder) space() {
	for d.at < len(d.data) {
		switch d.data[d.at] {
		case ' ', '\t', '\r', '\n':
			d.at++
		default:
			return
		}
	}
}

// take skips white space and then the byte, if it is the one ahead.
func (d *decoder) take(c byte) bool {
	d.space()
	if d.peek() != c {
		return false
	}
	d.at++
	return true
}

// word skips a word, if it is the one ahead.
func (d *decoder) word(w string) bool {
	if !strings.HasPrefix(d.data[d.at:], w) {
		return false
	}
	d.at += len(w)
	return true
}

func (d *decoder) value(depth int) (any, error) {
	d.space()
	switch c := d.peek(); {
	case c == '{':
		return d.object(depth + 1)
	case c == '[':
		return d.array(depth + 1)
	case c == '"':
		return d.text()
	case c == '-' || c >= '0' && c <= '9':
		return d.number()
	}
	switch {
	case d.word("true"):
		return true, nil
	case d.word("false"):
		return false, nil
	case d.word("null"):
		return nil, nil
	}
	return nil, errSyntax
}

func (d *decoder) object(depth int) (map[string]any, error) {
	object := make(map[string]any)
	return object, d.members(depth, func(name string, value any) bool {
		_, twice := object[name]
		object[name] = value
		return !twice
	})
}

// members reads an object and hands over its members, in their order. The
// receiver says whether a name is new.
func (d *decoder) members(depth int, add func(name string, value any) bool) error {
	if depth > maxDepth {
		return errDepth
	}
	d.at++ // {
	if d.take('}') {
		return nil
	}
	for {
		d.space()
		if d.peek() != '"' {
			return errSyntax
		}
		name, err := d.text()
		if err != nil {
			return err
		}
		if !d.take(':') {
			return errSyntax
		}
		value, err := d.value(depth)
		if err != nil {
			return err
		}
		if !add(name, value) { // RFC 7515 §4, RFC 7519 §4
			return fmt.Errorf("member %.40q is there twice", name)
		}
		if d.take('}') {
			return nil
		}
		if !d.take(',') {
			return errSyntax
		}
	}
}

func (d *decoder) array(depth int) ([]any, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	d.at++ // [
	array := []any{}
	if d.take(']') {
		return array, nil
	}
	for {
		value, err := d.value(depth)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
		if d.take(']') {
			return array, nil
		}
		if !d.take(',') {
			return nil, errSyntax
		}
	}
}

// text reads a string; most have no escapes and are taken as they stand.
func (d *decoder) text() (string, error) {
	d.at++ // "
	start := d.at
	for d.at < len(d.data) {
		switch c := d.data[d.at]; {
		case c == '"':
			d.at++
			return d.part(start, d.at-1), nil
		case c == '\\':
			return d.escaped(start)
		case c < ' ':
			return "", errSyntax
		}
		d.at++
	}
	return "", errSyntax
}

// escaped reads on from the first backslash of a string that began at start.
func (d *decoder) escaped(start int) (string, error) {
	out := []byte(d.data[start:d.at])
	for d.at < len(d.data) {
		c := d.data[d.at]
		d.at++
		switch {
		case c == '"':
			return string(out), nil
		case c < ' ':
			return "", errSyntax
		case c != '\\':
			out = append(out, c)
		case d.peek() == 'u':
			r, err := d.unicode()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		default:
			i := strings.IndexByte(`"\/bfnrt`, d.peek())
			if i < 0 {
				return "", errSyntax
			}
			out = append(out, "\"\\/\b\f\n\r\t"[i])
			d.at++
		}
	}
	return "", errSyntax
}

// unicode reads uXXXX, and the second half of a surrogate pair.
func (d *decoder) unicode() (rune, error) {
	r, err := d.hex()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if d.peek() == '\\' {
		d.at++
		if d.peek() == 'u' {
			low, err := d.hex()
			if pair := utf16.DecodeRune(r, low); err == nil && pair != utf8.RuneError {
				return pair, nil
			}
		}
	}
	return 0, errors.New("it has half of a surrogate pair") // RFC 7493 §2.1
}

func (d *decoder) hex() (rune, error) {
	d.at++ // u
	if d.at+4 > len(d.data) {
		return 0, errSyntax
	}
	n, err := strconv.ParseUint(d.data[d.at:d.at+4], 16, 16)
	if err != nil {
		return 0, errSyntax
	}
	d.at += 4
	return rune(n), nil
}

// number reads -? int frac? exp? (RFC 8259 §6).
func (d *decoder) number() (json.Number, error) {
	start := d.at
	if d.peek() == '-' {
		d.at++
	}
	if d.peek() == '0' {
		d.at++
	} else if !d.digits() {
		return "", errSyntax
	}
	if d.peek() == '.' {
		d.at++
		if !d.digits() {
			return "", errSyntax
		}
	}
	if c := d.peek(); c == 'e' || c == 'E' {
		d.at++
		if c := d.peek(); c == '+' || c == '-' {
			d.at++
		}
		if !d.digits() {
			return "", errSyntax
		}
	}
	return json.Number(d.part(start, d.at)), nil
}

// digits skips at least one digit.
func (d *decoder) digits() bool {
	start := d.at
	for c := d.peek(); c >= '0' && c <= '9'; c = d.peek() {
		d.at++
	}
	return d.at > start
}
