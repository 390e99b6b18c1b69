package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A composed is what docker-compose.yml makes of the image, as docker-compose
// itself reads it.
type composed struct {
	Services map[string]struct {
		Image       string
		Environment map[string]string
		Ports       []string
		Volumes     []string
		Tmpfs       []string
		ReadOnly    bool     `json:"read_only"`
		CapDrop     []string `json:"cap_drop"`
		SecurityOpt []string `json:"security_opt"`
		StopGrace   string   `json:"stop_grace_period"`
		Healthcheck struct{ Test []string }
	}
	Volumes map[string]any
}

// compose reads docker-compose.yml with docker-compose.
func compose(t *testing.T, env ...string) (c composed) {
	t.Helper()
	need(t, "docker-compose", "/usr/bin/python3")
	// Debian's docker-compose prints YAML, and brings Python's reader of it.
	toJSON := exec.Command("/usr/bin/python3", "-c", "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)")
	config := exec.Command("docker-compose", "config")
	config.Dir = repo(t)
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "HALLMARK_") {
			config.Env = append(config.Env, pair)
		}
	}
	config.Env = append(config.Env, env...)
	var errs bytes.Buffer
	config.Stderr = &errs
	out, err := config.Output()
	if err != nil || errs.Len() > 0 {
		t.Fatalf("docker-compose config: %v, %s", err, errs.String())
	}
	toJSON.Stdin = bytes.NewReader(out)
	out, err = toJSON.Output()
	if err != nil {
		lacking(t, "python3-yaml", err)
	}
	if err := json.Unmarshal(out, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCompose(t *testing.T) {
	t.Parallel()
	whole := compose(t)
	service, image := whole.Services["hallmark"], dockerfile(t)[1]
	if got := service.Environment["HALLMARK_ISSUER"]; got != "http://localhost:8080" {
		t.Errorf("the issuer is %q without being told", got)
	}
	if got := service.Ports; !slices.Equal(got, []string{"127.0.0.1:8080:8080/tcp"}) {
		t.Errorf("ports %q: plain HTTP is for this machine alone", got)
	}
	if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) || !slices.Equal(service.SecurityOpt, []string{"no-new-privileges:true"}) {
		t.Errorf("read_only %v, cap_drop %q, security_opt %q", service.ReadOnly, service.CapDrop, service.SecurityOpt)
	}
	if got, err := time.ParseDuration(service.StopGrace); err != nil || got <= drainTimeout {
		t.Errorf("stop_grace_period %s: requests that are under way get %s", service.StopGrace, drainTimeout)
	}
	_, health, _ := strings.Cut(one(t, image, "HEALTHCHECK"), "CMD ")
	if got := service.Healthcheck.Test; !slices.Equal(got, append([]string{"CMD"}, execForm(t, health)...)) {
		t.Errorf("healthcheck %q, the image's is %s", got, health)
	}
	var targets []string
	for _, v := range service.Volumes {
		name, target, _ := strings.Cut(v, ":")
		target, _, _ = strings.Cut(target, ":")
		if _, named := whole.Volumes[name]; !named {
			t.Errorf("volume %s is not a named one: an update would leave it behind", v)
		}
		targets = append(targets, target)
	}
	if want := execForm(t, one(t, image, "VOLUME")); !slices.Equal(targets, want) {
		t.Errorf("volumes at %q, the image writes to %q", targets, want)
	}

	// A file of settings, as docs/operations.md mounts it.
	override := filepath.Join(t.TempDir(), "override.yml")
	write(t, override, block(t, "docs/operations.md", "yaml"))
	filed := compose(t, "COMPOSE_FILE=docker-compose.yml:"+override).Services["hallmark"]
	if env := filed.Environment; env["HALLMARK_CONFIG"] == "" || env["HALLMARK_ISSUER"]+env["HALLMARK_TRUSTED_PROXY"]+env["HALLMARK_LOG_FORMAT"] != "" {
		t.Errorf("with a file of settings the environment is %q", env)
	}
	if mounted := filepath.Join(repo(t), "hallmark.toml") + ":" + filed.Environment["HALLMARK_CONFIG"] + ":ro"; !slices.Contains(filed.Volumes, mounted) {
		t.Errorf("volumes %q, want %s among them", filed.Volumes, mounted)
	}

	given := compose(t, "HALLMARK_ISSUER=https://login.example.com", "HALLMARK_TRUSTED_PROXY=10.0.0.1").Services["hallmark"].Environment
	if given["HALLMARK_ISSUER"] != "https://login.example.com" || given["HALLMARK_TRUSTED_PROXY"] != "10.0.0.1" {
		t.Errorf("settings from outside do not arrive: %q", given)
	}
}

// A container is what an engine makes of the image and docker-compose.yml: the
// image's files and nothing else, read-only, with the volumes; the image's
// user, no capabilities, no new privileges. The network is this machine's.
type container struct {
	*testing.T
	root, volumes string
	env           map[string]string
	mounts        []string // triples: type, what, where
	cmd           *exec.Cmd
	log           *lockedBuffer
}

// enterScript replaces the shell by a command in the container.
const enterScript = `
root=$1; shift
mount --bind "$root" "$root"
while [ "$1" != -- ]; do
	case $1 in
	bind) mount --bind "$2" "$root$3" ;;
	tmpfs) mount -t tmpfs -o "$2" tmpfs "$root$3" ;;
	esac
	shift 3
done
shift; user=$1; shift
mount -o remount,bind,ro,nosuid,nodev "$root"
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,+sys_chroot,+setuid,+setgid chroot --userspec="$user" --groups= "$root" "$@"`

func newContainer(t *testing.T, root string) *container {
	t.Helper()
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		lacking(t, "root on Linux, to stand in for an engine of containers", syscall.EPERM)
	}
	need(t, "unshare", "mount", "setpriv", "chroot")
	if out, err := exec.Command("unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", t.TempDir()).CombinedOutput(); err != nil {
		lacking(t, "a mount namespace: "+string(out), err)
	}
	service := compose(t).Services["hallmark"]
	c := &container{T: t, root: root, volumes: t.TempDir(), env: imageEnv(t)}
	for name, value := range service.Environment {
		c.env[name] = value
	}
	// Many of these run at once on one machine: ports are free ones.
	c.env["HALLMARK_LISTEN"], c.env["HALLMARK_OPS_LISTEN"] = "127.0.0.1:0", "127.0.0.1:0"
	for _, v := range service.Volumes {
		name, target, _ := strings.Cut(v, ":")
		target, _, _ = strings.Cut(target, ":")
		from := filepath.Join(c.volumes, name)
		shell(t, root, "cp -a ."+target+" "+from) // an empty volume begins as the image has it
		c.mounts = append(c.mounts, "bind", from, target)
	}
	for _, v := range service.Tmpfs {
		target, options, _ := strings.Cut(v, ":")
		shell(t, root, "mkdir -p ."+target)
		c.mounts = append(c.mounts, "tmpfs", options, target)
	}
	for _, file := range []string{"/etc/hosts", "/etc/resolv.conf"} { // every engine brings them
		shell(t, root, "touch ."+file)
		c.mounts = append(c.mounts, "bind", file, file)
	}
	return c
}

// command is a command line in the container, as docker exec runs one.
func (c *container) command(args ...string) *exec.Cmd {
	user := one(c.T, dockerfile(c.T)[1], "USER")
	words := slices.Concat([]string{"--mount", "--propagation", "private", "sh", "-ec", enterScript, "enter", c.root}, c.mounts, []string{"--", user}, args)
	cmd := exec.Command("unshare", words...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"} // an engine's
	for name, value := range c.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

func (c *container) run(stdin string, args ...string) result {
	c.Helper()
	cmd := c.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	_ = cmd.Run() // the exit code says it
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

func (c *container) ok(stdin string, args ...string) string {
	c.Helper()
	r := c.run(stdin, args...)
	if r.code != exitOK {
		c.Fatalf("%q ended with %d: %s", args, r.code, r.err)
	}
	return r.out
}

// start runs the image's ENTRYPOINT and CMD and returns the server's addresses.
func (c *container) start() (public, ops string) {
	c.Helper()
	image := dockerfile(c.T)[1]
	c.cmd = c.command(append(execForm(c.T, one(c.T, image, "ENTRYPOINT")), execForm(c.T, one(c.T, image, "CMD"))...)...)
	c.log = &lockedBuffer{}
	c.cmd.Stdout, c.cmd.Stderr = c.log, c.log
	if err := c.cmd.Start(); err != nil {
		c.Fatal(err)
	}
	c.Cleanup(c.stop)
	return awaitServing(c.T, c.log)
}

func (c *container) stop() {
	if c.cmd.ProcessState != nil {
		return
	}
	c.cmd.Process.Signal(syscall.SIGTERM)
	if err := c.cmd.Wait(); err != nil {
		c.Errorf("the server ended with %v\n%s", err, c.log.String())
	}
}

// awaitServing waits for a server process to say where it serves.
func awaitServing(t *testing.T, log *lockedBuffer) (public, ops string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if s := log.String(); strings.Contains(s, "msg=serving") && strings.HasSuffix(s, "\n") {
			_, rest, _ := strings.Cut(s, " public=")
			_, more, _ := strings.Cut(s, " operators=")
			return strings.Fields(rest)[0], strings.Fields(more)[0]
		}
	}
	t.Fatalf("the server does not serve; it wrote\n%s", log.String())
	return "", ""
}

// status reads a line of what the kernel says of the server's process.
func (c *container) status(name string) string {
	c.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(c.cmd.Process.Pid) + "/status")
	if err != nil {
		c.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n"+name+":")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.Join(strings.Fields(line), " ")
}

const imagePassword = "correct horse battery staple"

// testContainer: what docker-compose.yml starts serves, confined as it says,
// over TLS and by the name localhost, and keeps its data over a new start.
func testContainer(t *testing.T, c *container) {
	proxy := newTLSProxy(t)
	c.env["HALLMARK_ISSUER"] = proxy.issuer
	c.env["SSL_CERT_FILE"] = "/var/lib/hallmark/store/ca.pem" // beside the image's, which does not know the test's
	if err := os.WriteFile(filepath.Join(c.volumes, "store/ca.pem"), proxy.ca, 0o644); err != nil {
		t.Fatal(err)
	}
	public, ops := c.start()
	proxy.to(public)

	for name, want := range map[string]string{
		"Uid": "65532 65532 65532 65532", "Gid": "65532 65532 65532 65532", "Groups": "", "NoNewPrivs": "1",
		"CapEff": "0000000000000000", "CapPrm": "0000000000000000",
	} {
		if got := c.status(name); got != want {
			t.Errorf("the server's %s is %q, want %q", name, got, want)
		}
	}
	if got := listDir(t, filepath.Join(c.volumes, "keys")); !slices.Equal(got, []string{"kek", "kek.seen", "kek.seen.lock"}) {
		t.Errorf("in the volume of keys: %q", got)
	}
	if got := listDir(t, filepath.Join(c.volumes, "store")); !slices.Contains(got, "hallmark.db") || slices.Contains(got, "kek") {
		t.Errorf("in the volume of the store: %q", got)
	}
	for _, place := range []string{"/var/lib/hallmark/new", "/etc/new", "/usr/local/bin/new"} {
		if r := c.run("", "hallmark", "serve", "--data", place); r.code != exitUnusable || !strings.Contains(r.err, "read-only file system") {
			t.Errorf("a server writes to %s: %d, %s", place, r.code, r.err)
		}
	}

	c.ok(imagePassword+"\n", "hallmark", "user", "add", "alice")
	c.ok("", "hallmark", "client", "add", "--id", "web", "--audience", "https://api.example.com")
	login := func() string {
		return strings.TrimSpace(c.ok(imagePassword+"\n", "hallmark", "token", "--issuer", proxy.issuer, "--client-id", "web", "--username", "alice", "--access-token"))
	}
	token := login()
	verify := []string{"hallmark", "verify", "--issuer", proxy.issuer, "--audience", "https://api.example.com", "--"}
	c.ok("", append(verify, token)...)

	c.stop()
	public, ops = c.start()
	proxy.to(public)
	c.ok("", append(verify, token)...)
	c.ok("", append(verify, login())...)

	delete(c.env, "SSL_CERT_FILE")
	if r := c.run(imagePassword+"\n", "hallmark", "token", "--issuer", proxy.issuer, "--client-id", "web", "--username", "alice"); r.code == exitOK || !strings.Contains(r.err, "x509") {
		t.Errorf("a certificate that nobody knows is taken: %d, %s", r.code, r.err)
	}

	t.Run("HEALTHCHECK", func(t *testing.T) {
		_, health, _ := strings.Cut(one(t, dockerfile(t)[1], "HEALTHCHECK"), "CMD ")
		for address, want := range map[string]int{ops: exitOK, public: exitFailure} {
			c.env["HALLMARK_OPS_LISTEN"] = address // the server's own was taken with port 0
			if r := c.run("", execForm(t, health)...); r.code != want {
				t.Errorf("%s ended with %d, want %d: %s", health, r.code, want, r.err)
			}
		}
	})
}

// TestImageWithoutIssuer: the image alone, without docker-compose.yml, says
// what it lacks.
func TestImageWithoutIssuer(t *testing.T) {
	d := newDesk(t)
	for name, value := range imageEnv(t) {
		d.env[name] = value
	}
	d.fails(exitUsage, "", execForm(t, one(t, dockerfile(t)[1], "CMD")), "--issuer is missing")
}

func listDir(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A tlsProxy ends TLS for https://localhost with a certificate of its own.
type tlsProxy struct {
	issuer string
	ca     []byte // PEM
	target atomic.Pointer[url.URL]
}

func newTLSProxy(t *testing.T) *tlsProxy {
	t.Helper()
	pair := makePair(t, nextYear())
	p := &tlsProxy{ca: []byte(pair.cert)}
	front := httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(p.target.Load())
		r.SetXForwarded()
	}})
	front.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{pair.leaf.Raw}, PrivateKey: pair.private}}, MinVersion: tls.VersionTLS13}
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // a test refuses the certificate
	front.StartTLS()
	t.Cleanup(front.Close)
	_, port, err := net.SplitHostPort(front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	p.issuer = "https://localhost:" + port
	return p
}

// to sets where the proxy passes requests to.
func (p *tlsProxy) to(addr string) { p.target.Store(&url.URL{Scheme: "http", Host: addr}) }
