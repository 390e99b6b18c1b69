package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/hallmark-auth/hallmark/discovery/verify"
)

// besideDemo serves the demo API beside the server. Who calls it before it is
// up waits for it.
func (g *instance) besideDemo(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != demoPath {
			next.ServeHTTP(w, r)
			return
		}
		select {
		case <-g.demoUp:
			g.demoAPI.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}

// startAPI returns the demo API: a resource server like any other, which gets
// the issuer's keys over HTTP and verifies by itself. Only the way to the
// issuer is shortened: it is the listener of this process, whatever name and
// port the issuer has outside.
func (d *demo) startAPI(ctx context.Context, listener net.Addr, opts ...verify.Option) (http.Handler, func(), error) {
	if strings.HasPrefix(d.Issuer, "http:") {
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, listener.Network(), reachable(listener))
		}
		opts = append(opts, verify.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: dial}}))
	}
	v, err := verify.New(ctx, d.Issuer, demoAudience, opts...)
	if err != nil {
		return nil, nil, fmt.Errorf("demo API: %w; see whether the issuer is this server", err)
	}
	return v.Require(demoScope)(http.HandlerFunc(demoMe)), v.Close, nil
}

// demoMe answers with what the token says about its bearer.
func demoMe(w http.ResponseWriter, r *http.Request) {
	claims, ok := verify.FromContext(r.Context())
	if !ok {
		http.Error(w, "no token", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]any{ // the client is gone if it fails
		"sub": claims.Subject, "client_id": claims.ClientID, "scope": claims.Scope,
		"roles": claims.Roles, "expires_at": stamp(claims.ExpiresAt),
	})
}
