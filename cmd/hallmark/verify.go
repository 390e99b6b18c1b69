package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-auth/hallmark/discovery/verify"
)

type verifyCmd struct {
	Output

	Token    string        `arg:"" help:"The access token, or - to read it from standard input."`
	Issuer   string        `setting:"" required:"" placeholder:"URL" help:"Whose token it must be."`
	Audience string        `required:"" placeholder:"AUD" help:"Whom it must be meant for: the API's name."`
	JWKS     string        `name:"jwks" placeholder:"FILE" help:"File with the issuer's key set; nothing is fetched. Default: over the issuer's metadata."`
	Scope    []string      `sep:" " placeholder:"SCOPE" help:"Scopes that it must have too."`
	Leeway   time.Duration `default:"1m" placeholder:"DURATION" help:"How far apart the issuer's clock and this one may be."`
}

// A checkView is one check as programs get it.
type checkView struct {
	Name    string `json:"check"`
	Result  string `json:"result"` // ok, failed, skipped
	Detail  string `json:"detail,omitempty"`
	Section string `json:"section"`
}

func (c *verifyCmd) Run(ctx context.Context, p *process) error {
	token, err := c.token(p.stdin)
	if err != nil {
		return err
	}
	v, err := c.verifier(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	report := c.explain(ctx, v, token)
	result := struct {
		Valid  bool        `json:"valid"`
		Checks []checkView `json:"checks"`
	}{!slices.ContainsFunc(report, func(v checkView) bool { return v.Result != "ok" }), report}
	err = c.print(p.stdout, result, func(w io.Writer) error {
		var rows [][]string
		for _, v := range report {
			rows = append(rows, []string{v.Name, v.Result, or(v.Detail, "-"), v.Section})
		}
		if err := printTable(w, []string{"CHECK", "RESULT", "DETAIL", "SECTION"}, rows); err != nil {
			return err
		}
		return verdict(w, result.Valid, report)
	})
	if err == nil && !result.Valid {
		return errShown
	}
	return err
}

// explain adds to the verifier's checks the scopes that were asked for.
func (c *verifyCmd) explain(ctx context.Context, v *verify.Verifier, token string) []checkView {
	var report []checkView
	for _, check := range v.Explain(ctx, token) {
		view := checkView{check.Name, "failed", check.Detail, check.Section}
		switch {
		case check.OK:
			view.Result = "ok"
		case check.Skipped:
			view.Result = "skipped"
		}
		report = append(report, view)
	}
	if len(c.Scope) == 0 {
		return report
	}
	granted := checkView{"granted", "skipped", "not checked, since the token is not valid", "RFC 6750 §3.1"}
	if claims, err := v.Verify(ctx, token); err == nil {
		granted.Result, granted.Detail = "ok", strings.Join(c.Scope, " ")
		if missing := slices.DeleteFunc(slices.Clone(c.Scope), func(s string) bool { return slices.Contains(claims.Scope, s) }); len(missing) > 0 {
			granted.Result, granted.Detail = "failed", "the token does not have "+strings.Join(missing, " ")
		}
	}
	return append(report, granted)
}

func verdict(w io.Writer, valid bool, report []checkView) error {
	text := "\nvalid"
	if !valid {
		var failed []string
		for _, v := range report {
			if v.Result == "failed" {
				failed = append(failed, v.Name)
			}
		}
		text = "\nNOT valid: " + strings.Join(failed, ", ")
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

func (c *verifyCmd) token(stdin io.Reader) (string, error) {
	if c.Token != "-" {
		return c.Token, nil
	}
	line, err := firstLine(stdin, "standard input")
	return strings.TrimSpace(line.Reveal()), err
}

func (c *verifyCmd) verifier(ctx context.Context) (*verify.Verifier, error) {
	if err := checkIssuer(c.Issuer); err != nil {
		return nil, err
	}
	if c.Audience == "" {
		return nil, usage("--audience is empty: a token is for somebody")
	}
	opts := []verify.Option{verify.WithLogger(slog.New(slog.DiscardHandler)), verify.WithLeeway(c.Leeway)}
	if c.JWKS == "" {
		v, err := verify.New(ctx, c.Issuer, c.Audience, opts...)
		if err != nil {
			return nil, fmt.Errorf("%w; see whether the issuer is running, or give its key set with --jwks", err)
		}
		return v, nil
	}
	jwks, err := readBounded(c.JWKS)
	if err != nil {
		return nil, usage("--jwks: %w", err)
	}
	v, err := verify.New(ctx, c.Issuer, c.Audience, append(opts, verify.WithKeySet(jwks))...)
	if err != nil {
		return nil, usage("--jwks %s: %w", c.JWKS, err)
	}
	return v, nil
}

const maxKeySet = 1 << 20

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKeySet+1))
	if err == nil && len(b) > maxKeySet {
		err = errors.New(path + " is too long for a key set")
	}
	return b, err
}
