package vectors

import (
	"bytes"
	"strings"
	"testing"
)

// faulty are the vectors that are wrong themselves: what they say is valid is
// not, or the other way round.
var faulty = map[int]string{
	346: "valid, and yet the token says PS384 and its key PS256",
	350: "valid, and yet the token says PS384 and its key PS256",
	347: "valid, and yet the key is for ES521, which is no algorithm",
	351: "valid, and yet the key is for ES521, which is no algorithm",
	367: "invalid, and yet the same bytes as the valid 357: the padding was lost",
	370: "invalid, and yet the same bytes as the valid 357: the padding was lost",
	372: "valid, and yet there is a question mark in it, which is not base64url",
	373: "valid, and yet there is a question mark in it, which is not base64url",
}

// TestFaulty: they are as faulty as it is said, and the first four are good when
// they are put right.
func TestFaulty(t *testing.T) {
	groups := load(t, "json_web_signature_test.json")
	byID := map[int]vector{}
	for _, g := range groups {
		for _, v := range g.Tests {
			byID[v.ID] = v
		}
	}
	for _, g := range groups {
		for _, v := range g.Tests {
			why, listed := faulty[v.ID]
			if !listed {
				continue
			}
			if verdict, _, _ := strings.Cut(why, ","); verdict != v.Result {
				t.Errorf("vector %d is %s", v.ID, v.Result)
			}
			repaired := g
			switch v.ID {
			case 346, 350:
				repaired.Public = bytes.Replace(g.Public, []byte(`"PS256"`), []byte(`"PS384"`), 1)
			case 347, 351:
				repaired.Public = bytes.Replace(g.Public, []byte(`"ES521"`), []byte(`"ES512"`), 1)
			case 367, 370:
				if v.JWS != byID[357].JWS || byID[357].Result != "valid" {
					t.Errorf("vector %d is not 357", v.ID)
				}
				continue
			default:
				if !strings.Contains(v.JWS, "?") {
					t.Errorf("vector %d has no question mark", v.ID)
				}
				continue
			}
			if got := judge(t, repaired.keySet(), v); got != good {
				t.Errorf("vector %d with its key put right: refused by %s", v.ID, got)
			}
		}
	}
}
