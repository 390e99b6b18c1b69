package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"
)

// A Record is one line of the audit: what happened, by whom, from where. A
// record of a change is written in the transaction that makes the change. There
// is never a secret in one, nor a name that nobody has: it may be a password
// that was typed into the wrong field.
type Record struct {
	Number  int64     // given by the store: later ones are higher, and none is given twice
	At      time.Time // zero: now
	Event   Event
	Actor   Actor     // zero: of the Act
	User    uuid.UUID // whom it is about; zero: nobody, or nobody known
	Client  string    // client_id
	Session SessionID
	Address string // empty: of the Act
	Request string // Request-Id of the answer; empty: of the Act
	Reason  string // up to MaxAuditReason bytes
	Detail  Detail // up to MaxAuditDetail bytes of JSON
}

// What a record may hold; longer reasons are cut, longer details left out.
const (
	MaxAuditReason = 200
	MaxAuditDetail = 1024
)

// Detail is what else there is to say of an event. A number that was read is a
// json.Number.
type Detail map[string]any

// UnmarshalJSON reads an object.
func (d *Detail) UnmarshalJSON(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return dec.Decode((*map[string]any)(d))
}

// An Actor is who did something.
type Actor struct {
	Kind ActorKind
	Name string // of an operator or a client; of a user none: that is the record's
}

// ActorKind is what an actor is.
type ActorKind string

// Who acts.
const (
	System    ActorKind = "system" // the server by itself
	ByUser    ActorKind = "user"
	ByClient  ActorKind = "client"
	ByProgram ActorKind = "token"    // a program with an operator token, of that name
	ByPerson  ActorKind = "operator" // an operator at the machine, by the name there
	Nobody    ActorKind = "unknown"  // who could not prove to be anybody
)

// An Act is who acts now, and from where, for the records of what is changed:
// what a request or a command knows of itself.
type Act struct {
	Actor   Actor
	Address string
	Request string
	ring    []Record
	summed  bool
}

// Local is the address of who acts at the machine itself.
const Local = "local"

type actKey struct{}

// WithAct says who acts. The act may learn more while it goes on; each verb
// takes it as it is when the verb is called.
func WithAct(ctx context.Context, a *Act) context.Context { return context.WithValue(ctx, actKey{}, a) }

// ActOf tells who acts: the system, if nobody said anything.
func ActOf(ctx context.Context) Act {
	if a, ok := ctx.Value(actKey{}).(*Act); ok {
		return *a
	}
	return Act{Actor: Actor{Kind: System}}
}

// Summed returns a context under which it is not recorded that users are added:
// whoever takes many over records how many there were.
func Summed(ctx context.Context) context.Context {
	a := ActOf(ctx)
	a.summed = true
	return WithAct(ctx, &a)
}

// Detached is a context that never ends, with the act of one that may.
func Detached(ctx context.Context) context.Context {
	a := ActOf(ctx)
	return WithAct(context.Background(), &a)
}

// An Intent is what an act on the key ring comes to, which its store cannot
// tell from the sealed bytes.
type Intent struct{ act *Act }

// Intending returns a context under which the ring that is stored leaves the
// records that the intent has then.
func Intending(ctx context.Context) (context.Context, *Intent) {
	a := ActOf(ctx)
	return WithAct(ctx, &a), &Intent{&a}
}

// Set replaces the records.
func (i *Intent) Set(records ...Record) { i.act.ring = records }

// RingReplaced are the records of another version of the key ring. Without an
// intent it is the timetable that goes on.
func RingReplaced(ctx context.Context, next Version) (out []Record) {
	for _, r := range ActOf(ctx).ring {
		r.Detail = r.Detail.with("version", int64(next))
		out = append(out, r)
	}
	if out == nil {
		return []Record{{Event: EventKeysAdvance, Actor: Actor{Kind: System}, Detail: Detail{"version": int64(next)}}}
	}
	return out
}

func (d Detail) with(name string, value any) Detail {
	out := Detail{name: value}
	for n, v := range d {
		out[n] = v
	}
	return out
}

// Entered is the record as it is written under ctx: by whom, when, and bounded.
func (r Record) Entered(ctx context.Context, now time.Time) (Record, error) {
	act := ActOf(ctx)
	if r.Actor == (Actor{}) {
		r.Actor = act.Actor
	}
	if r.Address == "" {
		r.Address = act.Address
	}
	if r.Request == "" {
		r.Request = act.Request
	}
	if r.At.IsZero() {
		r.At = now
	}
	r.At = whole(r.At)
	if len(r.Reason) > MaxAuditReason {
		r.Reason = strings.ToValidUTF8(r.Reason[:MaxAuditReason], "")
	}
	text, err := json.Marshal(r.Detail)
	if err != nil {
		return r, err
	}
	if len(text) > MaxAuditDetail {
		r.Detail = Detail{"left_out_bytes": len(text)}
	}
	return r, nil
}

// A Span says which records: those with numbers between two, both excluded (0:
// no bound), at most Limit of them; the first, or with Newest the last.
type Span struct {
	After, Before int64
	Limit         int
	Newest        bool
}

// Retention says how long records stay: for Age, and of each kind a third of
// Rows, so that no kind pushes another out. The oldest go first.
type Retention struct {
	Age  time.Duration
	Rows int
}

// DefaultRetention is that of a store which is told nothing.
func DefaultRetention() Retention { return Retention{Age: 90 * 24 * time.Hour, Rows: 1_000_000} }

// Share is how many records of one kind stay.
func (r Retention) Share() int { return max(r.Rows/len(AuditKinds()), 1) }

// Removable tells how many of the oldest records of a kind may go: those that
// are one too many, and those before a record that is older than Age. overdue is how
// many there are beyond the share, at least.
func (r Retention) Removable(oldest []Record, overdue int, now time.Time) (n int) {
	n = min(max(overdue, 0), len(oldest))
	for i, rec := range oldest {
		if now.Sub(rec.At) > r.Age {
			n = max(n, i+1)
		}
	}
	return n
}
