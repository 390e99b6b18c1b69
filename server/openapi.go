package server

import (
	_ "embed"
	"net/http"
)

// openAPI describes the operators' API (OpenAPI 3.1). It is written by hand, for
// people to read: what fits stands on one line of at most 140 characters, the
// answers of an operation are by status, and what is said twice stands under
// components. Tests hold it against the routes and against what they take and
// answer, here and in conformance/interop; docs/operators-api.md is the way in.
//
//go:embed openapi.json
var openAPI []byte

// describe serves it to anybody who reaches the operators' listener.
func describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
	w.Write(openAPI)
}
