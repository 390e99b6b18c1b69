package conformance

import (
	"context"
	"regexp"
	"slices"
	"strings"
)

func atPersonalCases() []Case {
	return group("at",
		Case{
			ID: "at-no-pii", Section: "RFC 9068 §6; RFC 7519 §12", Level: BCP, Needs: signsIn(), Run: atNoPersonalData,
			Expected: "The claims hold no password and no hash of one, nor an address or a number of the user unless the scope asks for it.",
			Means:    "Every resource server, proxy and log that sees the token knows it, for claims are encoded, not encrypted.",
		},
	)
}

func atNoPersonalData(ctx context.Context, p *Probe) Verdict {
	token := p.accessToken(ctx)
	asked := slices.ContainsFunc(strings.Fields(p.target.Scope), func(scope string) bool {
		return slices.Contains([]string{"email", "phone", "address", "profile"}, scope) // OIDC Core §5.4
	})
	for _, name := range sortedNames(token.claims) {
		var why string
		walk(name, token.claims[name], func(name, text string) {
			switch {
			case isSecret(name, text, p.target.User.Password):
				why = "a password, or a hash of one"
			case why == "" && !asked && isPersonal(name, text):
				why = "an address or number of the user, which no scope asks for"
			}
		})
		if why != "" {
			return fail("the claim %s holds %s", name, why)
		}
	}
	return pass()
}

// walk visits every text in value, with the name that it has where it stands.
func walk(name string, value any, visit func(name, text string)) {
	switch v := value.(type) {
	case string:
		visit(name, v)
	case []any:
		for _, element := range v {
			walk(name, element, visit)
		}
	case map[string]any:
		for name, member := range v {
			walk(name, member, visit)
		}
	}
}

// isSecret knows hashes by how PHC strings, crypt(3) and Django write them.
func isSecret(name, text, password string) bool {
	hash, _ := regexp.MatchString(`^(\$(argon2|2[abxy]|[156]|y|scrypt|pbkdf2)|(pbkdf2|bcrypt|scrypt|argon2)(_sha\d+)?\$)`, text)
	names := []string{"password", "passwd", "pwd", "password_hash", "passwordhash", "secret"}
	return slices.Contains(names, strings.ToLower(name)) || hash || password != "" && strings.Contains(text, password)
}

func isPersonal(name, text string) bool {
	mail, _ := regexp.MatchString(`^[^@\s:/]+@[^@\s/]+\.[^@\s/]+$`, text)
	names := []string{"email", "phone", "phone_number", "address", "street_address", "birthdate"}
	return slices.Contains(names, strings.ToLower(name)) || mail && name != "aud" && name != "client_id" && name != "azp"
}
