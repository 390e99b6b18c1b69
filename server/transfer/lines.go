package transfer

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/server/operator"
)

var utf8Mark = []byte("\uFEFF")

// The formats of files.
const (
	FormatDumpdata = "dumpdata"
	FormatLines    = "jsonl"
	FormatCSV      = "csv"
)

// Recognize tells a file's format by how it begins.
func Recognize(r *bufio.Reader) string {
	head, _ := r.Peek(512) // or what there is
	head = bytes.TrimSpace(bytes.TrimPrefix(head, utf8Mark))
	switch {
	case bytes.HasPrefix(head, []byte("[")):
		return FormatDumpdata
	case bytes.HasPrefix(head, []byte("{")):
		return FormatLines
	}
	return FormatCSV
}

// Lines reads JSON lines: an object for each user, as Export writes it, or as
// dumpdata --format jsonl does. A line that is no object is refused by itself.
func Lines(r io.Reader, model string, m Mapping, each Each) error {
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxRow)
	t := newTables(m)
	dump := false
	n := 1
	for ; in.Scan(); n++ {
		line := bytes.TrimSpace(bytes.TrimPrefix(in.Bytes(), utf8Mark))
		if len(line) == 0 {
			continue
		}
		at := fmt.Sprintf("line %d", n)
		object, err := discovery.DecodeObject(line)
		_, isDump := object["fields"]
		switch {
		case err != nil:
			err = each(operator.Arrival{At: at, Problems: operator.Invalid{problem("line", "%v", err)}})
		case isDump:
			dump = true
			err = t.take(at, model, object, each)
		default:
			err = each(m.arrival(at, object))
		}
		if err != nil {
			return err
		}
	}
	switch err := in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("line %d is longer than %d KiB", n, maxRow>>10)
	case err != nil:
		return err
	case dump:
		return t.none(model)
	}
	return nil
}

// CSV reads comma-separated values (RFC 4180) with the names of the columns in
// the first line. Everything in it is text; an id that is written as a whole
// number is one. An empty cell is none.
func CSV(r io.Reader, m Mapping, each Each) error {
	limit := &rowLimit{r: bufio.NewReaderSize(r, 4<<10), left: maxRow}
	if mark, _ := limit.r.Peek(len(utf8Mark)); bytes.Equal(mark, utf8Mark) {
		_, _ = limit.r.Discard(len(utf8Mark)) // was there a moment ago
	}
	in := csv.NewReader(limit)
	in.ReuseRecord = true
	first, err := in.Read()
	if err == io.EOF {
		return errors.New("it is empty: the first line is to name the columns")
	}
	if err != nil {
		return err
	}
	header := slices.Clone(first)
	for i, name := range header {
		header[i] = strings.TrimSpace(name)
	}
	if !slices.Contains(header, m.nameField()) {
		return fmt.Errorf("no column is named %q: name the columns in the first line, or say which has the user names with --name-field", m.nameField())
	}
	if slices.Sort(first); len(slices.Compact(first)) != len(header) {
		return errors.New("two columns have the same name")
	}
	for {
		limit.left = maxRow
		cells, err := in.Read()
		if err == io.EOF {
			return nil
		}
		at := ""
		if len(cells) > 0 {
			line, _ := in.FieldPos(0)
			at = fmt.Sprintf("line %d", line)
		}
		switch {
		case errors.Is(err, csv.ErrFieldCount):
			err = each(operator.Arrival{At: at, Problems: operator.Invalid{problem("line", "has %d cells, and the first line has %d", len(cells), len(header))}})
		case err == nil:
			err = each(m.arrival(at, m.cells(header, cells)))
		}
		if err != nil {
			return err
		}
	}
}

// cells is a row of a table of text.
func (m Mapping) cells(header, cells []string) row {
	r := row{}
	for i, column := range header {
		switch cell := cells[i]; {
		case cell == "":
			r[column] = nil
		case column == m.idField() && isInteger(cell):
			r[column] = json.Number(cell)
		default:
			r[column] = cell
		}
	}
	return r
}

// isInteger knows what JSON writes as a number just so.
func isInteger(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	return len(s) <= 19 && digits != "" && strings.Trim(digits, "0123456789") == "" && (digits[0] != '0' || s == "0")
}

// A rowLimit bounds what the CSV reader takes in for one row: it has no bound
// of its own, and a quotation mark that is not closed makes one row of a file.
type rowLimit struct {
	r    *bufio.Reader
	left int
}

func (l *rowLimit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("a row of more than %d KiB: is a quotation mark not closed?", maxRow>>10)
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}
