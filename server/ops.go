package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// The areas of the operators' API; an operator token's scopes are named so.
const (
	areaUsers    = "users"
	areaClients  = "clients"
	areaSessions = "sessions"
	areaKeys     = "keys"
	areaAudit    = "audit"

	scopeRead = "read" // looking at any area
)

// An opsRoute is one act over HTTP. openapi.json describes it.
type opsRoute struct {
	method, path string
	area         string
	query        string // the names of its parameters in the URL's query
	act          func(opsCall) (opsAnswer, error)
}

// opsRoutes is the table of the operators' API.
func opsRoutes() []opsRoute {
	return []opsRoute{
		{"GET", "/users", areaUsers, "username foreign_id after limit", listUsers},
		{"POST", "/users", areaUsers, "", addUser},
		{"PUT", "/users/by-foreign-id/{foreign_id}", areaUsers, "", putUser},
		{"GET", "/users/{sub}", areaUsers, "", getUser},
		{"PATCH", "/users/{sub}", areaUsers, "", editUser},
		{"DELETE", "/users/{sub}", areaUsers, "", removeUser},
		{"GET", "/users/{sub}/sessions", areaSessions, "", listUserSessions},
		{"DELETE", "/users/{sub}/sessions", areaSessions, "", endUserSessions},

		{"GET", "/clients", areaClients, "", listClients},
		{"POST", "/clients", areaClients, "", addClient},
		{"GET", "/clients/{client_id}", areaClients, "", getClient},
		{"PATCH", "/clients/{client_id}", areaClients, "", editClient},
		{"DELETE", "/clients/{client_id}", areaClients, "", removeClient},
		{"POST", "/clients/{client_id}/secrets", areaClients, "", addSecret},
		{"DELETE", "/clients/{client_id}/secrets", areaClients, "", dropOldSecrets},

		{"GET", "/sessions", areaSessions, "after limit", listSessions},
		{"DELETE", "/sessions", areaSessions, "username client_id device older_than idle_for dry_run after limit", endSessions},
		{"GET", "/sessions/{sid}", areaSessions, "", getSession},
		{"DELETE", "/sessions/{sid}", areaSessions, "", endSession},

		{"GET", "/audit", areaAudit, "user client_id sid event address since until after limit", listAudit},

		{"GET", "/keys", areaKeys, "", listKeys},
		{"POST", "/keys/rotate", areaKeys, "", rotateKeys},
		{"POST", "/keys/{kid}/revoke", areaKeys, "", revokeKey},
		{"GET", "/keys/policy", areaKeys, "", getPolicy},
		{"PATCH", "/keys/policy", areaKeys, "", editPolicy},
	}
}

// OpsHandler serves the operators' listener: the probes and the metrics, which
// are open, and what operators do, each act with an operator token. A page that a browser
// lets call this listener, by a name that was bound to its address, has no
// token; so Host, which is anything inside a cluster, is not looked at.
func (s *Server) OpsHandler() http.Handler {
	r := mux.NewRouter().SkipClean(true).UseEncodedPath() // a foreign id may hold a slash
	r.NotFoundHandler = s.opsHandle("none", notFound)
	for path, h := range map[string]http.HandlerFunc{"/healthz": s.healthy, "/readyz": s.ready, "/metrics": s.metrics.handler.ServeHTTP, "/openapi.json": describe} {
		r.Handle(path, h).Methods("GET", "HEAD")
		r.Handle(path, s.opsHandle("probe", notAllowed("GET, HEAD")))
	}
	if s.cfg.Operator == nil {
		return r
	}
	routes, allowed := opsRoutes(), map[string][]string{}
	for _, route := range routes {
		methods := []string{route.method}
		if route.reads() {
			methods = append(methods, http.MethodHead) // RFC 9110 §9.1
		}
		r.Handle(route.path, s.opsHandle("operators", s.operate(route))).Methods(methods...)
		allowed[route.path] = append(allowed[route.path], methods...)
	}
	for _, route := range routes { // after all: the first that fits is taken
		r.Handle(route.path, s.opsHandle("operators", notAllowed(strings.Join(allowed[route.path], ", "))))
	}
	return r
}

func (r opsRoute) reads() bool { return r.method == http.MethodGet }

// opsHandle is handle with the operators' patience, for a listener whose TLS
// the issuer's scheme says nothing about (RFC 6797 §7.2).
func (s *Server) opsHandle(endpoint string, h handlerFunc) http.Handler {
	return s.handleWithin(OpsPatience, endpoint, func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Del("Strict-Transport-Security")
		return h(w, r)
	}, (*Error).render)
}

// healthy says that the process lives. Probes leave no records.
func (s *Server) healthy(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// ready tells the truth and, on this listener only, the reason.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	if err := s.cfg.Ready(ctx); err != nil {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "reason": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
}

// An opsCall is a request of an operator who proved to be one.
type opsCall struct {
	w     http.ResponseWriter
	r     *http.Request
	op    *operator.Operator
	now   time.Time
	path  map[string]string // the variables of the route, decoded
	query map[string]string // the parameters of the URL, those that the route has

	access time.Duration // how long access tokens live that no client's record limits
}

// An opsAnswer is what an act came to. Without a body the status is 204.
type opsAnswer struct {
	status   int
	location string // of what was made
	body     any
}

func ok(body any) (opsAnswer, error) { return opsAnswer{status: http.StatusOK, body: body}, nil }

// operate turns an act into a handler.
func (s *Server) operate(route opsRoute) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		eventOf(r.Context()).note(slog.String("act", route.method+" "+route.path))
		op, err := s.operator(r, route)
		if err != nil {
			return err
		}
		call := opsCall{w: w, r: r, op: op, now: s.now(), access: s.cfg.AccessLifetime}
		if err := call.parse(route); err != nil {
			return err
		}
		answer, err := route.act(call)
		if err != nil {
			return opsRefusal(err, route.area)
		}
		if answer.location != "" {
			w.Header().Set("Location", answer.location)
		}
		if answer.body == nil {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		writeJSON(w, answer.status, answer.body)
		return nil
	}
}

// operator authenticates a request by its operator token.
func (s *Server) operator(r *http.Request, route opsRoute) (*operator.Operator, error) {
	raw, err := bearerToken(r.Header.Values("Authorization"))
	if err != nil {
		return nil, err
	}
	token, err := s.cfg.Operator.Authenticate(r.Context(), raw)
	switch {
	case errors.Is(err, operator.ErrToken):
		s.fails(r.Context(), storage.Record{Event: storage.EventOperatorFailed, Reason: err.Error()})
		return nil, errOperatorToken.because(err)
	case err != nil:
		return nil, err
	}
	eventOf(r.Context()).note(slog.String("operator", token.Name))
	eventOf(r.Context()).by(storage.ByProgram, token.Name)
	if !slices.Contains(token.Scopes, route.area) && (!route.reads() || !slices.Contains(token.Scopes, scopeRead)) {
		s.fails(r.Context(), storage.Record{Event: storage.EventOperatorFailed, Reason: "the token's scopes do not have " + route.area})
		refusal := errOperatorScope
		refusal.Scope = route.area
		return nil, refusal.because(fmt.Errorf("the token's scopes are %q", token.Scopes))
	}
	return s.cfg.Operator.As("token " + token.Name), nil
}
