package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// An instruction of the Dockerfile: its name, and the rest as one line.
type instruction struct{ name, rest string }

// dockerfile reads the repository's, in stages: each begins with its FROM.
func dockerfile(t *testing.T) (stages [][]instruction) {
	t.Helper()
	text := string(repoFile(t, "Dockerfile"))
	text = regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`\\\n\s*`).ReplaceAllString(text, "")
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case name == "":
			continue
		case !ok || name != strings.ToUpper(name):
			t.Fatalf("Dockerfile: not an instruction: %s", line)
		case name == "FROM":
			stages = append(stages, nil)
		case len(stages) == 0:
			t.Fatalf("Dockerfile: %s stands before the first FROM", name)
		}
		last := len(stages) - 1
		stages[last] = append(stages[last], instruction{name, strings.TrimSpace(rest)})
	}
	if len(stages) != 2 {
		t.Fatalf("Dockerfile: %d stages, want one that builds and one that is the image", len(stages))
	}
	return stages
}

// all returns what an instruction says in a stage, each time it is there.
func all(stage []instruction, name string) (found []string) {
	for _, i := range stage {
		if i.name == name {
			found = append(found, i.rest)
		}
	}
	return found
}

// one is all for what must be there once.
func one(t *testing.T, stage []instruction, name string) string {
	t.Helper()
	found := all(stage, name)
	if len(found) != 1 {
		t.Fatalf("Dockerfile: %s is there %d times, want once", name, len(found))
	}
	return found[0]
}

// execForm reads the JSON form of a command, which needs no shell.
func execForm(t *testing.T, text string) (words []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &words); err != nil || len(words) == 0 {
		t.Fatalf("Dockerfile: %s is not in exec form: %v", text, err)
	}
	return words
}

func repoFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repo(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDockerfile(t *testing.T) {
	stages := dockerfile(t)
	build, image := stages[0], stages[1]

	from := strings.Fields(one(t, build, "FROM"))
	base := regexp.MustCompile(`^golang:(\d+\.\d+)\.(\d+)-[a-z]+$`).FindStringSubmatch(from[0])
	mod := regexp.MustCompile(`(?m)^go (\d+\.\d+)(?:\.(\d+))?$`).FindStringSubmatch(string(repoFile(t, "go.mod")))
	if base == nil || mod == nil || base[1] != mod[1] {
		t.Errorf("Dockerfile builds with %q, go.mod says %q", from[0], mod)
	}
	if got := one(t, image, "FROM"); got != "scratch" {
		t.Errorf("the image is from %s: anything but scratch needs a pinned tag, and updates", got)
	}

	if user := one(t, image, "USER"); !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user) {
		t.Errorf("USER %s is not a number other than 0", user)
	}
	if got := one(t, image, "EXPOSE"); got != "8080" {
		t.Errorf("EXPOSE %s: the public listener alone", got)
	}
	if got := execForm(t, one(t, image, "ENTRYPOINT")); !slices.Equal(got, []string{"hallmark"}) {
		t.Errorf("ENTRYPOINT %q", got)
	}
	if got := execForm(t, one(t, image, "CMD")); !slices.Equal(got, []string{"serve"}) {
		t.Errorf("CMD %q", got)
	}
	_, health, _ := strings.Cut(one(t, image, "HEALTHCHECK"), "CMD ")
	if got := execForm(t, health); !slices.Equal(got, []string{"hallmark", "ready"}) {
		t.Errorf("HEALTHCHECK %q", got)
	}

	// The key-encryption key and the database are in volumes of their own.
	volumes, env := execForm(t, one(t, image, "VOLUME")), imageEnv(t)
	if len(volumes) != 2 || env["HALLMARK_DATA"] != volumes[0] || filepath.Dir(env["HALLMARK_SEEN_FILE"]) != volumes[0] || filepath.Dir(env["HALLMARK_STORE"]) != volumes[1] {
		t.Errorf("volumes %q for %q", volumes, env)
	}
	for _, stage := range stages {
		for _, name := range []string{"ARG", "ENV"} {
			for _, text := range all(stage, name) {
				if regexp.MustCompile(`(?i)password|secret|token|credential|_kek(=|$)`).MatchString(text) {
					t.Errorf("%s %s: a secret in an image can be read by whoever has it", name, text)
				}
			}
		}
	}
	for _, cp := range all(image, "COPY") {
		if !strings.HasPrefix(cp, "--from=build ") {
			t.Errorf("COPY %s brings something that was not built", cp)
		}
	}
}

// imageEnv is the environment that the image sets.
func imageEnv(t *testing.T) map[string]string {
	t.Helper()
	env := map[string]string{}
	for _, text := range all(dockerfile(t)[1], "ENV") {
		for _, pair := range strings.Fields(text) {
			name, value, ok := strings.Cut(pair, "=")
			if !ok {
				t.Fatalf("ENV %s: not NAME=VALUE", pair)
			}
			env[name] = value
		}
	}
	return env
}

// TestDockerignore: a build takes nothing along that was tried out in the
// checkout, and lacks nothing of it.
func TestDockerignore(t *testing.T) {
	ignored := strings.Fields(regexp.MustCompile(`(?m)^#.*$`).ReplaceAllString(string(repoFile(t, ".dockerignore")), ""))
	for line := range strings.Lines(string(repoFile(t, ".gitignore"))) {
		pattern := strings.TrimSuffix(strings.TrimSpace(line), "/")
		if !slices.Contains(ignored, pattern) && !slices.Contains(ignored, "**/"+pattern) {
			t.Errorf("git ignores %s, .dockerignore does not", pattern)
		}
	}
	cmd := exec.Command("git", "ls-files", "--cached", "--ignored", "--exclude-from=.dockerignore")
	cmd.Dir = repo(t)
	out, err := cmd.Output()
	if err != nil {
		lacking(t, "git, or the checkout is not one", err)
	}
	if len(out) > 0 {
		t.Errorf(".dockerignore leaves out what git has, so every image would call itself changed:\n%s", out)
	}
}

const releaseTag = "v0.0.1"

// tagged is a checkout with a history of one commit, which is the same
// wherever it lies, and a release's tag.
func tagged(t *testing.T) string {
	t.Helper()
	dir := checkout(t)
	for _, args := range [][]string{
		{"init", "-q"}, {"add", "-A"}, {"commit", "-q", "-m", "Release"}, {"tag", releaseTag},
	} {
		cmd := exec.Command("git", append([]string{"-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"}, args...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z", "GIT_CONFIG_GLOBAL=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	return dir
}

// shell runs a command line in a directory and fails the test if it fails.
func shell(t *testing.T, dir, line string, env ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", line)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// imageFiles runs the Dockerfile's build lines in a checkout and puts together
// what the image holds, as it lies in it.
func imageFiles(t *testing.T) (root string, build string) {
	t.Helper()
	need(t, "make", "gcc", "git")
	stages := dockerfile(t)
	build = tagged(t)
	workdir := one(t, stages[0], "WORKDIR")
	here := func(s string) string { return strings.ReplaceAll(s, workdir+"/", build+"/") }
	if env := append(all(stages[0], "ENV"), all(stages[0], "ARG")...); len(env) > 0 {
		t.Fatalf("the stage that builds has an environment that this test does not know: %q", env)
	}
	if copies := all(stages[0], "COPY"); !slices.Equal(copies, []string{"go.mod go.sum ./", ". ."}) {
		t.Fatalf("the stage that builds copies %q, this test knows a checkout", copies)
	}
	for _, line := range all(stages[0], "RUN") {
		shell(t, build, here(line))
	}
	root = t.TempDir()
	for _, line := range all(stages[1], "COPY") {
		words := strings.Fields(strings.TrimPrefix(line, "--from=build "))
		owner := "0:0"
		if chown, ok := strings.CutPrefix(words[0], "--chown="); ok {
			owner, words = chown, words[1:]
		}
		from, to := here(words[0]), filepath.Join(root, words[1])
		err := errors.Join(os.MkdirAll(to, 0o755), os.CopyFS(to, os.DirFS(from)))
		if err != nil {
			t.Fatal(err)
		}
		own(t, from, to, owner)
	}
	return root, build
}

// own gives the copies the modes of the originals, and an owner where that is
// permitted.
func own(t *testing.T, from, to, owner string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == from {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if os.Getuid() == 0 {
			shell(t, to, "chown "+owner+" '"+rel+"'")
		}
		return os.Chmod(filepath.Join(to, rel), info.Mode())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// need skips a test, by name, for want of a command.
func need(t *testing.T, commands ...string) {
	t.Helper()
	for _, command := range commands {
		if _, err := exec.LookPath(command); err != nil {
			lacking(t, command, err)
		}
	}
}

// largestImage bounds what an image holds, in bytes.
const largestImage = 26 << 20

// TestPackages builds the image's files by the Dockerfile's lines, once.
func TestPackages(t *testing.T) {
	t.Parallel()
	unraced(t)
	root, build := imageFiles(t)
	t.Run("image", func(t *testing.T) { testImage(t, root) })
	t.Run("container", func(t *testing.T) { testContainer(t, newContainer(t, root)) })
	t.Run("release", func(t *testing.T) { testRelease(t, filepath.Join(build, "dist/hallmark")) })
}

// testImage looks at what the image holds.
func testImage(t *testing.T, root string) {
	program := filepath.Join(root, "usr/local/bin/hallmark")
	if out := shell(t, root, program+" version"); out != "hallmark "+releaseTag+"\n" {
		t.Errorf("version: %s", out)
	}
	if runtime.GOOS == "linux" {
		// An empty image has no library and no loader to bring one.
		if out, err := exec.Command("ldd", program).CombinedOutput(); err == nil || !bytes.Contains(out, []byte("not a dynamic executable")) {
			t.Errorf("ldd: %v, %s", err, out)
		}
	}
	var size int64
	var names []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
			names = append(names, strings.TrimPrefix(path, root))
			if info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 || info.Mode().Perm()&0o022 != 0 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if size > largestImage {
		t.Errorf("the image has %d bytes, at most %d are wanted", size, largestImage)
	}
	want := []string{
		"/etc/group", "/etc/passwd", "/etc/ssl/certs/ca-certificates.crt", "/usr/local/bin/hallmark",
		"/usr/share/doc/hallmark/LICENSE", "/usr/share/doc/hallmark/THIRD_PARTY_LICENSES",
	}
	if !slices.Equal(names, want) {
		t.Errorf("the image holds %q, want %q", names, want)
	}
	for _, dir := range []string{"keys", "store"} {
		info, err := os.Stat(filepath.Join(root, "var/lib/hallmark", dir))
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, info, err)
		}
	}
	notices, err := os.ReadFile(filepath.Join(root, "usr/share/doc/hallmark/THIRD_PARTY_LICENSES"))
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range []string{"Go go", "github.com/mattn/go-sqlite3 ", "github.com/alecthomas/kong ", "golang.org/x/crypto "} {
		if !strings.Contains(string(notices), "\n=== "+module) {
			t.Errorf("the licence of %s is not there", module)
		}
	}
}

const djangoApp = "conformance/interop/django/hallmark_django"

// testRelease: a release is the same, byte for byte, wherever it is built, and
// the program in the image is the release's.
func testRelease(t *testing.T, inImage string) {
	need(t, "make", "gcc", "git", "tar", "gzip", "sha256sum", "awk")
	first, second := tagged(t), tagged(t)
	shell(t, first, "make release")
	shell(t, second, "umask 077; find . -name '*.go' -exec touch {} +; cd "+djangoApp+"; mkdir __pycache__; touch __pycache__/conf.pyc; cd -; make release",
		"TZ=Asia/Tokyo", "LC_ALL=C.UTF-8")
	name := "hallmark-" + releaseTag + "-" + runtime.GOOS + "-" + runtime.GOARCH
	for _, file := range []string{"hallmark", name + ".tar.gz", "SHA256SUMS"} {
		if digest(t, filepath.Join(first, "dist", file)) != digest(t, filepath.Join(second, "dist", file)) {
			t.Errorf("%s differs between two builds", file)
		}
	}
	if digest(t, filepath.Join(first, "dist/hallmark")) != digest(t, inImage) {
		t.Error("the Dockerfile builds another program than make release")
	}
	shell(t, filepath.Join(first, "dist"), "sha256sum --check --strict SHA256SUMS && test 2 = $(wc -l < SHA256SUMS)")

	out := shell(t, t.TempDir(), "tar xzf "+filepath.Join(first, "dist", name+".tar.gz")+" && cd "+name+
		" && test -s LICENSE && test -s THIRD_PARTY_LICENSES && test -s docs/systemd/hallmark.service && ./hallmark version")
	if out != "hallmark "+releaseTag+"\n" {
		t.Errorf("the archive's program calls itself %s", out)
	}
	shipped := shell(t, filepath.Join(second, "dist"), "tar tzf "+name+".tar.gz | sed -n 's|^[^/]*/hallmark_django/||p' | grep -v '/$' | grep . | sort", "LC_ALL=C")
	if want := shell(t, second, "cd "+djangoApp+"; git ls-files | sort", "LC_ALL=C"); shipped != want || !strings.Contains(want, "tokens.py\n") {
		t.Errorf("the archive's Django app is\n%swant\n%s", shipped, want)
	}

	if err := os.WriteFile(filepath.Join(first, "CHANGELOG.md"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	refused := exec.Command("make", "release")
	refused.Dir = first
	if out, err := refused.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("CHANGELOG.md")) {
		t.Errorf("a release of what is not committed: %v, %s", err, out)
	}
}

func digest(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// staticProgram builds the program as it is released, once for all tests that
// run it so. It lies beside the one of buildProgram.
func staticProgram(t *testing.T) string {
	t.Helper()
	need(t, "make", "gcc")
	path, err := builtStatic()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var builtStatic = sync.OnceValues(func() (string, error) {
	to := filepath.Join(programDir, "static")
	out, err := exec.Command("make", "-s", "-C", "../..", "static", "BUILDVCS=false", "TO="+to).CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return to, nil
})
