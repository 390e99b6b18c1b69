package interop

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func needSimpleJWT(t *testing.T) {
	t.Helper()
	debian("python3-djangorestframework-simplejwt", "import rest_framework_simplejwt, django, jwt, cryptography")(t)
}

// A siteUser is somebody with the same password on both servers.
type siteUser struct {
	Name     string `json:"username"`
	Password string `json:"password"`
	Active   bool   `json:"active"`
}

func siteUsers() []siteUser {
	return []siteUser{
		{"alice", "wonderland 1", true}, {"zoë ☃", "snöwman ☃ 42", true}, {"emoji", "\U0001F680 rocket 12", true},
		{"12345", "67890123", true}, {"quotes", `a "b" \ 'c' & d=e; +%41`, true}, {"long", strings.Repeat("p", 1000), true},
		{"gone", "long gone 12", false}, {"guessed", "guess me 123", true}, {"dora", "explorer 12", true}, {"carl", "carl carl 1", true},
	}
}

const djangoSecret = "for HS256 a secret of 32 bytes or more"

// A djangoSite is django/simplejwt.py, running.
type djangoSite struct {
	url      string
	database string // a file of SQLite
	users    []djangoUser
}

// A djangoUser is what dumpdata says of a user.
type djangoUser struct {
	PK     int `json:"pk"`
	Fields struct {
		Username string `json:"username"`
		Password string `json:"password"`
		Active   bool   `json:"is_active"`
	} `json:"fields"`
}

func startDjango(t *testing.T, environment ...string) djangoSite {
	t.Helper()
	port, dir := freePort(t), t.TempDir()
	users, err := json.Marshal(siteUsers())
	if err != nil {
		t.Fatal(err)
	}
	p := launch(t, port, func() *exec.Cmd {
		cmd := exec.Command(python, "-B", "django/simplejwt.py", port, dir)
		cmd.Stdin = bytes.NewReader(users)
		cmd.Env = append(append(os.Environ(), environment...), "SECRET_KEY="+djangoSecret)
		return cmd
	})
	p.await(t)
	site := djangoSite{url: "http://127.0.0.1:" + port, database: filepath.Join(dir, "db")}
	if err := json.Unmarshal([]byte(read(t, filepath.Join(dir, "users.json"))), &site.users); err != nil {
		t.Fatal(err)
	}
	return site
}

// authority is Simple JWT itself, as the corpus asks it.
func (s djangoSite) authority() *authority {
	return &authority{
		url: s.url,
		change: func(t *testing.T, user, what string) {
			t.Helper()
			if resp, body := get(t, s.url+"/change/"+user+"/"+what, ""); resp.StatusCode != 200 {
				t.Fatalf("%d %s", resp.StatusCode, body)
			}
		},
		expired: func(t *testing.T, _ func() tokens) string {
			t.Helper()
			past := time.Now().Add(-time.Hour)
			token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
				"token_type": "access", "jti": "0123456789abcdef", "user_id": s.users[0].PK, "exp": past.Unix(), "iat": past.Add(-time.Minute).Unix(),
			}).SignedString([]byte(djangoSecret))
			if err != nil {
				t.Fatal(err)
			}
			return token
		},
	}
}

// startSurface runs Hallmark with Simple JWT's paths for the client "site" and
// the users of a Django, by their hashes and primary keys.
func startSurface(t *testing.T, users []djangoUser, client ...string) demo {
	t.Helper()
	d := serve(t, "--simplejwt-client", "site", "--trusted-proxy", "127.0.0.1")
	d.operate(t, append([]string{"client", "add", "--id", "site", "--auth", "none", "--audience", siteAudience, "--algorithm", rs256}, client...)...)
	for _, u := range users {
		pk := strconv.Itoa(u.PK)
		args := []string{"user", "add", "--data", d.data, "--hash", "--foreign-id", pk, "--claim-json", "user_id=" + pk}
		if !u.Fields.Active {
			args = append(args, "--disabled")
		}
		cmd := exec.CommandContext(t.Context(), binary, append(args, "--", u.Fields.Username)...)
		cmd.Stdin = strings.NewReader(u.Fields.Password + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("user add %s: %v\n%s", u.Fields.Username, err, out)
		}
	}
	return d
}

const siteAudience = "https://api.site.example"

// authority is Hallmark, as the corpus asks it.
func (d demo) authority() *authority {
	return &authority{
		url: d.Issuer,
		change: func(t *testing.T, user, what string) {
			t.Helper()
			switch what {
			case "disable":
				d.operate(t, "user", "disable", user)
			case "password":
				cmd := exec.CommandContext(t.Context(), binary, "user", "passwd", "--data", d.data, user)
				cmd.Stdin = strings.NewReader("changed " + user + "\n")
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
		},
		expired: func(t *testing.T, signIn func() tokens) string {
			t.Helper()
			d.operate(t, "client", "change", "site", "--access-lifetime", "1s")
			token := signIn()["access"]
			d.operate(t, "client", "change", "site", "--access-lifetime", "10m")
			time.Sleep(2 * time.Second)
			return token
		},
	}
}
