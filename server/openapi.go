package server

import (
	_ "embed"
	"net/http"
)

// openAPI describes the operators' API (OpenAPI 3.1). It is written by hand;
// tests hold it against the routes and what they answer.
//
//go:embed openapi.json
var openAPI []byte

// describe serves it to anybody who reaches the operators' listener.
func describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
	w.Write(openAPI)
}
