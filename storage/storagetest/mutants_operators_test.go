package storagetest

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

// operatorMutants are those with the verbs of operators.
var operatorMutants = map[string]mutant{
	"foreign ids in any case":  {func(m *Model) Backend { return anyCaseForeign{m} }, "changes/a user is found by each id"},
	"the empty foreign id":     {func(m *Model) Backend { return emptyForeign{m} }, "changes/a user is found by each id"},
	"a change as it was given": {func(m *Model) Backend { return raws{m} }, "changes/a user is found as changed"},
	"the name stays":           {changes(func(c *storage.UserChange) { c.Name = nil }), "changes/a user is found as changed"},
	"claims stay":              {changes(func(c *storage.UserChange) { c.Claims = nil }), "changes/a user is found as changed"},
	"the foreign id is kept": {changes(func(c *storage.UserChange) {
		if c.ForeignID != nil && *c.ForeignID == "" {
			c.ForeignID = nil
		}
	}), "changes/a name and a foreign id come free"},
	"any condition":            {changes(func(c *storage.UserChange) { c.If = nil }), "changes/a change on condition"},
	"any claims":               {changes(func(c *storage.UserChange) { c.IfClaims = nil }), "changes/a change of certain claims"},
	"claims, in histories":     {changes(func(c *storage.UserChange) { c.IfClaims = nil }), "histories"},
	"any policy":               {func(m *Model) Backend { return anyPolicy{m} }, "changes of clients/a change of a certain policy"},
	"a refused change ends":    {func(m *Model) Backend { return endsFirst{m} }, "changes/a refused change changes nothing"},
	"a refused change, half":   {func(m *Model) Backend { return halfChange{m} }, "changes/a refused change changes nothing"},
	"refused in a batch, half": {func(m *Model) Backend { return endsFirst{m} }, "batches/refused changes beside good ones"},
	"an import each time": {changes(func(c *storage.UserChange) {
		if c.ImportHash != nil {
			c.PasswordHash = c.ImportHash
		}
	}), "changes/an import that is run again"},
	"an import, in histories": {changes(func(c *storage.UserChange) {
		if c.ImportHash != nil {
			c.PasswordHash = c.ImportHash
		}
	}), "histories"},
	"an import not remembered": {changes(func(c *storage.UserChange) {
		if c.ImportHash != nil {
			c.PasswordHash, c.ImportHash = c.ImportHash, nil
		}
	}), "changes/a user is found as changed"},
	"none is kept": {changes(func(c *storage.UserChange) { c.Keep = storage.SessionID{} }), "changes/one session goes on"},
	"a rename ends": {changes(func(c *storage.UserChange) {
		if c.Name != nil {
			c.PasswordHash = new("another")
		}
	}), "changes/what is no reason ends nothing"},
	"a condition by chance":   {func(m *Model) Backend { return racyChange{m} }, "races of operators/one condition, twenty changes"},
	"a name by chance":        {func(m *Model) Backend { return racyChange{m} }, "races of operators/one name, twenty renames"},
	"a foreign id by chance":  {func(m *Model) Backend { return racyChange{m} }, "races of operators/one foreign id, twenty users"},
	"a member lost":           {func(m *Model) Backend { return racyChange{m} }, "races of operators/members of one user, twenty acts"},
	"secrets by chance":       {func(m *Model) Backend { return racyChange{m} }, "races of operators/room for one secret, twenty come"},
	"a refused secret, half":  {func(m *Model) Backend { return halfClient{m} }, "changes of clients/a client has two secrets at most"},
	"many secrets":            {func(m *Model) Backend { return manySecrets{m} }, "changes of clients/a client has two secrets at most"},
	"many, in histories":      {func(m *Model) Backend { return manySecrets{m} }, "histories"},
	"a change renumbers":      {func(m *Model) Backend { return renumbers{m} }, "changes of clients/a client's change shows in a refresh"},
	"removal leaves sessions": {func(m *Model) Backend { return leavesSessions{m} }, "removals/a user goes with the sessions"},
	"removal keeps the name":  {func(m *Model) Backend { return buries{m} }, "removals/what a removed user had is free"},
	"removal, in histories":   {func(m *Model) Backend { return buries{m} }, "histories"},
	"a removed user signs in": {func(m *Model) Backend { return leavesSessions{m} }, "races of operators/removing a user and logins"},
	"removal by chance":       {func(m *Model) Backend { return racyRemoval{m} }, "races of operators/removing a user and logins"},
	"numbers come again":      {func(m *Model) Backend { return numbersAgain{m} }, "removals/an id that is registered again"},
	"numbers, in histories":   {func(m *Model) Backend { return numbersAgain{m} }, "histories"},
	"orphans are listed":      {func(m *Model) Backend { return orphans{m} }, "removals/a client goes, and its sessions end"},
	"orphans, in histories":   {func(m *Model) Backend { return orphans{m} }, "histories"},
	"orphans are counted":     {func(m *Model) Backend { return orphans{m} }, "removals/a removed client's sessions do not end"},
	"orphans stay":            {func(m *Model) Backend { return keepsOrphans{m} }, "removals/a removed client's sessions are swept"},
	"pages are short":         {func(m *Model) Backend { return shortPages{m} }, "lists/sessions are listed by id"},
	"names of the login":      {func(m *Model) Backend { return staleNames{m, map[storage.SessionID]string{}} }, "lists/names in a list are those of today"},
	"sessions of everybody":   {func(m *Model) Backend { return allUsers{m} }, "lists/a user's sessions are listed by id"},
	"no limit":                {func(m *Model) Backend { return noLimit{m} }, "lists/a user's sessions are listed by id"},
	"ended again":             {func(m *Model) Backend { return endsAgain{m} }, "lists/what has ended is not ended again"},
	"ended again, by chance":  {func(m *Model) Backend { return endsAgain{m} }, "races of operators/one end, twenty reasons"},
	"ended, in histories":     {func(m *Model) Backend { return endsAgain{m} }, "histories"},
	"nothing is ended":        {func(m *Model) Backend { return endsQuietly{m} }, "lists/a session is ended"},
	"ended, as it was":        {func(m *Model) Backend { return endsBefore{m} }, "lists/a session is ended"},
	"all are ended":           {func(m *Model) Backend { return keepsNone{m} }, "lists/one session is kept"},
	"ending by chance":        {func(m *Model) Backend { return racyEnd{m} }, "races of operators/ending and refreshing"},
	"the label is cut":        {func(m *Model) Backend { return noDevice{m} }, "sessions/a session is found as created"},
	"sound tokens alone":      {func(m *Model) Backend { return soundTokens{m} }, "operator tokens/an expired token is found"},
	"tokens overwritten":      {func(m *Model) Backend { return tokensOverwritten{m} }, "operator tokens/names and digests are unique"},
	"a digest twice":          {func(m *Model) Backend { return anyDigest{m} }, "operator tokens/names and digests are unique"},
	"tokens by chance":        {func(m *Model) Backend { return racyTokens{m} }, "races of operators/one operator token, twenty makers"},
	"tokens without order":    {func(m *Model) Backend { return tokensUnordered{m} }, "operator tokens/tokens are listed by name"},
	"tokens, in histories":    {func(m *Model) Backend { return anyDigest{m} }, "histories"},
	"removal says nothing":    {func(m *Model) Backend { return removesQuietly{m} }, "operator tokens/a removed token is gone"},
}

// A changer makes a Model whose ChangeUser sees another change than was asked for.
type changer struct {
	*Model
	apply func(*storage.UserChange)
}

func (b changer) ChangeUser(ctx context.Context, user uuid.UUID, c storage.UserChange) (storage.User, int, error) {
	b.apply(&c)
	return b.Model.ChangeUser(ctx, user, c)
}

func changes(apply func(*storage.UserChange)) func(*Model) Backend {
	return func(m *Model) Backend { return changer{m, apply} }
}

// raws answers with the record as it was given, not as it is kept.
type raws struct{ *Model }

func (b raws) ChangeUser(ctx context.Context, user uuid.UUID, c storage.UserChange) (storage.User, int, error) {
	u, n, err := b.Model.ChangeUser(ctx, user, c)
	if c.Claims != nil {
		u.Claims = *c.Claims
	}
	return u, n, err
}

// endsFirst ends the sessions before it finds that the name is taken.
type endsFirst struct{ *Model }

func (b endsFirst) ChangeUser(ctx context.Context, user uuid.UUID, c storage.UserChange) (storage.User, int, error) {
	u, n, err := b.Model.ChangeUser(ctx, user, c)
	if verdict(err) == storage.ErrConflict && (c.PasswordHash != nil || c.Disabled != nil) {
		b.EndSessions(ctx, user, c.Keep, storage.EndedPassword, c.Now)
	}
	return u, n, err
}

// halfChange keeps what does not conflict.
type halfChange struct{ *Model }

func (b halfChange) ChangeUser(ctx context.Context, user uuid.UUID, c storage.UserChange) (storage.User, int, error) {
	u, n, err := b.Model.ChangeUser(ctx, user, c)
	if verdict(err) == storage.ErrConflict && c.If == nil {
		c.ForeignID = nil
		b.Model.ChangeUser(ctx, user, c)
	}
	return u, n, err
}

// racyChange reads, decides and writes, and lets others in between.
type racyChange struct{ *Model }

func (b racyChange) ChangeUser(ctx context.Context, user uuid.UUID, c storage.UserChange) (storage.User, int, error) {
	before, err := b.UserByID(ctx, user)
	if err != nil {
		return before, 0, err
	}
	u, why, err := c.Apply(before)
	if err != nil {
		return before, 0, err
	}
	for _, find := range []func() (storage.User, error){
		func() (storage.User, error) { return b.UserByName(ctx, u.Name) },
		func() (storage.User, error) { return b.UserByForeignID(ctx, u.ForeignID) },
	} {
		if other, err := find(); err == nil && other.ID != user {
			return before, 0, storage.ErrConflict
		}
	}
	pause()
	n := 0
	with(b.Model, func(s *state) {
		s.users[user] = u
		if why != "" {
			n = s.endSessions(user, c.Keep, why, c.Now)
		}
	})
	return u, n, nil
}

func (b racyChange) ChangeClient(ctx context.Context, id string, c storage.ClientChange) (storage.Client, error) {
	before, err := b.ClientByID(ctx, id)
	if err != nil {
		return before, err
	}
	after, err := c.Apply(before)
	if err != nil {
		return before, err
	}
	pause()
	with(b.Model, func(s *state) { s.clients[after.Number] = after })
	return after, nil
}

// anyPolicy changes what somebody else has changed.
type anyPolicy struct{ *Model }

func (b anyPolicy) ChangeClient(ctx context.Context, id string, c storage.ClientChange) (storage.Client, error) {
	c.IfPolicy = nil
	return b.Model.ChangeClient(ctx, id, c)
}

type halfClient struct{ *Model }

func (b halfClient) ChangeClient(ctx context.Context, id string, c storage.ClientChange) (storage.Client, error) {
	out, err := b.Model.ChangeClient(ctx, id, c)
	if verdict(err) == storage.ErrConflict {
		c.AddSecret, c.DropOld = nil, false
		b.Model.ChangeClient(ctx, id, c)
	}
	return out, err
}

// manySecrets has room for as many as come.
type manySecrets struct{ *Model }

func (b manySecrets) ChangeClient(ctx context.Context, id string, c storage.ClientChange) (storage.Client, error) {
	out, err := b.Model.ChangeClient(ctx, id, c)
	if verdict(err) == storage.ErrConflict && c.AddSecret != nil {
		with(b.Model, func(s *state) {
			for n, client := range s.clients {
				if client.ID == id && client.AuthMethod != storage.AuthNone {
					client.Secrets = append(client.Secrets, *c.AddSecret)
					s.clients[n], out, err = client, client, nil
				}
			}
		})
	}
	return out, err
}

// renumbers gives a changed client the next number.
type renumbers struct{ *Model }

func (b renumbers) ChangeClient(ctx context.Context, id string, c storage.ClientChange) (out storage.Client, err error) {
	out, err = b.Model.ChangeClient(ctx, id, c)
	with(b.Model, func(s *state) {
		if err == nil {
			delete(s.clients, out.Number)
			s.numbered++
			out.Number = s.numbered
			s.clients[out.Number] = out
		}
	})
	return out, err
}

// emptyForeign finds users without a foreign id by it.
type emptyForeign struct{ *Model }

func (b emptyForeign) UserByForeignID(ctx context.Context, id string) (storage.User, error) {
	return b.user(ctx, func(u storage.User) bool { return u.ForeignID == id })
}

type anyCaseForeign struct{ *Model }

func (b anyCaseForeign) UserByForeignID(ctx context.Context, id string) (storage.User, error) {
	return b.user(ctx, func(u storage.User) bool { return strings.EqualFold(u.ForeignID, id) && id != "" })
}
