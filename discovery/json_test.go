package discovery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDecodeObject(t *testing.T) {
	nested := func(n int) string { return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}` }
	for text, want := range map[string]string{
		`{}`:                                            "",
		" \t\r\n{ \"a\" : [ ] , \"b\" : {} } ":          "",
		`{"a":[1,-0,0.5,1e9,1E+2,-12.75e-3]}`:           "",
		`{"a":true,"b":false,"c":null}`:                 "",
		`{"a":"\"\\\/\b\f\n\r\tA\u00e9\uD83D\ude00é😀"}`: "",
		`{"a":{"b":1},"b":{"b":1}}`:                     "",
		`{"a":1,"A":2}`:                                 "", // two names, both kept
		nested(maxDepth - 1):                            "",

		``:                              "not a JSON object",
		`[]`:                            "not a JSON object",
		`"a"`:                           "not a JSON object",
		`null`:                          "not a JSON object",
		"\ufeff{}":                      "not a JSON object",
		`{`:                             "not valid",
		`{"a"`:                          "not valid",
		`{"a":`:                         "not valid",
		`{"a":1`:                        "not valid",
		`{"a":1,`:                       "not valid",
		`{"a":1,}`:                      "not valid",
		`{,}`:                           "not valid",
		`{a:1}`:                         "not valid",
		`{'a':1}`:                       "not valid",
		`{"a":[1,]}`:                    "not valid",
		`{"a":[1`:                       "not valid",
		`{"a":[1 2]}`:                   "not valid",
		`{"a":"b}`:                      "not valid",
		"{\"a\":\"\x00\"}":              "not valid",
		"{\"a\":\"b\n\"}":               "not valid",
		"{\"a\":\"\\n\n\"}":             "not valid",
		`{"a":"\x41"}`:                  "not valid",
		`{"a":"\`:                       "not valid",
		`{"a":"\u12"}`:                  "not valid",
		`{"a":"\u12`:                    "not valid",
		`{"a":"\u+123"}`:                "not valid",
		`{"a":01}`:                      "not valid",
		`{"a":+1}`:                      "not valid",
		`{"a":1.}`:                      "not valid",
		`{"a":.1}`:                      "not valid",
		`{"a":1e}`:                      "not valid",
		`{"a":-}`:                       "not valid",
		`{"a":0x10}`:                    "not valid",
		`{"a":NaN}`:                     "not valid",
		`{"a":True}`:                    "not valid",
		`{"a":truex}`:                   "not valid",
		`{"a":tru`:                      "not valid",
		`{"a":/**/1}`:                   "not valid",
		`{}x`:                           "bytes after",
		`{}{}`:                          "bytes after",
		"{}\x00":                        "bytes after",
		`{"a":1,"a":1}`:                 "twice",
		`{"a":1,"\u0061":1}`:            "twice",
		`{"x":{"a":1,"a":1}}`:           "twice",
		`{"x":[{"a":1,"a":1}]}`:         "twice",
		"{\"a\":\"\xff\"}":              "not UTF-8",
		"{\"a\":\"\xed\xa0\x80\"}":      "not UTF-8",
		`{"a":"\ud800"}`:                "surrogate",
		`{"a":"\udc00"}`:                "surrogate",
		`{"a":"\ud800\ud800"}`:          "surrogate",
		`{"a":"\ud800\n"}`:              "surrogate",
		`{"a":"\ud800A"}`:               "surrogate",
		`{"\ud800":1}`:                  "surrogate",
		nested(maxDepth):                "deeply",
		nested(100000):                  "deeply",
		strings.Repeat(`{"a":`, 100000): "deeply",
	} {
		object, err := DecodeObject([]byte(text))
		if members, again := DecodeMembers(text); !agree(object, err, members, again) {
			t.Errorf("%.80q: DecodeMembers says %v, %v", text, members, again)
		}
		switch {
		case want == "" && err != nil:
			t.Errorf("%.80q: %v", text, err)
		case want == "":
			if got := decodeLoosely(t, []byte(text)); !reflect.DeepEqual(got, object) {
				t.Errorf("%.80q: got %#v, want %#v", text, object, got)
			}
		case err == nil || !strings.Contains(err.Error(), want):
			t.Errorf("%.80q: got %v, want an error with %q", text, err, want)
		}
	}
}

// agree says whether both ways to read an object came to the same.
func agree(object map[string]any, err error, members Members, again error) bool {
	if err != nil || again != nil {
		return err != nil && again != nil && err.Error() == again.Error() && members == nil && object == nil
	}
	for _, m := range members {
		if value, there := object[m.Name]; !there || !reflect.DeepEqual(m.Value, value) || !reflect.DeepEqual(members.Get(m.Name), value) || !members.Has(m.Name) {
			return false
		}
	}
	return len(members) == len(object) && members.Get("no such member") == nil && !members.Has("no such member")
}

// Members are told apart however many there are.
func TestDecodeMembersMany(t *testing.T) {
	for n := 1; n < 3*manyMembers; n++ {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf(`"m%d":%d`, i, i)
		}
		text := strings.Join(names, ",")
		if members, err := DecodeMembers("{" + text + "}"); err != nil || len(members) != n || members[n-1].Name != fmt.Sprint("m", n-1) {
			t.Errorf("%d members: got %d, %v", n, len(members), err)
		}
		for _, again := range []int{0, n / 2, n - 1} {
			if _, err := DecodeMembers(fmt.Sprintf(`{%s,"m%d":0}`, text, again)); err == nil || !strings.Contains(err.Error(), "twice") {
				t.Errorf("%d members and then m%d again: %v", n, again, err)
			}
		}
	}
}

// decodeLoosely is the standard library's opinion.
func decodeLoosely(t *testing.T, data []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		t.Fatalf("encoding/json refuses %q: %v", data, err)
	}
	return object
}

// FuzzDecodeObject: what is accepted is what encoding/json makes of it, and
// what is refused it refuses too, or there is one of the reasons for which the
// strict reader exists.
func FuzzDecodeObject(f *testing.F) {
	for _, seed := range []string{
		`{"a":1}`, `{"a":[{"b":"\ud83d\ude00"},null,-1.5e+9]}`, `{"a":1,"a":2}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", `[1]`, `{}x`, "\ufeff{}", `{"":{"":[]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		object, err := DecodeObject(data)
		if members, again := DecodeMembers(string(data)); !agree(object, err, members, again) {
			t.Fatalf("%q: DecodeMembers says %v, %v", data, members, again)
		}
		if err == nil {
			if !json.Valid(data) || !utf8.Valid(data) {
				t.Fatalf("accepted %q", data)
			}
			if want := decodeLoosely(t, data); !reflect.DeepEqual(object, want) {
				t.Fatalf("%q: got %#v, want %#v", data, object, want)
			}
			return
		}
		if !json.Valid(data) || !utf8.Valid(data) {
			return
		}
		for _, reason := range []string{"twice", "surrogate", "deeply", "not a JSON object"} {
			if strings.Contains(err.Error(), reason) {
				return
			}
		}
		t.Fatalf("refused %q: %v", data, err)
	})
}

func TestDecodeBase64URL(t *testing.T) {
	for text, want := range map[string]string{"": "", "Zg": "f", "Zm8": "fo", "Zm9v": "foo", "-_-_": "\xfb\xff\xbf"} {
		if got, err := DecodeBase64URL(text); err != nil || string(got) != want {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"Zg==", "Zh", "Zm9=", "Z", "+/+/", "Zm9v\n", "Zm\r9v", "Zm9v ", "Zm9v\x00", "é"} {
		if got, err := DecodeBase64URL(text); err == nil {
			t.Errorf("%q was decoded as %q", text, got)
		}
	}
}
