package storage

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// What verbs record. A verb that changed nothing records nothing.

// UserAdded is the record of CreateUser, unless ctx is Summed.
func UserAdded(ctx context.Context, u User) []Record {
	if ActOf(ctx).summed {
		return nil
	}
	d := Detail{"username": u.Name}
	if u.Disabled {
		d["disabled"] = true
	}
	return []Record{{Event: EventUserAdd, User: u.ID, Detail: d}}
}

// UserChanged is the record of ChangeUser, if it changed anything. Whatever else
// changed with it, one that disables is found as that, and then a new password.
// ended is how many sessions ended, and why the reason.
func UserChanged(before, after User, c UserChange, why EndReason, ended int) (Record, bool) {
	changed := []string{}
	for _, m := range []struct {
		name string
		is   bool
	}{
		{"name", before.Name != after.Name},
		{"password", c.PasswordHash != nil || before.PasswordHash != after.PasswordHash},
		{"foreign_id", before.ForeignID != after.ForeignID},
		{"disabled", before.Disabled != after.Disabled},
		{"claims", !sameJSON(before.Claims, after.Claims)},
	} {
		if m.is {
			changed = append(changed, m.name)
		}
	}
	if len(changed) == 0 && ended == 0 {
		return Record{}, false
	}
	r := Record{Event: EventUserEdit, User: after.ID, Detail: Detail{}}
	switch {
	case before.Disabled != after.Disabled && after.Disabled:
		r.Event = EventUserDisable
	case before.Disabled != after.Disabled:
		r.Event = EventUserEnable
	case slices.Contains(changed, "password"):
		r.Event = EventUserPasswd
	}
	if r.Event == EventUserEdit || len(changed) > 1 {
		r.Detail["changed"] = changed
	}
	if before.Name != after.Name {
		r.Detail["username"], r.Detail["former_username"] = after.Name, before.Name
	}
	if ended > 0 {
		r.Reason, r.Detail["sessions_ended"] = string(why), ended
	}
	return r, true
}

// UserRemoved is the record of RemoveUser.
func UserRemoved(u User, sessions int) Record {
	return Record{Event: EventUserRemove, User: u.ID, Detail: Detail{"username": u.Name, "sessions_removed": sessions}}
}

// ClientAdded is the record of CreateClient.
func ClientAdded(c Client) Record {
	return Record{Event: EventClientAdd, Client: c.ID, Detail: Detail{"auth_method": string(c.AuthMethod)}}
}

// ClientChanged is the record of ChangeClient, if it changed anything.
func ClientChanged(before, after Client, c ClientChange) (Record, bool) {
	r := Record{Event: EventClientEdit, Client: after.ID, Detail: Detail{}}
	changed := changedMembers(before.ClientPolicy, after.ClientPolicy)
	if before.Name != after.Name {
		changed = append([]string{"name"}, changed...)
	}
	secrets := !slices.Equal(before.Secrets, after.Secrets)
	switch {
	case !secrets && len(changed) == 0:
		return Record{}, false
	case c.AddSecret != nil:
		r.Event = EventClientAddSecret
	case secrets:
		r.Event = EventClientDropSecrets
	}
	if secrets {
		r.Detail["secrets"] = len(after.Secrets)
	}
	if len(changed) > 0 {
		r.Detail["changed"] = changed
	}
	return r, true
}

// changedMembers names the members of a policy's JSON that differ.
func changedMembers(before, after ClientPolicy) (names []string) {
	old, now := policyMembers(before), policyMembers(after)
	all := maps.Clone(old)
	maps.Copy(all, now)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if string(old[name]) != string(now[name]) {
			names = append(names, name)
		}
	}
	return names
}

func policyMembers(p ClientPolicy) (out map[string]json.RawMessage) {
	text, _ := json.Marshal(p) // strings, numbers and booleans
	json.Unmarshal(text, &out)
	return out
}

// ClientRemoved is the record of RemoveClient.
func ClientRemoved(id string) Record { return Record{Event: EventClientRemove, Client: id} }

// SignedIn is the record of CreateSession, and of a sign-in without a session.
func SignedIn(n NewSession, clientID string) Record {
	r := Record{
		At: n.Now, Event: EventSignIn, Actor: Actor{Kind: ByUser}, User: n.User, Client: clientID, Address: n.Address,
	}
	if n.Token.hidden != nil {
		r.Session = n.Token.SessionID()
	}
	if n.Device != "" {
		r.Detail = Detail{"device": n.Device}
	}
	return r
}

// TokenExchanged is the record of ExchangeToken that began a session.
func (e Exchange) TokenExchanged(done Refreshed) Record {
	r := Record{
		At: e.Now, Event: EventExchange, Actor: Actor{Kind: ByUser}, User: done.User.ID, Client: done.Client.ID,
		Session: done.Session.ID, Address: e.Address, Detail: Detail{},
	}
	if !e.IssuedAt.IsZero() { // it need not say
		r.Detail["issued_at"] = e.IssuedAt.UTC().Format(time.RFC3339)
	}
	if e.Device != "" {
		r.Detail["device"] = e.Device
	}
	return r
}

// TokensSpent is the record of SpendTokens that added some.
func TokensSpent(added []Spent) Record {
	r := Record{Event: EventExchangeBlacklist, Detail: Detail{"count": len(added)}}
	if len(added) == 1 {
		r.User = added[0].User
	}
	return r
}

// RefreshEnded is the record of a refresh that ended its session: with ErrReused or ErrBehind.
func (r Refresh) RefreshEnded(done Refreshed) Record {
	event := EventRefreshReused
	if done.Session.EndReason == EndedBehind {
		event = EventRefreshBehind
	}
	return Record{
		At: r.Now, Event: event, Actor: Actor{ByClient, done.Client.ID}, User: done.Session.User, Client: done.Client.ID,
		Session: done.Session.ID, Address: r.Address, Reason: string(done.Session.EndReason),
		Detail: Detail{
			"previous_address": done.Before.LastAddress,
			"generation":       int64(r.Token.Generation()), "current_generation": int64(done.Before.Generation),
		},
	}
}

// SessionEnded is the record of EndSession, of a session that had not ended.
func SessionEnded(e SessionEntry, why EndReason, now time.Time) Record {
	return Record{At: now, Event: EventSessionEnd, User: e.User, Client: e.ClientID, Session: e.ID, Reason: string(why)}
}

// SessionsEnded is the record of EndSessions, of one or more.
func SessionsEnded(user uuid.UUID, keep SessionID, why EndReason, now time.Time, ended int) Record {
	r := Record{At: now, Event: EventSessionEndAll, User: user, Reason: string(why), Detail: Detail{"sessions_ended": ended}}
	if keep != (SessionID{}) {
		r.Detail["kept"] = keep.String()
	}
	return r
}

// SessionsMatched is the record of EndMatching, of one or more; of one it names it.
func SessionsMatched(m SessionMatch, clientID string, why EndReason, now time.Time, ended []SessionID) Record {
	r := Record{At: now, Event: EventSessionsEnd, User: m.User, Client: clientID, Reason: string(why), Detail: Detail{"sessions_ended": len(ended)}}
	if len(ended) == 1 {
		r.Session = ended[0]
	}
	if m.Device != "" {
		r.Detail["device"] = m.Device
	}
	for name, before := range map[string]time.Time{"signed_in_before": m.AuthBefore, "used_before": m.UsedBefore} {
		if !before.IsZero() {
			r.Detail[name] = before.UTC().Format(time.RFC3339)
		}
	}
	return r
}

// TokenAdded is the record of CreateOperatorToken.
func TokenAdded(t OperatorToken) Record {
	return Record{Event: EventTokenAdd, Detail: Detail{"name": t.Name, "scopes": t.Scopes, "expires_at": t.ExpiresAt.UTC().Format(time.RFC3339)}}
}

// TokenRemoved is the record of RemoveOperatorToken.
func TokenRemoved(name string) Record {
	return Record{Event: EventTokenRemove, Detail: Detail{"name": name}}
}
