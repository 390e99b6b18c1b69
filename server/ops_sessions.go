package server

import (
	"context"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

type sessionList struct {
	Sessions []operator.SessionView `json:"sessions"`
	Next     string                 `json:"next,omitempty"` // "after" of the next page
}

func (c opsCall) viewSessions(entries []storage.SessionEntry) sessionList {
	list := sessionList{Sessions: []operator.SessionView{}}
	for _, e := range entries {
		list.Sessions = append(list.Sessions, operator.ViewSession(e, c.now))
	}
	return list
}

func listSessions(c opsCall) (opsAnswer, error) {
	from, limit, err := c.sessionPage()
	if err != nil {
		return opsAnswer{}, err
	}
	entries, err := c.op.SessionPage(c.r.Context(), from, limit)
	if err != nil {
		return opsAnswer{}, err
	}
	list := c.viewSessions(entries)
	if len(entries) == limit {
		list.Next = entries[limit-1].ID.String()
	}
	return ok(list)
}

// sessionPage is page for lists whose places are session ids.
func (c opsCall) sessionPage() (from storage.SessionID, limit int, err error) {
	after, limit, err := c.page()
	if err != nil || after == "" {
		return from, limit, err
	}
	if from, err = storage.ParseSessionID(after); err != nil {
		return from, limit, wrong(operator.Problem{Field: "after", Advice: err.Error()})
	}
	return from, limit, nil
}

func listUserSessions(c opsCall) (opsAnswer, error) {
	u, err := c.user() // an unknown user is an error, not one without sessions
	if err != nil {
		return opsAnswer{}, err
	}
	entries, err := c.op.UserSessions(c.r.Context(), u.ID)
	if err != nil {
		return opsAnswer{}, err
	}
	return ok(c.viewSessions(entries))
}

func endUserSessions(c opsCall) (opsAnswer, error) {
	u, err := c.user()
	if err != nil {
		return opsAnswer{}, err
	}
	n, err := c.op.EndUserSessions(c.r.Context(), u.ID)
	if err != nil {
		return opsAnswer{}, err
	}
	return ok(endedSessions{n})
}

func getSession(c opsCall) (opsAnswer, error) { return c.session(c.op.Session) }

func endSession(c opsCall) (opsAnswer, error) { return c.session(c.op.EndSession) }

func (c opsCall) session(act func(context.Context, storage.SessionID) (storage.SessionEntry, error)) (opsAnswer, error) {
	id, err := c.sid()
	if err != nil {
		return opsAnswer{}, err
	}
	e, err := act(c.r.Context(), id)
	if err != nil {
		return opsAnswer{}, err
	}
	return ok(operator.ViewSession(e, c.now))
}

// A keyList is the ring, and who has loaded which version of it.
type keyList struct {
	Keys     []operator.KeyView     `json:"keys"`
	Version  int64                  `json:"version"`
	Replicas []operator.ReplicaView `json:"replicas"`
}

func listKeys(c opsCall) (opsAnswer, error) {
	t, err := c.op.Timetable(c.r.Context())
	if err != nil {
		return opsAnswer{}, err
	}
	list := keyList{[]operator.KeyView{}, int64(t.Version), []operator.ReplicaView{}}
	for _, k := range t.Keys {
		list.Keys = append(list.Keys, operator.ViewKey(k))
	}
	for _, r := range t.Replicas {
		list.Replicas = append(list.Replicas, operator.ViewReplica(r))
	}
	return ok(list)
}

// A rotateBody says which line of keys is rotated, all if none is named, and
// whether at once: then verifiers may not know the key yet.
type rotateBody struct {
	Algorithm string `json:"alg"`
	Now       bool   `json:"now"`
	DryRun    bool   `json:"dry_run"`
}

type rotationList struct {
	Rotations []operator.RotationView `json:"rotations"`
}

func rotateKeys(c opsCall) (opsAnswer, error) {
	var body rotateBody
	if err := c.read(&body); err != nil {
		return opsAnswer{}, err
	}
	done, err := c.acting(body.DryRun).RotateKeys(c.r.Context(), keys.Algorithm(body.Algorithm), body.Now)
	if err != nil {
		return opsAnswer{}, err
	}
	list := rotationList{[]operator.RotationView{}}
	for _, r := range done {
		v := operator.ViewRotation(r)
		v.DryRun = body.DryRun
		list.Rotations = append(list.Rotations, v)
	}
	return ok(list)
}
