package main

import (
	"strings"
	"testing"

	"github.com/hallmark-auth/hallmark/conformance"
)

func TestConformanceList(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var list []conformance.Check
	d.json(&list, "", "conformance", "list")
	if len(list) < 500 {
		t.Errorf("%d checks", len(list))
	}
	for _, c := range list {
		if c.ID == "tok-dup-scope" && (!c.Built || c.Level != conformance.Must || c.Section == "" || len(c.Links) == 0 || c.Expected == "" || len(c.Needs) != 3) {
			t.Errorf("%+v", c)
		}
	}
	all, built := d.ok("", "conformance", "list"), d.ok("", "conformance", "list", "--built")
	if strings.Count(built, "\n") != len(conformance.Cases())+3 || !strings.Contains(all, "\njwt-alg-none ") || strings.Contains(built, "\njwt-alg-none ") {
		t.Errorf("built are\n%s", built)
	}
	d.fails(exitUsage, "", []string{"conformance"}, "--issuer")
}
