package discovery

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
)

// DecodeObject reads exactly one JSON object from foreign bytes. It refuses
// what encoding/json lets pass and what readers disagree about: repeated member
// names at any depth, invalid UTF-8, a byte order mark, lone surrogates, bytes
// after the object, nesting deeper than 32. Member names are kept exactly.
// Values are string, json.Number, bool, nil, []any and map[string]any.
func DecodeObject(data []byte) (map[string]any, error) {
	d := decoder{data: string(data)}
	var object map[string]any
	err := d.whole(func() (err error) {
		object, err = d.object(1)
		return err
	})
	if err != nil {
		return nil, err
	}
	return object, nil
}

// Members is a JSON object with its members in their order.
type Members []Member

// A Member is one of them; its value is one that DecodeObject knows.
type Member struct {
	Name  string
	Value any
}

// Get returns the value of a member, nil if there is none.
func (m Members) Get(name string) any {
	for i := range m {
		if m[i].Name == name {
			return m[i].Value
		}
	}
	return nil
}

// Has says whether there is a member of this name.
func (m Members) Has(name string) bool {
	return slices.ContainsFunc(m, func(member Member) bool { return member.Name == name })
}

// manyMembers is where comparing each name with each becomes slower than a map.
const manyMembers = 24

// DecodeMembers is DecodeObject for readers in a hurry: what it returns shares
// the memory of the text, so that a word of it keeps the whole alive.
func DecodeMembers(text string) (Members, error) {
	d := decoder{data: text, shares: true}
	members := make(Members, 0, manyMembers/2)
	var names map[string]bool // when there are many
	err := d.whole(func() error {
		return d.members(1, func(name string, value any) bool {
			if len(members) == manyMembers {
				names = make(map[string]bool, 4*manyMembers)
				for i := range members {
					names[members[i].Name] = true
				}
			}
			twice := names[name] || names == nil && members.Has(name)
			if names != nil {
				names[name] = true
			}
			members = append(members, Member{name, value})
			return !twice
		})
	})
	if err != nil {
		return nil, err
	}
	return members, nil
}

// DecodeBase64URL decodes base64url as JOSE wants it (RFC 7515 §2): no
// padding, no other alphabet, no line breaks, unused bits zero.
func DecodeBase64URL(s string) ([]byte, error) {
	if strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 { // which the decoder skips, also in strict mode
		return nil, errors.New("line break in base64url")
	}
	b, err := strictBase64URL.DecodeString(s)
	if err != nil {
		return nil, errors.New("not canonical base64url without padding")
	}
	return b, nil
}

var strictBase64URL = base64.RawURLEncoding.Strict()

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
