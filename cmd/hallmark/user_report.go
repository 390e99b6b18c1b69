package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/hallmark-auth/hallmark/server/operator"
)

// An importReport is a file with what became of every user. The zero value
// writes nothing.
type importReport struct {
	f   *os.File
	out *bufio.Writer
	enc *json.Encoder
}

// openReport makes the file, and never writes over one.
func (c *userImportCmd) openReport() (*importReport, error) {
	if c.Report == "" {
		return &importReport{}, nil
	}
	f, err := newPrivateFile(c.Report, "--report")
	if err != nil {
		return nil, err
	}
	r := &importReport{f: f, out: bufio.NewWriter(f)}
	r.enc = json.NewEncoder(r.out)
	r.enc.SetEscapeHTML(false)
	return r, nil
}

func (r *importReport) write(v operator.ImportResult) error {
	if r.f == nil {
		return nil
	}
	return r.enc.Encode(v)
}

func (r *importReport) close() error {
	if r.f == nil {
		return nil
	}
	return errors.Join(r.out.Flush(), r.f.Close())
}

// newPrivateFile makes a file that nobody else can read.
func newPrivateFile(path, flag string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, usage("%s: %s is there already: name a new file", flag, path)
	}
	if err != nil {
		return nil, usage("%s: %w", flag, err)
	}
	return f, nil
}

// counted is a number with its noun.
func counted(n int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s", one)
	}
	return fmt.Sprintf("%d %s", n, many)
}
