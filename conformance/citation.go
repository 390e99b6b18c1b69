package conformance

import (
	"regexp"
	"strings"
)

// A Citation is one place in a specification: "RFC 6749" and "5.2", or "A.17"
// of an appendix. Without a section it is the whole of it.
type Citation struct{ Source, Section string }

// Citations returns what a Section names: "RFC 6749 §3.2, §5.2; RFC 8259 §4"
// is three places. Remarks are left out.
func Citations(section string) []Citation {
	places := regexp.MustCompile(`(?:§|App(?:endix|\.) ?|^|–)([0-9]+(?:\.[0-9]+)*|[A-Z](?:\.[0-9]+)*)(?:$|[ –)])`)
	var found []Citation
	for part := range strings.SplitSeq(section, ";") {
		source := ""
		for item := range strings.SplitSeq(part, ",") {
			item = strings.TrimSpace(item)
			at := places.FindAllStringSubmatchIndex(item, -1)
			if at == nil && source == "" {
				found = append(found, Citation{Source: item})
				continue
			}
			if at != nil && at[0][0] > 0 {
				source = strings.TrimSpace(item[:at[0][0]])
			}
			for _, place := range at {
				found = append(found, Citation{source, item[place[2]:place[3]]})
			}
		}
	}
	return found
}

func (c Citation) String() string {
	switch {
	case c.Section == "":
		return c.Source
	case c.Section[0] >= 'A':
		return c.Source + " App. " + c.Section
	}
	return c.Source + " §" + c.Section
}

// URL returns where to read it, or "" where that is not known.
func (c Citation) URL() string {
	openID := map[string]string{
		"OIDC Core": "openid-connect-core-1_0", "OIDC Discovery": "openid-connect-discovery-1_0",
	}
	if number, ok := strings.CutPrefix(c.Source, "RFC "); ok {
		return "https://www.rfc-editor.org/rfc/rfc" + number + c.anchor("#section-", "#appendix-")
	}
	if name, ok := openID[c.Source]; ok {
		return "https://openid.net/specs/" + name + ".html" + c.anchor("#rfc.section.", "#rfc.appendix.")
	}
	if number, ok := strings.CutPrefix(c.Source, "CWE-"); ok {
		return "https://cwe.mitre.org/data/definitions/" + number + ".html"
	}
	switch {
	case strings.HasPrefix(c.Source, "OWASP ASVS"):
		return "https://owasp.org/www-project-application-security-verification-standard/"
	case strings.HasPrefix(c.Source, "NIST SP "):
		return "https://csrc.nist.gov/publications/sp"
	case strings.HasPrefix(c.Source, "Wycheproof"):
		return "https://github.com/C2SP/wycheproof"
	case strings.HasPrefix(c.Source, "draft-"):
		return "https://datatracker.ietf.org/doc/html/" + c.Source + c.anchor("#section-", "#appendix-")
	case c.Source == "FAPI 2 SP":
		return "https://openid.net/specs/fapi-security-profile-2_0-final.html"
	case c.Source == "WHATWG Fetch":
		return "https://fetch.spec.whatwg.org/"
	}
	return ""
}

func (c Citation) anchor(section, appendix string) string {
	switch {
	case c.Section == "":
		return ""
	case c.Section[0] >= 'A':
		return appendix + c.Section
	}
	return section + c.Section
}

// links are where to read what a case is about.
func links(section string) []string {
	var urls []string
	for _, c := range Citations(section) {
		if u := c.URL(); u != "" {
			urls = append(urls, u)
		}
	}
	return urls
}
