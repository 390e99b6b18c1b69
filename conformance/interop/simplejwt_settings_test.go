package interop

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestSimpleJWTSettings: docs/simplejwt.md says of each setting that Simple JWT
// has what it is here.
func TestSimpleJWTSettings(t *testing.T) {
	needSimpleJWT(t)
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), python, "-c", `
from django.conf import settings
settings.configure(SECRET_KEY="of a test")
from rest_framework_simplejwt.settings import DEFAULTS
print(*DEFAULTS)`).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, table, _ := strings.Cut(read(t, "../../docs/simplejwt.md"), "\n## Settings\n")
	table, _, _ = strings.Cut(table, "\n## ")
	var said []string // with … for any letters
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]+) \|[^|]*\| [^|]{10,} \|$`).FindAllStringSubmatch(table, -1) {
		for _, name := range regexp.MustCompile("`([A-Z_…]+)`").FindAllStringSubmatch(row[1], -1) {
			said = append(said, "(?:"+strings.ReplaceAll(name[1], "…", "[A-Z_]*")+")")
		}
	}
	known := regexp.MustCompile("^(?:" + strings.Join(said, "|") + ")$")
	names := strings.Fields(string(out))
	for _, name := range names {
		if !known.MatchString(name) {
			t.Errorf("docs/simplejwt.md does not say what %s is here", name)
		}
	}
	if len(names) < 25 || len(said) < 20 {
		t.Errorf("%d settings there, %d here", len(names), len(said))
	}
}
