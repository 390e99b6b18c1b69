package server

import "strings"

const (
	maxAgent   = 512 // bytes of a User-Agent that are looked at
	maxProduct = 24
)

// deviceLabel makes of a User-Agent what people recognise a device by,
// "Firefox on Linux"; empty if it says nothing. Everybody can claim anything:
// it decides nothing. It is ASCII and never longer than storage.MaxDevice.
func deviceLabel(agent string) string {
	agent = agent[:min(len(agent), maxAgent)]
	name, system := product(agent), firstIn(agent, systems)
	if strings.HasPrefix(agent, "Mozilla/") {
		name = firstIn(agent, browsers)
	}
	if name == "" || system == "" {
		return name + system
	}
	return name + " on " + system
}

// A mark in a User-Agent tells what people call by a name.
type mark struct{ in, name string }

// Most browsers claim to be others as well: the ones that are claimed come last.
var browsers = []mark{
	{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Vivaldi/", "Vivaldi"},
	{"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
}

var systems = []mark{
	{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"},
	{"CrOS", "ChromeOS"}, {"Macintosh", "macOS"}, {"macOS", "macOS"}, {"FreeBSD", "FreeBSD"}, {"Linux", "Linux"},
}

func firstIn(agent string, marks []mark) string {
	for _, m := range marks {
		if strings.Contains(agent, m.in) {
			return m.name
		}
	}
	return ""
}

// product is the name of the first product (RFC 9110 §10.1.5), unless that is
// too long or odd to be one.
func product(agent string) string {
	name, _, _ := strings.Cut(agent, "/")
	name, _, _ = strings.Cut(name, " ")
	odd := func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.+", c))
	}
	if len(name) > maxProduct || strings.ContainsFunc(name, odd) {
		return ""
	}
	return name
}
