package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

const (
	maxBatch = 128  // operations in one transaction
	maxQueue = 1024 // operations that wait for one

	// After so many batches there is a pause, for another process to get the
	// write lock in: it polls twice as often as the pause is long.
	pauseAfter = 16
	pause      = time.Millisecond
	pollEvery  = 500 * time.Microsecond
	pollLate   = 100 * time.Millisecond // at most, when it has been waited for long
	lockWait   = 60 * time.Second       // for the write lock, before it is given up
)

var (
	errClosed    = errors.New("the store is closed")
	errQueueFull = errors.New("too many operations are waiting")
	errLeft      = errors.New("the caller is gone")
)

// A verb runs inside a transaction that excludes every other writer, at the
// service time of that transaction.
type verb func(q sqlstore.Querier, at storage.ServiceTime) error

// An op is one call of a verb on its way through the writer.
type op struct {
	run  verb
	gone <-chan struct{} // the caller waits no more
	err  error           // what run reported
	done chan answer     // has room for one: the caller may be gone
}

// An answer goes to the caller when the transaction is over.
type answer struct {
	kept bool // it was committed, or this operation alone was undone
	err  error
}

// left reports whether nobody waits for the operation, which is then not begun.
func (o *op) left() bool {
	select {
	case <-o.gone:
		return true
	default:
		return false
	}
}

// A writer owns the only connection that writes. Its goroutine is the only
// place that uses it.
type writer struct {
	db       *sqlx.DB
	conn     *sqlx.Conn // nil: to be taken from db
	clock    *clock
	log      *slog.Logger
	lockWait time.Duration
	failing  bool // the last batch was; each change is logged once

	mu     sync.RWMutex // queue is not closed while something is put into it
	closed bool
	queue  chan *op
	ended  chan struct{}
}

func newWriter(db *sqlx.DB, c *clock, log *slog.Logger) *writer {
	w := &writer{
		db: db, clock: c, log: log, lockWait: lockWait,
		queue: make(chan *op, maxQueue), ended: make(chan struct{}),
	}
	go w.loop()
	return w
}

// do has a verb run and committed. kept tells whether what it left behind may
// be used. ctx bounds the wait: once begun, the verb takes effect or not
// whether or not somebody waits.
func (w *writer) do(ctx context.Context, run verb) (kept bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	o := &op{run: run, gone: ctx.Done(), done: make(chan answer, 1)}
	if err := w.accept(o); err != nil {
		return false, err
	}
	select {
	case a := <-o.done:
		return a.kept, a.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (w *writer) accept(o *op) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return unavailable(errClosed)
	}
	select {
	case w.queue <- o:
		return nil
	default:
		return unavailable(errQueueFull)
	}
}

func (w *writer) isClosed() bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.closed
}

// drain refuses what comes and waits until what was accepted is answered.
func (w *writer) drain() {
	w.mu.Lock()
	w.closed = true
	close(w.queue)
	w.mu.Unlock()
	<-w.ended
}

func (w *writer) loop() {
	defer close(w.ended)
	defer w.release(nil)
	for batches := 1; ; batches++ {
		first := w.waiting()
		if first == nil {
			if first = <-w.queue; first == nil { // closed and empty
				return
			}
		}
		w.batch(first)
		if batches%pauseAfter == 0 {
			time.Sleep(pause)
		}
	}
}

// waiting returns the next operation that somebody waits for, or nil.
func (w *writer) waiting() *op {
	for {
		select {
		case o := <-w.queue: // nil when it is closed and empty
			if o == nil || !o.left() {
				return o
			}
		default:
			return nil
		}
	}
}

// begin opens a transaction that holds the write lock. It gives up when the
// operation that wants it is waited for no more.
func (w *writer) begin(first *op) (tx *sqlx.Tx, err error) {
	err = poll(first.gone, w.lockWait, func() error {
		if w.conn == nil {
			if w.conn, err = w.db.Connx(context.Background()); err != nil {
				return err
			}
		}
		tx, err = w.conn.BeginTxx(context.Background(), nil)
		return err
	})
	return tx, err
}

// idle reports whether the connection is in no transaction.
func (w *writer) idle() bool {
	idle := false
	err := w.conn.Raw(func(c any) error {
		idle = c.(*sqlite3.SQLiteConn).AutoCommit()
		return nil
	})
	return err == nil && idle
}

// release gives the connection back; with driver.ErrBadConn it is thrown away.
func (w *writer) release(why error) {
	if w.conn == nil {
		return
	}
	if why == driver.ErrBadConn {
		w.conn.Raw(func(any) error { return why })
	}
	w.conn.Close()
	w.conn = nil
}

// poll tries until it works or fails otherwise than by being busy, up to wait,
// or until stop: every half millisecond at first, and less often the longer it
// takes. Who waits for so long does not wait for a busy server, and trying is
// not for nothing.
func poll(stop <-chan struct{}, wait time.Duration, try func() error) error {
	for began := time.Now(); ; {
		err := try()
		waited := time.Since(began)
		if !busy(err) || waited >= wait {
			return err
		}
		select {
		case <-stop:
			return errLeft
		case <-time.After(min(max(pollEvery, waited/50), pollLate)):
		}
	}
}
