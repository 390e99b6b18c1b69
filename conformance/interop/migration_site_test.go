package interop

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A shop is a machine with the site of django/shop: gunicorn behind nginx, and
// Hallmark once somebody starts it, all real. It is what the guide speaks of.
type shop struct {
	follower
	url, login string // what the guide calls api.example.com and login.example.com, at nginx
	django     string // gunicorn itself
	programs   map[string]*program
	visitors   []*visitor
}

// tokenSeconds is how long access tokens last here, where the guide and the site
// have five minutes.
const tokenSeconds = "8"

const nginx, gunicorn = "/usr/sbin/nginx", "/usr/bin/gunicorn"

func needShop(t *testing.T) {
	t.Helper()
	needSimpleJWT(t)
	needNode(t, "axios")
	need(t, "Debian's gunicorn", "test", "-x", gunicorn)
	need(t, "Debian's nginx", "test", "-x", nginx)
	need(t, "bash, curl, install", "bash", "-c", "curl --version && install --version")
}

// openShop makes the machine, with the site running and nothing of Hallmark.
func openShop(t *testing.T) *shop {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	hallmark, operators, django, api, login := freePort(t), freePort(t), freePort(t), freePort(t), freePort(t)
	s := &shop{
		url: "http://127.0.0.1:" + api, login: "http://127.0.0.1:" + login, django: "http://127.0.0.1:" + django,
		programs: map[string]*program{},
	}
	s.follower = follower{
		guide: readGuide(t), dir: dir, did: map[string]bool{}, units: make(chan unitCall), unit: s.systemctl,
		names: strings.NewReplacer(
			" -o hallmark -g hallmark", "", " -o shop", "", // the test has no such users
			"/usr/local/src/hallmark", root, "/root", dir,
			"/etc/hallmark", dir+"/etc/hallmark", "/etc/nginx", dir+"/etc/nginx", "/srv/shop", dir+"/shop", "/var/lib/hallmark", dir+"/var/lib/hallmark",
			"https://login.example.com", s.login, "https://api.example.com", s.url,
			"127.0.0.1:8080", "127.0.0.1:"+hallmark, "127.0.0.1:8081", "127.0.0.1:"+operators, "127.0.0.1:8000", "127.0.0.1:"+django,
			"2027-01-31", time.Now().AddDate(0, 0, 2).Format(time.DateOnly), "--access-lifetime 5m", "--access-lifetime "+tokenSeconds+"s",
		),
		typed: password("anna") + "\n",
		env: []string{
			"PATH=" + dir + "/bin:" + os.Getenv("PATH"), "PYTHONDONTWRITEBYTECODE=1",
			"HALLMARK_LISTEN=127.0.0.1:" + hallmark, "HALLMARK_OPS_LISTEN=127.0.0.1:" + operators, // for the ports of the guide
		},
	}
	s.furnish(t)
	s.programs["shop"] = launch(t, django, func() *exec.Cmd {
		cmd := exec.Command(gunicorn, "shop.wsgi", "--chdir", dir+"/shop", "--workers", "2", "--bind", "127.0.0.1:"+django, "--log-file", dir+"/gunicorn.log")
		cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
		return cmd
	})
	s.programs["nginx"] = launch(t, api, func() *exec.Cmd {
		return exec.Command(nginx, "-c", dir+"/etc/nginx/nginx.conf", "-e", dir+"/nginx.log")
	})
	s.programs["shop"].await(t)
	s.programs["nginx"].await(t)
	return s
}

// furnish puts what is there before anybody follows the guide.
func (s *shop) furnish(t *testing.T) {
	t.Helper()
	for _, name := range []string{"bin", "etc/hallmark", "etc/nginx/snippets", "var/lib/hallmark", "var/lib/hallmark-keys"} {
		if err := os.MkdirAll(filepath.Join(s.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"hallmark": binary, "python": python} {
		if err := os.Symlink(target, filepath.Join(s.dir, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(s.dir, "shop"), os.DirFS("django/shop")); err != nil {
		t.Fatal(err)
	}
	settings := filepath.Join(s.dir, "shop/shop/settings.py")
	write(t, settings, strings.Replace(read(t, settings), "timedelta(minutes=5)", "timedelta(seconds="+tokenSeconds+")", 1))
	write(t, filepath.Join(s.dir, "shop/secret_key"), rand.Text()+rand.Text())
	if out, err := s.manage(t, "migrate", "--verbosity=0").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.configureNginx(t)

	mux := http.NewServeMux()
	mux.HandleFunc("POST /{verb}/{unit}", func(_ http.ResponseWriter, r *http.Request) {
		c := unitCall{r.PathValue("verb"), r.PathValue("unit"), make(chan struct{})}
		select {
		case s.units <- c:
		case <-t.Context().Done():
			return
		}
		select {
		case <-c.done:
		case <-t.Context().Done():
		}
	})
	units := httptest.NewServer(mux)
	t.Cleanup(units.Close)
	// The last word is the unit: there may be --now between.
	write(t, filepath.Join(s.dir, "bin/systemctl"), "#!/bin/bash\nexec curl -fsS -X POST "+units.URL+"/$1/${@: -1}\n")
	if err := os.Chmod(filepath.Join(s.dir, "bin/systemctl"), 0o755); err != nil {
		t.Fatal(err)
	}
	// What the guide leaves to docs/operations.md: op, and the key.
	operations := read(t, "../../docs/operations.md")
	op := regexp.MustCompile(`(?m)^op\(\) \{.*\n.*\}$`).FindString(operations)
	kek := regexp.MustCompile(`(?m)^head -c 32 .*/etc/hallmark/kek$`).FindString(operations)
	nobody := strings.NewReplacer("runuser -u hallmark -- ", "", "-m 0440 -o root -g hallmark", "-m 0400") // the test has no such user
	s.shell = s.names.Replace(nobody.Replace(op)) + "\n"
	if out, err := exec.Command("bash", "-c", s.names.Replace(nobody.Replace(kek))).CombinedOutput(); err != nil || op == "" {
		t.Fatalf("%q, %q: %v\n%s", op, kek, err, out)
	}
}

// include is what the guide has in the site's server from the switch on.
const include = "include snippets/hallmark*.conf;"

func (s *shop) configureNginx(t *testing.T) {
	t.Helper()
	if !strings.Contains(s.text, "`"+include+"`") {
		t.Errorf("the guide does not say %q", include)
	}
	var temp strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temp, "%s_temp_path %s/nginx-%s;\n", kind, s.dir, kind)
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user root;\n"
	}
	host := func(url string) string { return strings.TrimPrefix(url, "http://") }
	write(t, s.dir+"/etc/nginx/nginx.conf", user+"daemon off;\npid "+s.dir+"/nginx.pid;\nerror_log "+s.dir+"/nginx.log notice;\nevents {}\nhttp {\naccess_log off;\n"+temp.String()+`
server {
    listen `+host(s.url)+`;
    `+include+`
    location / { proxy_pass `+s.django+`; }
}
server {
    listen `+host(s.login)+`;
    location / {
        proxy_pass `+s.names.Replace("http://127.0.0.1:8080")+`;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
}
}
`)
}

// manage runs the site's manage.py.
func (s *shop) manage(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), python, append([]string{"-B", "manage.py"}, args...)...)
	cmd.Dir = filepath.Join(s.dir, "shop")
	return cmd
}

// systemctl does what systemd would. A reload is nothing that callers could
// notice; a restart of Hallmark is, for the second that it takes: they wait.
func (s *shop) systemctl(t *testing.T, verb, unit string) {
	t.Helper()
	switch verb + " " + unit {
	case "reload shop":
		s.reload(t, unit, "gunicorn.log", "Worker exiting", 2)
		get(t, s.django+"/api/me/", "") // which the new ones answer as soon as they can
	case "reload nginx":
		s.reload(t, unit, "nginx.log", "gracefully shutting down", 1)
	case "enable hallmark":
		s.programs[unit] = launch(t, strings.TrimPrefix(s.names.Replace("127.0.0.1:8080"), "127.0.0.1:"), func() *exec.Cmd {
			cmd := exec.Command(binary, "serve")
			cmd.Env = append(append(os.Environ(), s.env...), "HALLMARK_CONFIG="+s.names.Replace("/etc/hallmark/hallmark.toml"),
				"HALLMARK_DATA="+s.names.Replace("/var/lib/hallmark"), "HALLMARK_SEEN_FILE="+s.names.Replace("/var/lib/hallmark-keys/kek.seen"),
				"HALLMARK_KEK_FILE="+s.names.Replace("/etc/hallmark/kek")) // as the unit has it
			return cmd
		})
		s.programs[unit].await(t)
	case "restart hallmark":
		s.rest(t)
		s.programs[unit].restart(t)
		s.browse(t)
	case "disable hallmark":
		s.programs[unit].stop()
	default:
		t.Fatalf("systemctl %s %s is not known here", verb, unit)
	}
}

// reload returns when the processes of before are on their way out, which their
// log tells.
func (s *shop) reload(t *testing.T, unit, log, line string, times int) {
	t.Helper()
	count := func() int { return strings.Count(read(t, filepath.Join(s.dir, log)), line) }
	before := count()
	s.programs[unit].signal(syscall.SIGHUP)(t)
	for deadline := time.Now().Add(time.Minute); count() < before+times; time.Sleep(20 * time.Millisecond) {
		s.programs[unit].lives(t)
		if time.Now().After(deadline) {
			t.Fatalf("%s was not reloaded; it wrote\n%s", unit, read(t, filepath.Join(s.dir, log)))
		}
	}
}
