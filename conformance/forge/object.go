package forge

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A Text is JSON, or pretends to be.
type Text interface{ String() string }

// An Object is JSON text in the making: member names and raw values, so that
// it can be wrong in every way.
type Object [][2]string

func (o Object) String() string {
	members := make([]string, len(o))
	for i, m := range o {
		members[i] = Quote(m[0]) + ":" + m[1]
	}
	return "{" + strings.Join(members, ",") + "}"
}

// With returns the object with a member set, or added.
func (o Object) With(name, raw string) Object {
	changed := append(Object{}, o...)
	for i := range changed {
		if changed[i][0] == name {
			changed[i][1] = raw
			return changed
		}
	}
	return append(changed, [2]string{name, raw})
}

// And returns the object with one more member, be it a repetition.
func (o Object) And(name, raw string) Object {
	return append(append(Object{}, o...), [2]string{name, raw})
}

// Without returns the object without a member.
func (o Object) Without(name string) Object {
	var rest Object
	for _, m := range o {
		if m[0] != name {
			rest = append(rest, m)
		}
	}
	return rest
}

// A Raw is a text that is no object in the making.
type Raw string

func (r Raw) String() string { return string(r) }

// Head is a good header for a key.
func Head(alg, kid string) Object {
	return Object{{"alg", Quote(alg)}, {"typ", `"at+jwt"`}, {"kid", Quote(kid)}}
}

// Claims are good claims.
func (f *Forge) Claims() Object {
	return Object{
		{"iss", Quote(f.issuer)}, {"sub", `"user-1"`}, {"aud", Quote(f.audience)},
		{"exp", f.at(10 * time.Minute)}, {"iat", f.at(0)}, {"jti", `"token-1"`},
		{"client_id", `"web"`}, {"scope", `"orders profile"`},
	}
}

// Quote returns a JSON string.
func Quote(s string) string { return string(must(json.Marshal(s))) }

// at is a NumericDate some time from now.
func (f *Forge) at(d time.Duration) string { return fmt.Sprint(f.now.Add(d).Unix()) }
