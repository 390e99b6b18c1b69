package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/hallmark-auth/hallmark/storage"
)

// A postgres is a real server in a directory of its own, on a socket there.
type postgres struct {
	*testing.T
	bin, dir string
	password string
	as       *syscall.SysProcAttr
}

// startPostgres starts a server that wants a password. It does not run as root:
// then it is somebody who owns nothing else.
func startPostgres(t *testing.T) *postgres {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		lacking(t, "Debian's postgresql", err)
	}
	slices.Sort(found)
	pg := &postgres{T: t, bin: filepath.Dir(found[len(found)-1]), dir: publicDir(t), password: storage.RandomSecret().Reveal()}
	if os.Getuid() == 0 {
		pg.become("postgres")
	}
	secret := filepath.Join(pg.dir, "password")
	write(t, secret, pg.password)
	if err := os.Chmod(secret, 0o644); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(pg.dir, "data")
	if out, err := pg.command("initdb", "-D", data, "-U", "site", "-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8", "--locale=C", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	server := pg.command("postgres", "-D", data, "-k", pg.dir, "-c", "listen_addresses=", "-c", "fsync=off")
	var log lockedBuffer
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGINT) // the fast shutdown
		server.Wait()
	})
	await(t, "serves: "+log.String(), func() bool { return strings.Contains(log.String(), "ready to accept connections") })
	return pg
}

func (pg *postgres) become(name string) {
	pg.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		lacking(pg.T, "the user "+name+" of Debian's postgresql", err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	pg.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	if err := os.Chown(pg.dir, uid, gid); err != nil {
		pg.Fatal(err)
	}
}

func (pg *postgres) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(pg.bin, name), args...)
	cmd.Dir, cmd.SysProcAttr = pg.dir, pg.as
	cmd.Env = append(os.Environ(), "PGPASSWORD="+pg.password, "PGHOST="+pg.dir)
	return cmd
}

func (pg *postgres) sql(database, text string) {
	pg.Helper()
	cmd := pg.command("psql", "-U", "site", "-d", database, "-v", "ON_ERROR_STOP=1", "-q")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		pg.Fatalf("%v\n%s", err, out)
	}
}

// TestImportPostgres: the users of a real Django site on a real server, with
// the password in a file as psql takes it, and those of a site with a users'
// model of its own.
func TestImportPostgres(t *testing.T) {
	t.Parallel()
	buildProgram(t)
	pg := startPostgres(t)
	pg.sql("postgres", "CREATE DATABASE site;")
	s := &site{T: t, database: pg.dir + ":site", env: []string{"PGPASSWORD=" + pg.password}}
	s.make()
	dump := filepath.Join(t.TempDir(), "dump.json")
	write(t, dump, string(s.do("", "dumpdata", "contenttypes", "auth")))

	d := newDesk(t)
	url := fmt.Sprintf("postgres://site@/site?host=%s", pg.dir)
	if r := d.execute("user", "import", "--from-django", url); r.code != exitUsage || !strings.Contains(r.err, "password") || strings.Contains(r.err, pg.password) {
		t.Errorf("without a password it ended with %d: %s", r.code, r.err)
	}
	passfile := filepath.Join(t.TempDir(), "pgpass")
	write(t, passfile, "*:*:*:site:"+pg.password+"\n")
	d.env["PGPASSFILE"] = passfile
	r, outcomes := d.imported("--from-django", url, "--dry-run")
	d.all(r, outcomes, "created")
	r, outcomes = d.imported("--from-django", url)
	d.all(r, outcomes, "created")
	r, outcomes = d.imported(dump)
	d.all(r, outcomes, "unchanged")

	const id = "0b5cf0b5-4f5c-4c2e-9d0a-6f2f8f0f7c11"
	pg.sql("site", `CREATE SCHEMA "Shop"; CREATE TABLE "Shop"."accounts_Member" (uid uuid PRIMARY KEY, email varchar(254), password varchar(128), is_active boolean, extra jsonb, photo bytea, born date, points numeric);
		INSERT INTO "Shop"."accounts_Member" SELECT gen_random_uuid(), 'm' || n || '@example.com', '', true, '{}', '\xff', '2000-01-02', 1.5 FROM generate_series(1, 1200) n;
		INSERT INTO "Shop"."accounts_Member" VALUES ('`+id+`', 'zoe@example.com', '!x', false, '{"a": 1}', NULL, NULL, 7);
		CREATE TABLE "Shop"."accounts_Member_groups" (id serial, member_id uuid, group_id int);
		INSERT INTO "Shop"."accounts_Member_groups" (member_id, group_id) SELECT '`+id+`', id FROM auth_group WHERE name = 'editors';`)
	args := []string{"--from-django", url, "--table=Shop.accounts_Member", "--id-field=uid", "--name-field=email", "--claim=born=born", "--claim=points=points"}
	for _, want := range []string{"created", "unchanged"} {
		r, outcomes := d.imported(args...)
		if r.code != exitOK || len(outcomes) != 1201 || outcomes["zoe@example.com"] != want || outcomes["m1200@example.com"] != want {
			t.Fatalf("ended with %d, %d users: %s%s", r.code, len(outcomes), r.out, r.err)
		}
	}
	zoe, m1 := d.one("user", "show", "zoe@example.com"), d.one("user", "show", "m1@example.com")
	if fmt.Sprint(zoe["foreign_id"], zoe["disabled"], zoe["groups"], zoe["entitlements"], zoe["extra"]) != id+"true [editors] [auth.change_group] map[points:7 user_id:"+id+"]" {
		t.Errorf("%v", zoe)
	}
	if extra := m1["extra"].(map[string]any); extra["born"] != "2000-01-02T00:00:00Z" || m1["has_password"] != false {
		t.Errorf("%v", m1)
	}
	if r := d.execute("user", "import", "--from-django", url, "--table=none"); r.code != exitUsage || !strings.Contains(r.err, "there is no table none") {
		t.Errorf("ended with %d: %s", r.code, r.err)
	}
}
