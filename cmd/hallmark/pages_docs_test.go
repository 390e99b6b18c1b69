package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestPagesDocs: the loops of docs/operators-api.md get to the last page where
// answers are 503 now and then; else they end and say that they are not done.
func TestPagesDocs(t *testing.T) {
	t.Parallel()
	need(t, "bash", "curl", "sed")
	text, err := os.ReadFile(filepath.Join(repo(t), "docs", "operators-api.md"))
	if err != nil {
		t.Fatal(err)
	}
	loops := regexp.MustCompile("(?ms)^after=\nwhile true; do\n.*?^done\n").FindAllString(string(text), -1)
	function := regexp.MustCompile(`(?m)^api\(\).*$`).FindString(string(text))
	if len(loops) != 2 || function == "" {
		t.Fatalf("%d loops, api is %q", len(loops), function)
	}
	for i, loop := range loops {
		for name, pages := range map[string]*flaky{"busy": {}, "away": {away: true}, "gone": {gone: true}} {
			t.Run(fmt.Sprint(name, i), func(t *testing.T) {
				t.Parallel()
				api := httptest.NewServer(pages)
				defer api.Close()
				script := `get() { sed -n "s/.*\"$2\": *\"\([^\"]*\)\".*/\1/p" "$1"; }` + "\n" + function + "\n" + loop
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				shell := exec.CommandContext(ctx, "bash", "-c", "touch operator.header; ops=$1; "+script, "bash", api.URL)
				shell.Dir = t.TempDir()
				out, err := shell.CombinedOutput()
				complained := strings.Contains(string(out), "more users") || strings.Contains(string(out), "not all")
				if complained != (pages.away || pages.gone) {
					t.Errorf("%v: %s", err, out)
				}
				if got := pages.served.Load(); got != 3 && !pages.away && !pages.gone {
					t.Errorf("%d pages were got: %s", got, out)
				}
			})
		}
	}
}

// flaky has three pages and answers every second request 503.
type flaky struct {
	away          bool // all requests
	gone          bool // after the first page it does not answer
	asked, served atomic.Int64
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.gone && f.served.Load() > 0 {
		panic(http.ErrAbortHandler)
	}
	if f.asked.Add(1)%2 == 1 || f.away {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, `{"error":"temporarily_unavailable"}`)
		return
	}
	after := strings.TrimPrefix(r.URL.Query().Get("after"), "p")
	if want := f.served.Add(1) - 1; after != fmt.Sprint(want) && (want > 0 || after != "") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if f.served.Load() == 3 {
		fmt.Fprintln(w, `{"sids":[]}`)
		return
	}
	fmt.Fprintf(w, `{"sids":[],"next":"p%d"}`+"\n", f.served.Load())
}
