package server

import (
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/storage"
)

func TestDeviceLabel(t *testing.T) {
	for agent, want := range map[string]string{
		"": "",
		"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0":                                                                     "Firefox on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36":                            "Chrome on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0":              "Edge on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 OPR/120.0.0.0":              "Opera on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15":                      "Safari on macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1":    "Safari on iPhone",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0.0.0 Mobile/15E148 Safari/604.1": "Chrome on iPhone",
		"Mozilla/5.0 (iPad; CPU OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/145.0 Mobile/15E148 Safari/605.1.15":           "Firefox on iPad",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36":                            "Chrome on Android",
		"Mozilla/5.0 (Linux; Android 15; SM-S931B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/29.0 Chrome/136.0.0.0 Mobile Safari/537.36": "Samsung Internet on Android",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36":                             "Chrome on ChromeOS",
		"Mozilla/5.0 (compatible; somebody's crawler)":  "",
		"Mozilla/5.0 (X11; Linux x86_64) something new": "Linux",
		"curl/8.5.0":                         "curl",
		"python-requests/2.32.3":             "python-requests",
		"Go-http-client/1.1":                 "Go-http-client",
		"okhttp/4.12.0":                      "okhttp",
		"Orders/3.1 (iPhone; iOS 18.7)":      "Orders on iPhone",
		"Orders (Windows)":                   "Orders on Windows",
		"<script>alert(1)</script>":          "",
		"\x1b[31mred":                        "",
		"\xff\xfe/1":                         "",
		"Bücher/1.0 (Linux)":                 "Linux",
		strings.Repeat("x", maxProduct):      strings.Repeat("x", maxProduct),
		strings.Repeat("x", maxProduct+1):    "",
		strings.Repeat(" ", 1000) + "iPhone": "", // nobody reads that far
	} {
		if got := deviceLabel(agent); got != want {
			t.Errorf("%q is called %q, want %q", agent, got, want)
		}
	}
}

// FuzzDeviceLabel: whatever a client says of itself, the label fits into the
// store's column and on anybody's screen.
func FuzzDeviceLabel(f *testing.F) {
	f.Add("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0")
	f.Add("Mozilla/5.0 SamsungBrowser/ ChromeOS FreeBSD")
	f.Add("curl/8.5.0\x00\xff\u202e")
	f.Add(strings.Repeat("x", maxProduct) + "/1 (Windows)")
	f.Fuzz(func(t *testing.T, agent string) {
		label := deviceLabel(agent)
		odd := func(c rune) bool { return c < ' ' || c > '~' || strings.ContainsRune(`<>"'&\`, c) }
		if len(label) > storage.MaxDevice || strings.ContainsFunc(label, odd) || strings.TrimSpace(label) != label {
			t.Errorf("%q is called %q", agent, label)
		}
	})
}
