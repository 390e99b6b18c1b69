package discovery

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// DecodeObject reads exactly one JSON object from foreign bytes. It refuses
// what encoding/json lets pass and what readers disagree about: repeated member
// names at any depth, invalid UTF-8, a byte order mark, lone surrogates, bytes
// after the object, nesting deeper than 32. Member names are kept exactly.
// Values are string, json.Number, bool, nil, []any and map[string]any.
func DecodeObject(data []byte) (map[string]any, error) {
	if !utf8.Valid(data) { // RFC 8259 §8.1
		return nil, errors.New("it is not UTF-8")
	}
	d := decoder{data: data}
	d.space()
	if d.peek() != '{' {
		return nil, errors.New("it is not a JSON object")
	}
	object, err := d.object(1)
	if err != nil {
		return nil, fmt.Errorf("at byte %d: %w", d.at, err)
	}
	d.space()
	if d.at != len(data) {
		return nil, fmt.Errorf("at byte %d: there are bytes after the JSON object", d.at)
	}
	return object, nil
}

// DecodeBase64URL decodes base64url as JOSE wants it (RFC 7515 §2): no
// padding, no other alphabet, no line breaks, unused bits zero.
func DecodeBase64URL(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") { // which the decoder skips, also in strict mode
		return nil, errors.New("line break in base64url")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, errors.New("not canonical base64url without padding")
	}
	return b, nil
}

// StringList takes an array of strings from what DecodeObject returned.
func StringList(value any) ([]string, bool) {
	array, ok := value.([]any)
	if !ok {
		return nil, false
	}
	list := make([]string, len(array))
	for i, element := range array {
		if list[i], ok = element.(string); !ok {
			return nil, false
		}
	}
	return list, true
}
