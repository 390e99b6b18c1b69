package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// A splitter cuts a JSON array into its elements without reading more than one
// of them into memory. What an element is, is for others to say: it knows
// brackets, texts and commas.
type splitter struct {
	r    *bufio.Reader
	line int
	buf  []byte
}

var errNoArray = errors.New("it is not a JSON array of objects, as dumpdata writes it")

// next returns the bytes of the next element, which hold until the next call;
// io.EOF after the last.
func (s *splitter) next(first bool) ([]byte, error) {
	c, err := s.skip()
	switch {
	case err != nil:
		return nil, s.broken(err)
	case first && c != '[':
		return nil, errNoArray
	case !first && c == ']':
		return nil, s.end()
	case !first && c != ',':
		return nil, s.broken(errNoArray)
	}
	if c, err = s.skip(); err != nil {
		return nil, s.broken(err)
	}
	if first && c == ']' {
		return nil, s.end()
	}
	if c != '{' {
		return nil, s.broken(errNoArray)
	}
	s.buf = append(s.buf[:0], c)
	return s.element()
}

// element reads on until the brace that was opened is closed.
func (s *splitter) element() ([]byte, error) {
	for depth, inText := 1, false; depth > 0; {
		c, err := s.byte()
		if err != nil {
			return nil, s.broken(err)
		}
		if len(s.buf) == maxRow {
			return nil, s.broken(fmt.Errorf("an object of more than %d KiB", maxRow>>10))
		}
		s.buf = append(s.buf, c)
		switch {
		case inText && c == '\\':
			if c, err = s.byte(); err != nil {
				return nil, s.broken(err)
			}
			s.buf = append(s.buf, c)
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
	}
	return s.buf, nil
}

// end reads what may be after the array: white space.
func (s *splitter) end() error {
	if c, err := s.skip(); err != io.EOF {
		return s.broken(fmt.Errorf("%q after the end of the array", c))
	}
	return io.EOF
}

// skip returns the first byte that is no white space.
func (s *splitter) skip() (byte, error) {
	for {
		c, err := s.byte()
		if err != nil || !bytes.ContainsRune([]byte(" \t\r\n"), rune(c)) {
			return c, err
		}
	}
}

func (s *splitter) byte() (byte, error) {
	c, err := s.r.ReadByte()
	if c == '\n' && err == nil {
		s.line++
	}
	return c, err
}

func (s *splitter) broken(err error) error {
	if err == io.EOF {
		err = errors.New("the array has no end: the file was cut off")
	}
	return fmt.Errorf("line %d: %w", s.line+1, err)
}
