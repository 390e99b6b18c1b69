package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// errTwice is of a name that comes twice in one object.
var errTwice = errors.New("comes twice")

// strictJSON reports why text is not one JSON object that all parsers read
// alike (RFC 8259 §4, §8.1).
func strictJSON(text []byte) error {
	switch {
	case bytes.HasPrefix(text, []byte("\xef\xbb\xbf")):
		return errors.New("it begins with a byte order mark")
	case !utf8.Valid(text):
		return errors.New("it is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return errors.New("it is not a JSON object")
	}
	if err := uniqueNames(dec); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the object")
	}
	return nil
}

// uniqueNames reads the rest of an object. It keeps the objects that it is in
// on a list of its own: a document must not choose how deep we recurse.
func uniqueNames(dec *json.Decoder) error {
	type level struct {
		names  map[string]bool // nil in an array
		inside bool            // the next token is a value, not a name
	}
	open := []level{{names: map[string]bool{}}}
	for len(open) > 0 {
		token, err := dec.Token()
		if err != nil {
			return errors.New("it is not valid JSON")
		}
		top := &open[len(open)-1]
		if name, ok := token.(string); ok && top.names != nil && !top.inside {
			if top.names[name] {
				return fmt.Errorf("the member %q %w", name, errTwice)
			}
			top.names[name], top.inside = true, true
			continue
		}
		top.inside = false
		switch token {
		case json.Delim('{'):
			open = append(open, level{names: map[string]bool{}})
		case json.Delim('['):
			open = append(open, level{})
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		}
	}
	return nil
}
