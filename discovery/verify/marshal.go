package verify

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// A member of a token's payload: its value is a text, a list, a number or
// something else. encoding/json would write the same, and take as long as half
// a signature for it.
type member struct {
	name   string
	text   string
	list   []string
	number int64
	other  any
	is     kind
}

type kind int

const (
	isText kind = iota
	isList
	isNumber
	isOther
)

// members are what is written, in the order of their names.
func (c Claims) members() []member {
	all := make([]member, 0, 16+len(c.Extra))
	text := func(name, value string) { all = append(all, member{name: name, text: value}) }
	list := func(name string, value []string) {
		if len(value) > 0 {
			all = append(all, member{name: name, list: value, is: isList})
		}
	}
	number := func(name string, value int64) { all = append(all, member{name: name, number: value, is: isNumber}) }
	if len(c.Audience) == 1 { // RFC 7519 §4.1.3
		text("aud", c.Audience[0])
	} else {
		list("aud", c.Audience)
	}
	if !c.AuthTime.IsZero() {
		number("auth_time", c.AuthTime.Unix())
	}
	text("client_id", c.ClientID)
	list("entitlements", c.Entitlements)
	number("exp", c.ExpiresAt.Unix())
	list("groups", c.Groups)
	number("iat", c.IssuedAt.Unix())
	text("iss", c.Issuer)
	text("jti", c.ID)
	list("roles", c.Roles)
	if len(c.Scope) > 0 {
		text("scope", strings.Join(c.Scope, " ")) // RFC 8693 §4.2
	}
	if c.SessionID != "" {
		text("sid", c.SessionID)
	}
	text("sub", c.Subject)
	for name, value := range c.Extra {
		if !isRegistered(strings.ToLower(name)) {
			all = append(all, member{name: name, other: value, is: isOther})
		}
	}
	if len(c.Extra) > 0 {
		slices.SortFunc(all, func(a, b member) int { return cmp.Compare(a.name, b.name) })
	}
	return all
}

// marshal writes an object.
func marshal(members []member) (_ []byte, err error) {
	out := make([]byte, 0, 768)
	for i, m := range members {
		if out = append(out, ','); i == 0 {
			out[0] = '{'
		}
		out = append(appendText(out, m.name), ':')
		switch m.is {
		case isText:
			out = appendText(out, m.text)
		case isNumber:
			out = strconv.AppendInt(out, m.number, 10)
		case isList:
			for j, text := range m.list {
				if out = append(out, ','); j == 0 {
					out[len(out)-1] = '['
				}
				out = appendText(out, text)
			}
			out = append(out, ']')
		case isOther:
			value, err := json.Marshal(m.other)
			if err != nil {
				return nil, err
			}
			out = append(out, value...)
		}
	}
	return append(out, '}'), nil
}

// appendText appends a string as encoding/json writes it.
func appendText(out []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(text) // a string can always be written
			return append(out, quoted...)
		}
	}
	return append(append(append(out, '"'), text...), '"')
}
