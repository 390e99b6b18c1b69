package server

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/hallmark-auth/hallmark/discovery"
	"github.com/hallmark-auth/hallmark/storage"
)

// readJSON reads a body that is one JSON object with exactly these members,
// each a string that is not empty.
func readJSON(w http.ResponseWriter, r *http.Request, members ...string) (map[string]storage.Secret, error) {
	if err := isOfType(r, "application/json"); err != nil {
		return nil, errNotJSON.because(err)
	}
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	return parseJSON(body, members)
}

// parseJSON says nothing of what it read but our own names: a password may
// stand anywhere.
func parseJSON(body []byte, members []string) (map[string]storage.Secret, error) {
	object, err := discovery.DecodeObject(body)
	if err != nil {
		return nil, errJSON.because(errors.New("not one JSON object in UTF-8 without repeated members"))
	}
	values := make(map[string]storage.Secret, len(members))
	for _, name := range members {
		value, _ := object[name].(string)
		if value == "" {
			return nil, errJSON.because(fmt.Errorf("member %s is missing, empty or not a string", name))
		}
		values[name] = storage.NewSecret(value)
	}
	if len(object) != len(members) {
		return nil, errJSON.because(fmt.Errorf("%d members more than %q", len(object)-len(members), members))
	}
	return values, nil
}
