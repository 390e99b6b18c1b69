package forge

import (
	"fmt"
	"strings"
)

// File is the token as a file: a line that says what must happen, and then the
// token, to the last byte.
func (t Token) File() string {
	verdict := "accept"
	if t.Refuse != "" {
		verdict = "refuse by " + t.Refuse
	}
	return verdict + ": " + t.Why + "\n" + t.Raw
}

// ParseToken reads such a file.
func ParseToken(name, file string) (Token, error) {
	line, raw, ok := strings.Cut(file, "\n")
	verdict, why, explained := strings.Cut(line, ": ")
	check, refuse := strings.CutPrefix(verdict, "refuse by ")
	if !ok || !explained || !refuse && verdict != "accept" || refuse && check == "" {
		return Token{}, fmt.Errorf("%s does not say what must happen: %q", name, line)
	}
	if !refuse {
		check = ""
	}
	return Token{name, check, why, raw}, nil
}

// File is the key set as a file: what must happen and why, each on a line, then
// the token on another, and the key set to the last byte.
func (s KeySet) File() string {
	verdict := "accept"
	switch {
	case s.Whole:
		verdict = "refuse the set, since: " + s.Skip
	case s.Skip != "":
		verdict = "skip the key, since: " + s.Skip
	}
	return verdict + "\n" + s.Why + "\n" + s.Token + "\n" + s.JWKS
}

// ParseKeySet reads such a file.
func ParseKeySet(name, file string) (KeySet, error) {
	part := strings.SplitN(file, "\n", 4)
	if len(part) != 4 {
		return KeySet{}, fmt.Errorf("%s has fewer than four lines", name)
	}
	s := KeySet{Name: name, Why: part[1], Token: part[2], JWKS: part[3]}
	verdict, since, refused := strings.Cut(part[0], ", since: ")
	s.Skip, s.Whole = since, verdict == "refuse the set"
	if refused != (verdict != "accept") || refused && !s.Whole && verdict != "skip the key" || refused && since == "" {
		return KeySet{}, fmt.Errorf("%s does not say what must happen: %q", name, part[0])
	}
	return s, nil
}
