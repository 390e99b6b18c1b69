package server

import (
	"encoding/json"

	"github.com/hallmark-auth/hallmark/keys"
)

// ErrorIDs are those of docs/errors.md.
func ErrorIDs() (ids []string) {
	for _, section := range documented() {
		for _, e := range section.errors {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// A Route is a row of the operators' API.
type Route struct{ Method, Path, Area string }

// OpsRoutes is the table of the operators' API.
func OpsRoutes() (routes []Route) {
	for _, r := range opsRoutes() {
		routes = append(routes, Route{r.method, r.path, r.area})
	}
	return routes
}

// RefreshJWT makes the JWT of a refresh token on Simple JWT's paths.
func RefreshJWT(sealer *keys.Sealer, claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	text, err := sealRefresh(sealer.Derive(refreshKeyLabel)[0], payload)
	if err != nil {
		panic(err)
	}
	return text
}
