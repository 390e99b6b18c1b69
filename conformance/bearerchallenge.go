package conformance

import (
	"maps"
	"slices"
	"strings"
)

// bearerChallenge reads the parameters of the first Bearer challenge.
func bearerChallenge(a answer) (parameters map[string][]string, ok bool) {
	return challengeOf("Bearer", a)
}

// challengeOf reads the parameters of the first challenge of a scheme in an
// answer, each with all its values (RFC 9110 §11.6.1). ok is false when there
// is none, or when it cannot be read.
func challengeOf(wanted string, a answer) (parameters map[string][]string, ok bool) {
	for _, field := range a.header.Values("WWW-Authenticate") {
		// Another scheme may stand before it in the same field.
		for rest := field; ; {
			scheme, after, _ := strings.Cut(strings.TrimLeft(rest, " ,"), " ")
			if strings.EqualFold(strings.TrimRight(scheme, ","), wanted) {
				return authParams(after)
			}
			_, next, more := cutUnquoted(rest)
			if !more {
				break
			}
			rest = next
		}
	}
	return nil, false
}

// authParams reads name=value pairs, tokens or quoted strings, up to the next
// challenge.
func authParams(text string) (map[string][]string, bool) {
	parameters := map[string][]string{}
	for text != "" {
		part, rest, _ := cutUnquoted(text)
		text = rest
		part = strings.TrimSpace(part)
		name, value, pair := strings.Cut(part, "=")
		name = strings.TrimRight(name, " ")
		switch {
		case part == "":
			continue
		case !pair || strings.Contains(name, " "): // the next challenge
			return parameters, true
		case strings.HasPrefix(strings.TrimLeft(value, " "), `"`):
			unquoted, ok := unquote(strings.TrimSpace(value))
			if !ok {
				return nil, false
			}
			value = unquoted
		default:
			if value = strings.TrimSpace(value); value == "" || strings.ContainsAny(value, " \"\\") {
				return nil, false
			}
		}
		parameters[strings.ToLower(name)] = append(parameters[strings.ToLower(name)], value)
	}
	return parameters, true
}

// cutUnquoted cuts at the first comma that is in no quoted string.
func cutUnquoted(s string) (before, after string, found bool) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// unquote reads a quoted string (RFC 9110 §5.6.4).
func unquote(s string) (string, bool) {
	var out strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
		case s[i] == '"':
			return out.String(), i == len(s)-1
		}
		out.WriteByte(s[i])
	}
	return "", false
}

// wrongChallenge says what RFC 6750 §3 forbids in a challenge, or "".
func wrongChallenge(parameters map[string][]string) string {
	if len(parameters) == 0 {
		return "the challenge has no parameter"
	}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		values := parameters[name]
		if len(values) > 1 && slices.Contains([]string{"realm", "scope", "error", "error_description", "error_uri"}, name) {
			return name + " comes twice"
		}
		legal := map[string]func(rune) bool{"scope": isScopeText, "error": isErrorText, "error_description": isErrorText, "error_uri": isURIText}[name]
		if legal != nil && strings.ContainsFunc(values[0], func(c rune) bool { return !legal(c) }) {
			return name + " has a character that it must not have"
		}
	}
	return ""
}

func isScopeText(c rune) bool {
	return c == 0x21 || c >= 0x23 && c <= 0x5b || c >= 0x5d && c <= 0x7e || c == ' '
}
func isErrorText(c rune) bool {
	return c >= 0x20 && c <= 0x21 || c >= 0x23 && c <= 0x5b || c >= 0x5d && c <= 0x7e
}
func isURIText(c rune) bool { return c == 0x21 || c >= 0x23 && c <= 0x5b || c >= 0x5d && c <= 0x7e }
