package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

// undoings say in words what a backup undoes, in the order of what to look at first.
var undoings = map[string]string{
	"users_enabled":         "users disabled since can sign in again",
	"users_back":            "users removed since are back and can sign in",
	"passwords_undone":      "users whose password was set since, or hashed anew, have the one before",
	"users_disabled":        "users enabled since are disabled again",
	"users_lost":            "users added since are gone",
	"users_changed":         "users changed since are as they were",
	"client_secrets_undone": "clients whose secrets were changed since have those before",
	"clients_back":          "clients removed since are back",
	"clients_lost":          "clients added since are gone",
	"clients_changed":       "clients changed since are as they were",
	"operator_tokens_back":  "operator tokens removed since are good again",
	"operator_tokens_lost":  "operator tokens made since are good no more",
	"sessions_back":         "sessions ended since live again, of",
	"sessions_behind":       "sessions refreshed since end when they are used (store_behind), of",
	"sessions_lost":         "sessions begun since are gone, of",
}

// foretell writes what the backup is and what it undoes.
func (r *restore) foretell(w io.Writer) error {
	var out strings.Builder
	v := r.result
	taken := "made by another program"
	if v.Backup.TakenAt != "" {
		taken = "taken " + v.Backup.TakenAt
	}
	fmt.Fprintf(&out, "%s: %s, schema %d, key ring version %d (%d was seen here), %d users, %d clients, %d sessions\n",
		v.Backup.File, taken, v.Backup.Schema, v.Backup.Ring, v.Seen, v.Backup.Users, v.Backup.Clients, v.Backup.Sessions)
	switch {
	case v.Incomparable != "":
		fmt.Fprintf(&out, "What it undoes is not known: %s\n", v.Incomparable)
	case v.Replaced == "":
		fmt.Fprintf(&out, "There is no store %s that it would replace.\n", v.Store)
	case len(v.Undone) == 0:
		fmt.Fprintf(&out, "It undoes nothing of %s but what happened to the keys.\n", v.Store)
	default:
		fmt.Fprintf(&out, "What it undoes of %s:\n", v.Store)
	}
	for _, d := range v.Undone {
		fmt.Fprintf(&out, "  %d %s: %s\n", d.Count, undoings[d.What], someNames(d))
	}
	if len(v.StaysRevoked) > 0 {
		fmt.Fprintf(&out, "Keys revoked since stay revoked: %s\n", strings.Join(v.StaysRevoked, ", "))
	}
	if r.KeepSessions {
		out.WriteString("Its sessions go on.\n")
	} else {
		fmt.Fprintf(&out, "Its sessions (%d) end as restored: everybody signs in again.\n", v.SessionsEnded)
	}
	out.WriteString(r.note())
	_, err := io.WriteString(w, out.String())
	return err
}

// someNames lists them up to a bound.
func someNames(d sqlite.Difference) string {
	text := strings.Join(d.Names, ", ")
	if len(d.Names) < d.Count {
		text += ", …"
	}
	return printable(text)
}

// tell writes what was done.
func (r *restore) tell(w io.Writer) error {
	var out strings.Builder
	v := r.result
	fmt.Fprintf(&out, "%s is in place", v.Store)
	if v.Replaced != "" {
		fmt.Fprintf(&out, "; the store that was there is %s: keep it until you miss nothing, then remove it", v.Replaced)
	}
	out.WriteString("\n")
	if v.Keys == nil {
		out.WriteString("It has no signing keys: the first start makes them.\n")
	} else {
		fmt.Fprintf(&out, "The key ring goes on as version %d with new keys; old ones (%d) stay published until their tokens have expired.\n", v.Keys.Version, len(v.Keys.Kept))
	}
	out.WriteString("Do again what you do not want undone, then start the server.\n")
	_, err := io.WriteString(w, out.String())
	return err
}
