// Package kubernetes shows that the Kubernetes API server, as the library that
// it is made of, takes the tokens of a running Hallmark. It is a module of its
// own for the size of it.
package kubernetes

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	issuer   = "https://auth.example.com" // as in authentication.yaml
	audience = "https://kubernetes.example.com"
	password = "correct horse battery staple"
)

// A server is Hallmark under the issuer's name, for whoever asks through its
// client: the name leads to this machine, and the certificate is a test's.
type server struct {
	binary, dir string
	client      *http.Client
}

// serve builds and runs a server with a user and, for each algorithm, a client.
func serve(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{binary: filepath.Join(dir, "hallmark"), dir: dir}
	build := exec.Command("go", "build", "-o", s.binary, "./cmd/hallmark")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	address := freeAddress(t)
	s.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: certificate(t, dir)},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
	}}
	cmd := s.command("serve", "--issuer", issuer, "--listen", address, "--ops-listen", "127.0.0.1:0",
		"--tls-cert", filepath.Join(dir, "cert.pem"), "--tls-key", filepath.Join(dir, "key.pem"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("the server ended with %v; it wrote\n%s", err, out.String())
		}
	})
	s.await(t)
	s.operate(t, password+"\n", "user", "add", "alice", "--group", "admins")
	return s
}

func (s *server) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.binary, args...)
	cmd.Env = append(os.Environ(), "HALLMARK_DATA="+filepath.Join(s.dir, "data"))
	return cmd
}

// operate runs an operator's command.
func (s *server) operate(t *testing.T, stdin string, args ...string) {
	t.Helper()
	cmd := s.command(args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("hallmark %v: %v\n%s", args, err, out)
	}
}

// addClient registers a public client and returns its id.
func (s *server) addClient(t *testing.T, id, audience string, flags ...string) string {
	t.Helper()
	flags = append([]string{"client", "add", "--id", id, "--auth", "none", "--audience", audience, "--claim", "groups"}, flags...)
	s.operate(t, "", flags...)
	return id
}

func (s *server) await(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if resp, err := s.client.Get(issuer + "/.well-known/jwks.json"); err == nil {
			resp.Body.Close()
			return
		}
	}
	t.Fatal("the server does not answer")
}

// login returns an access token for alice.
func (s *server) login(t *testing.T, client string) string {
	t.Helper()
	resp, err := s.client.PostForm(issuer+"/oauth2/token", url.Values{
		"grant_type": {"password"}, "client_id": {client}, "username": {"alice"}, "password": {password},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		t.Fatalf("%s: the token endpoint answered %s, %v", client, resp.Status, err)
	}
	return answer.AccessToken
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// certificate writes a certificate of the issuer's name, which signs itself,
// and returns who trusts it.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"auth.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return pool
}
