package interop

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/hallmark-auth/hallmark/discovery/verify"
)

// chiAPI: Require is middleware for chi as it is.
func chiAPI(v *verify.Verifier) http.Handler {
	r := chi.NewRouter()
	r.With(v.Require("read")).Get("/orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		claims, _ := verify.FromContext(r.Context())
		fmt.Fprintln(w, chi.URLParam(r, "id"), claims.Subject)
	})
	r.With(v.Require("admin")).Get("/admin", http.NotFound)
	return r
}

// ginAPI: gin's handlers have another shape, which a few lines bridge.
func ginAPI(v *verify.Verifier) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.GET("/orders/:id", ginRequire(v, "read"), func(c *gin.Context) {
		claims, _ := verify.FromContext(c.Request.Context())
		c.String(http.StatusOK, "%s %s\n", c.Param("id"), claims.Subject)
	})
	r.GET("/admin", ginRequire(v, "admin"), func(c *gin.Context) { c.Status(http.StatusNotFound) })
	return r
}

func ginRequire(v *verify.Verifier, scopes ...string) gin.HandlerFunc {
	require := v.Require(scopes...)
	return func(c *gin.Context) {
		passed := false
		require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			c.Request, passed = r, true // with the claims
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}

// TestRouters: the verifier refuses and lets through alike, whatever the
// router, with tokens of a running server.
func TestRouters(t *testing.T) {
	d := serve(t)
	token := d.login(t).AccessToken
	v := ours(t, d)
	for name, api := range map[string]http.Handler{"chi": chiAPI(v), "gin": ginAPI(v)} {
		for _, test := range []struct {
			path, token string
			status      int
			challenge   string
		}{
			{"/orders/7", token, 200, ""},
			{"/orders/7", "", 401, `Bearer realm="` + audience + `", scope="read"`},
			{"/orders/7", token + "x", 401, `error="invalid_token"`},
			{"/admin", token, 403, `error="insufficient_scope"`},
		} {
			r := httptest.NewRequest(http.MethodGet, test.path, nil)
			if test.token != "" {
				r.Header.Set("Authorization", "Bearer "+test.token)
			}
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			if w.Code != test.status || !strings.Contains(w.Header().Get("WWW-Authenticate"), test.challenge) {
				t.Errorf("%s: %s: got %d %v", name, test.path, w.Code, w.Header())
			}
			if got := w.Body.String(); (test.status == 200) != strings.HasPrefix(got, "7 ") || test.status == 200 && len(got) < 4 {
				t.Errorf("%s: %s: got %q", name, test.path, got)
			}
		}
	}
}

func ours(t *testing.T, d demo) *verify.Verifier {
	t.Helper()
	v, err := verify.New(t.Context(), d.Issuer, audience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// claimsKey is where the interceptor leaves the claims in a call's context.
type claimsKey struct{}

// unary is a gRPC interceptor: the token is in the metadata as it is in HTTP's
// header, and the verifier's errors become status codes.
func unary(v *verify.Verifier, scopes ...string) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		values := md.Get("authorization")
		if len(values) != 1 {
			return nil, status.Error(codes.Unauthenticated, "one bearer token is needed")
		}
		scheme, raw, _ := strings.Cut(values[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return nil, status.Error(codes.Unauthenticated, "one bearer token is needed")
		}
		claims, err := v.Verify(ctx, raw)
		if err != nil {
			if err.(*verify.Error).Unavailable {
				return nil, status.Error(codes.Unavailable, "tokens cannot be verified at the moment")
			}
			return nil, status.Error(codes.Unauthenticated, "the access token is not good for this")
		}
		for _, scope := range scopes {
			if !slices.Contains(claims.Scope, scope) {
				return nil, status.Error(codes.PermissionDenied, "the access token does not have the scope that this needs")
			}
		}
		return handler(context.WithValue(ctx, claimsKey{}, claims), req)
	}
}

// TestGRPC calls a service over the network, with a token of a running server.
func TestGRPC(t *testing.T) {
	d := serve(t)
	token := d.login(t).AccessToken
	v := ours(t, d)
	for _, test := range []struct {
		scope, authorization string
		want                 codes.Code
	}{
		{"read", "Bearer " + token, codes.OK},
		{"read", "bearer " + token, codes.OK},
		{"admin", "Bearer " + token, codes.PermissionDenied},
		{"read", "Bearer " + token + "x", codes.Unauthenticated},
		{"read", "Basic " + token, codes.Unauthenticated},
		{"read", "", codes.Unauthenticated},
	} {
		client, seen := healthService(t, unary(v, test.scope))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if test.authorization != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", test.authorization)
		}
		_, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		if status.Code(err) != test.want {
			t.Errorf("%s %.10s: got %v, want %s", test.scope, test.authorization, err, test.want)
		}
		if subject := <-seen; (subject != "") != (test.want == codes.OK) {
			t.Errorf("%s %.10s: the service saw %q", test.scope, test.authorization, subject)
		}
	}
}

// healthService serves gRPC's own health service behind the interceptor, and
// says whose token each call had when it reached the service.
func healthService(t *testing.T, interceptor grpc.UnaryServerInterceptor) (grpc_health_v1.HealthClient, <-chan string) {
	t.Helper()
	seen := make(chan string, 1)
	look := func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		subject := ""
		answer, err := interceptor(ctx, req, info, func(ctx context.Context, req any) (any, error) {
			subject = ctx.Value(claimsKey{}).(*verify.Claims).Subject
			return handler(ctx, req)
		})
		seen <- subject
		return answer, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(look))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return grpc_health_v1.NewHealthClient(conn), seen
}
