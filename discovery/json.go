package discovery

import (
	"bytes"
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
	data []byte
	at   int
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
	if !strings.HasPrefix(string(d.data[d.at:min(len(d.data), d.at+len(w))]), w) {
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
	if depth > maxDepth {
		return nil, errDepth
	}
	d.at++ // {
	object := make(map[string]any)
	if d.take('}') {
		return object, nil
	}
	for {
		d.space()
		if d.peek() != '"' {
			return nil, errSyntax
		}
		name, err := d.text()
		if err != nil {
			return nil, err
		}
		if _, twice := object[name]; twice { // RFC 7515 §4, RFC 7519 §4
			return nil, fmt.Errorf("member %.40q is there twice", name)
		}
		if !d.take(':') {
			return nil, errSyntax
		}
		if object[name], err = d.value(depth); err != nil {
			return nil, err
		}
		if d.take('}') {
			return object, nil
		}
		if !d.take(',') {
			return nil, errSyntax
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
			return string(d.data[start : d.at-1]), nil
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
	out := bytes.Clone(d.data[start:d.at])
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
	n, err := strconv.ParseUint(string(d.data[d.at:d.at+4]), 16, 16)
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
	return json.Number(d.data[start:d.at]), nil
}

// digits skips at least one digit.
func (d *decoder) digits() bool {
	start := d.at
	for c := d.peek(); c >= '0' && c <= '9'; c = d.peek() {
		d.at++
	}
	return d.at > start
}
