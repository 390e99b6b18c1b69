package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

type doctorCmd struct {
	Operation
	Ops
	PublicTLS
	OldTokens

	Issuer string `setting:"" placeholder:"URL" help:"The issuer, exactly as clients and APIs have it. Without it nothing is fetched."`
}

// An observation is the outcome of one check, for people and programs.
type observation struct {
	ID      string `json:"id"`
	Verdict string `json:"verdict"` // ok, warn, fail, skipped
	Seen    string `json:"seen"`
	Do      string `json:"do,omitempty"`
}

const (
	isOK    = "ok"
	isWarn  = "warn"
	isFail  = "fail"
	skipped = "skipped"
)

func good(format string, args ...any) observation {
	return observation{Verdict: isOK, Seen: fmt.Sprintf(format, args...)}
}

func warn(do, format string, args ...any) observation {
	return observation{Verdict: isWarn, Seen: fmt.Sprintf(format, args...), Do: do}
}

func bad(do, format string, args ...any) observation {
	return observation{Verdict: isFail, Seen: fmt.Sprintf(format, args...), Do: do}
}

// lacks is for a check that could not be made; input is what it needs.
func lacks(input string) observation {
	return observation{Verdict: skipped, Seen: "not checked: needs " + input}
}

// An examination is one run of the doctor. What a check found out is there for
// those after it. It creates nothing.
type examination struct {
	*doctorCmd
	process *process
	now     func() time.Time
	client  *http.Client

	absent bool            // this is not the server's machine, as far as can be told
	store  *sqlite.Store   // nil: not usable
	sealed storage.Version // of the ring as it lies in the store; 0: there is none
	sealer *keys.Sealer    // nil: no key-encryption key
	ring   *keys.Ring      // nil: not usable
	at     keys.Instant
	meta   *discovery.Metadata // nil: not to be had
	keySet *reply
	token  *reply
	secure transport
}

// A check is a row of the doctor's table.
type check struct {
	id    string
	store bool // what fails makes the store or the keys unusable
	run   func(context.Context) observation
}

// checks are made in this order: from the disk to the wire.
func (x *examination) checks() []check {
	all := []check{
		{"data-dir", false, x.dataDir},
		{"store-files", false, x.storeFiles},
		{"disk", false, x.disk},
		{"store", true, x.openStore},
		{"store-write", true, x.writeStore},
		{"kek", true, x.kek},
		{"ring", true, x.openRing},
		{"kek-seen", true, x.seenMark},
		{"clock-store", false, x.clockStore},
		{"ready", false, x.ready},
		{"issuer", false, x.issuerName},
		{"metadata-oauth", false, x.metadataOAuth},
		{"metadata-openid", false, x.metadataOpenID},
		{"tls", false, x.tls},
		{"tls-files", false, x.tlsFiles},
		{"ops-tls-files", false, x.opsTLSFiles},
		{"key-set", false, x.fetchKeySet},
		{"key-set-ring", false, x.compareKeySet},
		{"key-set-cache", false, x.keySetCache},
		{"token-endpoint", false, x.tokenEndpoint},
		{"token-cache", false, x.tokenCache},
		{"clock-issuer", false, x.clockIssuer},
	}
	if x.SimpleJWTOldKeyFile != "" {
		all = append(all, check{"old-tokens", false, x.oldTokens})
	}
	return all
}

func (c *doctorCmd) Run(ctx context.Context, p *process) error {
	x := &examination{doctorCmd: c, process: p, now: time.Now, client: outside()}
	var found []observation
	var failed []string
	code := exitFailure
	for _, check := range x.checks() {
		f := check.run(ctx)
		if err := ctx.Err(); err != nil {
			x.close()
			return err
		}
		f.ID, f.Seen, f.Do = check.id, oneLine(f.Seen), oneLine(f.Do)
		found = append(found, f)
		if f.Verdict == isFail {
			failed = append(failed, f.ID)
			if check.store {
				code = exitUnusable
			}
		}
	}
	x.close()
	if err := c.print(p.stdout, found, func(w io.Writer) error { return printFindings(w, found) }); err != nil {
		return err
	}
	if !slices.ContainsFunc(found, func(f observation) bool { return f.Verdict != skipped }) {
		return usage("nothing was examined: give --issuer, or --data where the server keeps its store")
	}
	if len(failed) > 0 {
		return fail(code, "%d of %d checks failed: %s", len(failed), len(found), strings.Join(failed, ", "))
	}
	return nil
}

func (x *examination) close() {
	if x.store != nil {
		_ = x.store.Close() // it was only looked at
	}
}

// printFindings writes what was seen, then what to do.
func printFindings(w io.Writer, found []observation) error {
	var rows [][]string
	for _, f := range found {
		rows = append(rows, []string{f.ID, f.Verdict, f.Seen})
	}
	if err := printTable(w, []string{"CHECK", "VERDICT", "SEEN"}, rows); err != nil {
		return err
	}
	if !slices.ContainsFunc(found, func(f observation) bool { return f.Do != "" }) {
		return nil
	}
	lines := []string{"\nWhat to do:"}
	for _, f := range found {
		if f.Do != "" {
			lines = append(lines, "  "+f.ID+": "+f.Do)
		}
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}
