package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// Who names a user in one of the ways that identify one.
type Who struct {
	Name      string `arg:"" optional:"" help:"User name."`
	Sub       string `xor:"who" placeholder:"UUID" help:"The user with this subject identifier, instead of a name."`
	ForeignID string `name:"foreign-id" xor:"who" placeholder:"ID" help:"The user with this id in the system they come from, instead of a name."`
}

// find looks the user up.
func (w Who) find(ctx context.Context, o *office) (storage.User, error) {
	ways := 0
	for _, way := range []string{w.Name, w.Sub, w.ForeignID} {
		if way != "" {
			ways++
		}
	}
	switch {
	case ways != 1:
		return storage.User{}, usage("name one user: by name, with --sub or with --foreign-id")
	case w.Sub != "":
		id, err := uuid.Parse(w.Sub)
		if err != nil {
			return storage.User{}, usage("--sub: %q is not a UUID, such as the \"sub\" of a token", w.Sub)
		}
		return o.UserByID(ctx, id)
	case w.ForeignID != "":
		return o.UserByForeignID(ctx, w.ForeignID)
	}
	return o.User(ctx, w.Name)
}

type userShowCmd struct {
	Operation
	Who
}

func (c *userShowCmd) Run(ctx context.Context, p *process) error {
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		u, err := c.find(ctx, o)
		if err != nil {
			return err
		}
		sessions, err := o.UserSessions(ctx, u.ID)
		if err != nil {
			return err
		}
		view := struct {
			operator.UserView
			Sessions int `json:"live_sessions"`
		}{operator.ViewUser(u), 0}
		for _, s := range sessions {
			if operator.ViewSession(s, o.Now()).State == "live" {
				view.Sessions++
			}
		}
		return c.print(p.stdout, view, func(w io.Writer) error {
			rows := [][2]string{
				{"username", u.Name}, {"sub", view.ID}, {"state", state(view.UserView)}, {"foreign id", or(u.ForeignID, "-")}, {"created", view.CreatedAt},
				{"live sessions", fmt.Sprint(view.Sessions)},
			}
			return printRecord(w, append(rows, claimRows(u.Claims)...))
		})
	})
}

// claimRows are a user's claims as a table shows them.
func claimRows(c storage.UserClaims) [][2]string {
	rows := [][2]string{{"roles", list(c.Roles)}, {"groups", list(c.Groups)}, {"entitlements", list(c.Entitlements)}}
	for _, name := range slices.Sorted(maps.Keys(c.Extra)) {
		rows = append(rows, [2]string{"claim " + name, compact(c.Extra[name])})
	}
	return rows
}

func list(values []string) string { return or(strings.Join(values, ", "), "-") }

type userRemoveCmd struct {
	Operation
	Who
	Confirmation
}

func (c *userRemoveCmd) Run(ctx context.Context, p *process) error {
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		u, err := c.find(ctx, o)
		if err != nil {
			return err
		}
		if err := c.confirm(ctx, p, fmt.Sprintf("Remove %s, sub %s, for good, and end their sessions?", u.Name, u.ID)); err != nil {
			return err
		}
		ended, err := o.RemoveUser(ctx, u.ID)
		if err != nil {
			return err
		}
		return p.changed(c.Output, u.Name, "removed", ended)
	})
}

type userClaimsCmd struct {
	Operation
	Who

	Role        []string          `sep:"none" placeholder:"ROLE" help:"The roles from now on, in place of those there are. Repeatable, like the others. An empty one alone clears the list."`
	Group       []string          `sep:"none" placeholder:"GROUP" help:"The groups from now on."`
	Entitlement []string          `sep:"none" placeholder:"NAME" help:"The entitlements from now on."`
	Claim       map[string]string `mapsep:"none" placeholder:"NAME=TEXT" help:"Set a free claim to a string; other free claims stay."`
	ClaimJSON   map[string]string `name:"claim-json" mapsep:"none" placeholder:"NAME=JSON" help:"Set a free claim to any JSON value."`
	Remove      []string          `sep:"none" placeholder:"NAME" help:"Remove a free claim."`
}

func (c *userClaimsCmd) Run(ctx context.Context, p *process) error {
	extra, err := freeClaims(c.Claim, c.ClaimJSON)
	if err != nil {
		return err
	}
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		u, err := c.find(ctx, o)
		if err != nil {
			return err
		}
		if c.changes() {
			claims, err := c.apply(u.Claims, extra)
			if err != nil {
				return err
			}
			if u, _, err = o.EditUser(ctx, u.ID, operator.UserEdit{Claims: &claims, From: &u.Claims}); err != nil {
				return err
			}
		}
		return c.print(p.stdout, operator.ViewUser(u), func(w io.Writer) error { return printRecord(w, claimRows(u.Claims)) })
	})
}

func (c *userClaimsCmd) changes() bool {
	return len(c.Role)+len(c.Group)+len(c.Entitlement)+len(c.Claim)+len(c.ClaimJSON)+len(c.Remove) > 0
}

// apply returns the claims as the flags want them.
func (c *userClaimsCmd) apply(claims storage.UserClaims, extra map[string]any) (storage.UserClaims, error) {
	for _, l := range []struct {
		to    *[]string
		given []string
	}{{&claims.Roles, c.Role}, {&claims.Groups, c.Group}, {&claims.Entitlements, c.Entitlement}} {
		switch {
		case len(l.given) == 1 && l.given[0] == "":
			*l.to = nil
		case len(l.given) > 0:
			*l.to = l.given
		}
	}
	merged := maps.Clone(claims.Extra)
	if merged == nil {
		merged = map[string]any{}
	}
	for _, name := range c.Remove {
		if _, there := merged[name]; !there {
			return claims, fail(exitNotFound, "--remove %s: the user has no such free claim; user claims without flags shows those there are", name)
		}
		delete(merged, name)
	}
	maps.Copy(merged, extra)
	if claims.Extra = merged; len(merged) == 0 {
		claims.Extra = nil
	}
	return claims, nil
}

type userRenameCmd struct {
	OneUser

	New string `arg:"" help:"The name from now on. Sessions go on."`
}

func (c *userRenameCmd) Run(ctx context.Context, p *process) error {
	return p.withOffice(ctx, c.Operation, func(o *office) error {
		u, err := o.User(ctx, c.Name)
		if err != nil {
			return err
		}
		if u, _, err = o.EditUser(ctx, u.ID, operator.UserEdit{Name: &c.New}); err != nil {
			return err
		}
		return c.report(p.stdout, operator.ViewUser(u), func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s is now %s\n", printable(c.Name), printable(u.Name))
			return err
		})
	})
}
