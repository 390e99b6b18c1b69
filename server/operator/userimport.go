package operator

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"slices"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-auth/hallmark/server/password"
	"github.com/hallmark-auth/hallmark/storage"
)

// An Arrival is one user as another system has it. A nil member leaves what it
// names as it is, and is empty in a user who is made.
type Arrival struct {
	At           string    // where it stands in the source, for the report: "line 17"
	ForeignID    string    // says who it is
	ID           uuid.UUID // says who it is where ForeignID is empty; "sub" of a user who is made, unless zero
	Name         string
	PasswordHash *string // made there
	Disabled     *bool
	Roles        *[]string
	Groups       *[]string
	Entitlements *[]string
	Extra        storage.FreeClaims // to set; others stay
	Drop         []string           // free claims to remove

	Problems Invalid // what its reader found wrong with it: it is refused
}

// What an import came to for one user.
const (
	ImportCreated   = "created"
	ImportUpdated   = "updated"
	ImportUnchanged = "unchanged"
	ImportRefused   = "refused"
)

// An ImportResult is what an import came to for one user, without hashes.
type ImportResult struct {
	At        string   `json:"at"`
	ForeignID string   `json:"foreign_id,omitempty"`
	Name      string   `json:"username"`
	Sub       string   `json:"sub,omitempty"`
	Outcome   string   `json:"outcome"`           // created, updated, unchanged, refused
	Changed   []string `json:"changed,omitempty"` // of a user who was updated
	Ended     int      `json:"sessions_ended,omitempty"`
	Note      string   `json:"note,omitempty"`
	Problems  Invalid  `json:"problems,omitempty"` // why it was refused, and what to do
}

// ImportCounts is what an import came to.
type ImportCounts struct {
	Created   int `json:"created"`
	Updated   int `json:"updated"`
	Unchanged int `json:"unchanged"`
	Refused   int `json:"refused"`
	Ended     int `json:"sessions_ended"`
}

// Rows is how many users there were.
func (c ImportCounts) Rows() int { return c.Created + c.Updated + c.Unchanged + c.Refused }

// ImportOptions is how ImportUsers goes about it.
type ImportOptions struct {
	DryRun        bool // store and record nothing
	WithoutHashes bool // a hash that cannot be taken is left out, instead of refusing its user
	Each          func(ImportResult) error
}

const (
	importWindow  = 1024 // users that are in memory at a time
	importers     = 128  // of them at work: as many as one transaction of the store takes
	maxRemembered = 8 << 20
)

// ImportUsers takes users over from another system: source calls its argument
// with one after another. It is PutUser for many, in bounded memory: what can
// be done is done, the rest is refused one by one, and doing it again goes on
// where it ended and changes nothing that is so already. Each is told of every
// user, in their order. An error ends it; what was done before it stays done.
// The log has one line of the whole. The audit has a record for each thousand of
// the source, in the place of those that say that a user was added.
func (o *Operator) ImportUsers(ctx context.Context, source func(func(Arrival) error) error, opts ImportOptions) (ImportCounts, error) {
	quiet := *o // the import is recorded, not each of its users
	quiet.Log = slog.New(slog.DiscardHandler)
	i := &importer{o: &quiet, opts: opts, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
	err := source(func(a Arrival) error {
		i.window = append(i.window, a)
		if len(i.window) < importWindow {
			return nil
		}
		return i.flush(ctx)
	})
	if flushed := i.flush(ctx); err == nil {
		err = flushed
	}
	if !opts.DryRun {
		o.record(ctx, "user.import", slog.Int("created", i.counts.Created), slog.Int("updated", i.counts.Updated),
			slog.Int("unchanged", i.counts.Unchanged), slog.Int("refused", i.counts.Refused),
			slog.Int("sessions_ended", i.counts.Ended), slog.Bool("complete", err == nil))
	}
	return i.counts, err
}

type importer struct {
	o      *Operator
	opts   ImportOptions
	window []Arrival
	counts ImportCounts

	seed maphash.Seed
	seen map[uint64]struct{} // fingerprints of names and foreign ids that were in the source
}

// flush does what is in the window. Users in each other's way (one takes the
// name that another gives up) get a second chance one after the other.
func (i *importer) flush(ctx context.Context) error {
	results := make([]ImportResult, len(i.window))
	again := make([]bool, len(i.window))
	var group errgroup.Group
	group.SetLimit(importers)
	for n, a := range i.window {
		if a.Problems = append(a.Problems, i.repeated(a)...); len(a.Problems) > 0 {
			results[n] = refused(a, a.Problems)
			continue
		}
		group.Go(func() (err error) {
			results[n], err = i.take(storage.Summed(ctx), a)
			again[n] = errors.Is(err, storage.ErrConflict)
			if again[n] {
				err = nil
			}
			return err
		})
	}
	err := group.Wait()
	for n, a := range i.window {
		if err == nil && again[n] {
			results[n], err = i.take(storage.Summed(ctx), a)
			if errors.Is(err, storage.ErrConflict) {
				results[n], err = refused(a, conflictProblems(err)), nil
			}
		}
		if results[n].Outcome == "" { // the import broke off before it
			continue
		}
		if told := i.tell(results[n]); err == nil {
			err = told
		}
	}
	i.window = i.window[:0]
	if recorded := i.record(ctx, results); err == nil {
		err = recorded
	}
	return err
}

// record says what became of a window.
func (i *importer) record(ctx context.Context, results []ImportResult) error {
	n := map[string]int{}
	for _, r := range results {
		n[r.Outcome]++
	}
	if i.opts.DryRun || n[ImportCreated]+n[ImportUpdated] == 0 {
		return nil
	}
	err := i.o.Audit.Record(context.WithoutCancel(ctx), storage.Record{Event: storage.EventUserImport, Detail: storage.Detail{
		"created": n[ImportCreated], "updated": n[ImportUpdated],
	}})
	if err != nil {
		return fmt.Errorf("record the import: %w", err)
	}
	return nil
}

func (i *importer) tell(r ImportResult) error {
	switch r.Outcome {
	case ImportCreated:
		i.counts.Created++
	case ImportUpdated:
		i.counts.Updated++
	case ImportUnchanged:
		i.counts.Unchanged++
	default:
		i.counts.Refused++
	}
	i.counts.Ended += r.Ended
	if i.opts.Each == nil {
		return nil
	}
	return i.opts.Each(r)
}

// repeated refuses a user who was in the source before, or whose name was:
// both cannot be, and the later must not undo the earlier. Only fingerprints
// are kept; of the users beyond what is remembered the store refuses the names.
func (i *importer) repeated(a Arrival) (problems Invalid) {
	name, err := password.UserName(a.Name)
	if err != nil {
		return nil // refused for that
	}
	who := a.ForeignID
	if who == "" {
		if a.ID == (uuid.UUID{}) {
			return Invalid{{"foreign_id", "say which user: the id in the system that the user comes from"}}
		}
		who = a.ID.String()
	}
	for _, k := range []struct{ field, value string }{{"foreign_id", who}, {"name", name}} {
		sum := maphash.String(i.seed, k.field+"\x00"+k.value)
		if _, twice := i.seen[sum]; twice {
			problems = append(problems, Problem{k.field, fmt.Sprintf("%q is in the source twice (names are compared in one Unicode form): keep one of them", k.value)})
		} else if len(i.seen) < maxRemembered {
			i.seen[sum] = struct{}{}
		}
	}
	return problems
}

// take makes a user so. What somebody else was faster at is done once more.
func (i *importer) take(ctx context.Context, a Arrival) (r ImportResult, err error) {
	note := ""
	if a.PasswordHash != nil {
		_, err := password.CheckHash(*a.PasswordHash)
		switch {
		case err != nil && i.opts.WithoutHashes:
			a.PasswordHash, note = nil, "without its password: "+err.Error()
		case err != nil:
			return refused(a, Invalid{{"password_hash", err.Error() + "; take the user over without a password and have a new one set, or leave the user out"}}), nil
		}
	}
	for again := true; ; again = false {
		r, err = i.put(ctx, a)
		var invalid Invalid
		var taken Conflict
		faster := errors.Is(err, storage.ErrConflict) && !errors.As(err, &taken) || errors.Is(err, storage.ErrNotFound)
		switch {
		case errors.As(err, &invalid):
			return refused(a, invalid), nil
		case !faster || !again:
			r.Note = note
			return r, err
		}
	}
}

func (i *importer) put(ctx context.Context, a Arrival) (ImportResult, error) {
	before, err := i.find(ctx, a)
	if errors.Is(err, storage.ErrNotFound) {
		return i.create(ctx, a)
	}
	if err != nil {
		return ImportResult{}, fmt.Errorf("%s: look for user %q: %w", a.At, a.Name, err)
	}
	e, problems := a.edit(before).check()
	if len(problems) > 0 {
		return ImportResult{}, problems
	}
	after, _, err := storage.UserChange{
		Name: e.Name, ImportHash: e.PasswordHash, Disabled: e.Disabled, Claims: e.Claims, ForeignID: e.ForeignID,
	}.Apply(before)
	if err != nil {
		return ImportResult{}, err
	}
	r := ImportResult{At: a.At, ForeignID: a.ForeignID, Name: after.Name, Sub: before.ID.String(), Outcome: ImportUnchanged, Changed: e.changed(before, after)}
	switch {
	case len(r.Changed) == 0:
		r.Changed = nil
		return r, nil
	case i.opts.DryRun:
		if err = i.free(ctx, before, e); err != nil {
			return r, err
		}
	default:
		if _, r.Ended, err = i.o.change(ctx, before, e, nil); err != nil {
			return r, err
		}
	}
	r.Outcome = ImportUpdated
	return r, nil
}

func (i *importer) find(ctx context.Context, a Arrival) (storage.User, error) {
	if a.ForeignID == "" {
		return i.o.Users.UserByID(ctx, a.ID)
	}
	return i.o.Users.UserByForeignID(ctx, a.ForeignID)
}

func (i *importer) create(ctx context.Context, a Arrival) (ImportResult, error) {
	nobody := storage.User{ID: a.ID}
	if a.ID == (uuid.UUID{}) {
		nobody.ID = uuid.New()
	} else if other, err := i.o.Users.UserByID(ctx, a.ID); err == nil {
		return ImportResult{}, Invalid{{"sub", fmt.Sprintf("user %q has it, with another foreign id: leave sub out, or give that user this foreign id", other.Name)}}
	}
	e, problems := a.edit(nobody).check()
	if len(problems) > 0 {
		return ImportResult{}, problems
	}
	if e.Disabled == nil {
		e.Disabled = new(bool)
	}
	r := ImportResult{At: a.At, ForeignID: a.ForeignID, Name: *e.Name, Outcome: ImportCreated}
	if i.opts.DryRun {
		return r, i.free(ctx, nobody, e)
	}
	u, err := i.o.createAs(ctx, nobody.ID, e)
	r.Sub = u.ID.String()
	return r, err
}

// free reports the Conflict that an edit would run into now.
func (i *importer) free(ctx context.Context, before storage.User, e UserEdit) error {
	var taken Conflict
	if err := i.o.taken(ctx, before.ID, e, storage.ErrConflict); errors.As(err, &taken) {
		return taken
	}
	return nil
}

// edit is what makes a user so.
func (a Arrival) edit(before storage.User) UserEdit {
	claims := before.Claims
	take(&claims.Roles, a.Roles)
	take(&claims.Groups, a.Groups)
	take(&claims.Entitlements, a.Entitlements)
	claims.Extra = maps.Clone(claims.Extra)
	for _, name := range a.Drop {
		delete(claims.Extra, name)
	}
	if len(a.Extra) > 0 && claims.Extra == nil {
		claims.Extra = storage.FreeClaims{}
	}
	maps.Copy(claims.Extra, a.Extra)
	e := UserEdit{Name: &a.Name, PasswordHash: a.PasswordHash, Disabled: a.Disabled, Claims: &claims, From: &before.Claims, ForeignID: &a.ForeignID}
	if a.ForeignID == "" { // said by the subject identifier
		e.ForeignID = &before.ForeignID
	}
	if a.PasswordHash != nil && *a.PasswordHash == before.PasswordHash {
		e.PasswordHash = nil // it has it: what was imported last stays known
	}
	return e
}

func take(to, given *[]string) {
	if given == nil {
		return
	}
	if *to = slices.Clone(*given); len(*to) == 0 {
		*to = nil
	}
}

func refused(a Arrival, problems Invalid) ImportResult {
	return ImportResult{At: a.At, ForeignID: a.ForeignID, Name: a.Name, Outcome: ImportRefused, Problems: problems}
}

// conflictProblems says what is in the way of a user.
func conflictProblems(err error) Invalid {
	var taken Conflict
	if errors.As(err, &taken) {
		return Invalid{Problem(taken)}
	}
	return Invalid{{"user", "was changed by somebody else meanwhile: run the import again"}}
}
