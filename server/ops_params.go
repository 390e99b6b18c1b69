package server

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// parse reads what stands in the URL. Nothing in it is passed over: to end the
// sessions of one client must not end all of them, because there is no such
// parameter.
func (c *opsCall) parse(route opsRoute) (err error) {
	c.path = map[string]string{}
	for name, escaped := range mux.Vars(c.r) {
		if c.path[name], err = url.PathUnescape(escaped); err != nil || notText(c.path[name]) {
			return errNotFound.because(errors.New("the path is not well-formed UTF-8"))
		}
	}
	if c.query, err = parseQuery(c.r.URL.RawQuery, strings.Fields(route.query)); err != nil {
		return err
	}
	if route.reads() || route.method == "DELETE" {
		return c.none()
	}
	return nil
}

// mayRead is read for a body that may be left out.
func (c opsCall) mayRead(into any) error {
	if c.r.ContentLength == 0 {
		return nil
	}
	return c.read(into)
}

// none expects that there is no body.
func (c opsCall) none() error {
	switch n, err := io.CopyN(io.Discard, c.r.Body, 1); {
	case n > 0:
		return wrong(operator.Problem{Field: "body", Advice: "send none here"})
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSlow.because(err)
	case !errors.Is(err, io.EOF):
		return errCutOff.because(err)
	}
	return nil
}

// parseQuery reads parameters, each of them known and once.
func parseQuery(raw string, known []string) (map[string]string, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, wrong(operator.Problem{Field: "query", Advice: "is not form-encoded: percent-encode each name and value by itself"})
	}
	values := map[string]string{}
	var problems []operator.Problem
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch vs := query[name]; {
		case !slices.Contains(known, name):
			problems = append(problems, unknown(name, "parameter", known))
		case len(vs) > 1:
			problems = append(problems, operator.Problem{Field: name, Advice: "send it once"})
		case notText(vs[0]):
			problems = append(problems, operator.Problem{Field: name, Advice: "must be UTF-8 without control characters"})
		default:
			values[name] = vs[0]
		}
	}
	if len(problems) > 0 {
		return nil, wrong(problems...)
	}
	return values, nil
}

const defaultPage = 100

// page is where a list goes on and how long a page is.
func (c opsCall) page() (after string, limit int, err error) {
	limit = defaultPage
	if text, given := c.query["limit"]; given {
		if limit, err = strconv.Atoi(text); err != nil {
			return "", 0, wrong(operator.Problem{Field: "limit", Advice: "must be a number from 1 to 1000"})
		}
	}
	return c.query["after"], limit, nil
}

func (c opsCall) subject() (uuid.UUID, error) {
	id, err := uuid.Parse(c.path["sub"])
	if err != nil || id.String() != c.path["sub"] { // one spelling
		return id, fmt.Errorf("user: %w: sub is a UUID in lower case", storage.ErrNotFound)
	}
	return id, nil
}

func (c opsCall) sid() (storage.SessionID, error) {
	id, err := storage.ParseSessionID(c.path["sid"])
	if err != nil {
		return id, fmt.Errorf("session: %w: %w", storage.ErrNotFound, err)
	}
	return id, nil
}
