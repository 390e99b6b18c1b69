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

func aText(name, text string) member          { return member{name: name, text: text} }
func aList(name string, list []string) member { return member{name: name, list: list, is: isList} }
func aNumber(name string, number int64) member {
	return member{name: name, number: number, is: isNumber}
}

// appendMembers appends what is written, in the order of the names.
func (c *Claims) appendMembers(all []member) []member {
	if len(c.Audience) == 1 { // RFC 7519 §4.1.3
		all = append(all, aText("aud", c.Audience[0]))
	} else {
		all = append(all, aList("aud", c.Audience))
	}
	if !c.AuthTime.IsZero() {
		all = append(all, aNumber("auth_time", c.AuthTime.Unix()))
	}
	all = append(all, aText("client_id", c.ClientID))
	if len(c.Entitlements) > 0 {
		all = append(all, aList("entitlements", c.Entitlements))
	}
	all = append(all, aNumber("exp", c.ExpiresAt.Unix()))
	if len(c.Groups) > 0 {
		all = append(all, aList("groups", c.Groups))
	}
	all = append(all, aNumber("iat", c.IssuedAt.Unix()), aText("iss", c.Issuer), aText("jti", c.ID))
	if len(c.Roles) > 0 {
		all = append(all, aList("roles", c.Roles))
	}
	if len(c.Scope) > 0 {
		all = append(all, aText("scope", strings.Join(c.Scope, " "))) // RFC 8693 §4.2
	}
	if c.SessionID != "" {
		all = append(all, aText("sid", c.SessionID))
	}
	all = append(all, aText("sub", c.Subject))
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
