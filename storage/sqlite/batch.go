package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

var errRolledBack = errors.New("SQLite rolled the transaction back")

// A batch is one transaction and the operations in it. Its statements run
// under a context that nobody cancels.
type batch struct {
	tx      *sqlx.Tx
	ops     []*op
	culprit *op // whose error ended the batch

	stored  storage.ServiceTime // what the store held at the beginning
	at      storage.ServiceTime // what every operation is told
	when    time.Time           // of at
	changes int64               // of the connection, at the beginning
}

// batch commits an operation and whatever else is waiting in one transaction,
// then answers. Operations join until there are none or the batch is full.
func (w *writer) batch(first *op) {
	b := &batch{ops: []*op{first}}
	if first.left() {
		return
	}
	var err error
	if b.tx, err = w.begin(first); err == nil {
		if err = w.fill(b, first); err == nil {
			err = w.commit(b)
		}
		if err != nil {
			w.abandon(b)
		}
	}
	if err == errLeft {
		return
	}
	w.report(err)
	for _, o := range b.ops {
		o.done <- b.answer(o, err)
	}
}

func (w *writer) fill(b *batch, first *op) error {
	if err := w.start(b); err != nil {
		return err
	}
	for o := first; ; {
		if err := w.apply(b, o); err != nil {
			b.culprit = o
			return err
		}
		if len(b.ops) == maxBatch {
			return nil
		}
		if o = w.waiting(); o == nil {
			return nil
		}
		b.ops = append(b.ops, o)
	}
}

// start takes the reading of service time that holds for the whole batch.
func (w *writer) start(b *batch) (err error) {
	if b.stored, err = sqlstore.ServiceTime(context.Background(), b.tx); err != nil {
		return err
	}
	b.at, b.when = w.clock.reading(b.stored)
	b.changes, err = totalChanges(b.tx)
	return err
}

// apply runs one operation in a savepoint. It returns an error only if the
// batch cannot go on.
func (w *writer) apply(b *batch, o *op) error {
	if err := execute(b.tx, "SAVEPOINT operation"); err != nil {
		return err
	}
	o.err = o.run(b.tx, b.at)
	switch {
	case w.idle(): // the next savepoint would be a transaction of its own
		return fmt.Errorf("%w: %w", errRolledBack, o.err)
	case o.err == nil || outcome(o.err):
		return execute(b.tx, "RELEASE operation")
	case contained(o.err):
		return execute(b.tx, "ROLLBACK TO operation; RELEASE operation")
	}
	return o.err
}

// commit makes the batch durable. Only a batch that wrote something advances
// the stored service time, so that a batch of reads costs no fsync.
func (w *writer) commit(b *batch) error {
	changes, err := totalChanges(b.tx)
	if err != nil {
		return err
	}
	wrote := changes != b.changes
	if wrote {
		if err := sqlstore.SetServiceTime(context.Background(), b.tx, b.at); err != nil {
			return err
		}
	}
	if err := b.tx.Commit(); err != nil {
		return err
	}
	if wrote || b.stored == b.at {
		w.clock.saw(b.at, b.when)
	}
	return nil
}

// abandon undoes a batch. A connection that cannot even do that is replaced.
func (w *writer) abandon(b *batch) {
	b.tx.Rollback() // fails when SQLite has done it already
	if !w.idle() {
		w.release(driver.ErrBadConn)
	}
}

// answer is what one operation's caller gets, given what became of the batch.
func (b *batch) answer(o *op, err error) answer {
	switch {
	case err == nil:
		return answer{kept: true, err: fault(o.err)}
	case b.culprit == nil || o == b.culprit:
		return answer{err: fault(err)}
	}
	// Whatever was wrong, it was not this operation: it may be tried again.
	return answer{err: unavailable(fmt.Errorf("another operation of the same transaction failed: %w", err))}
}

// report logs when writing stops to work, and when it works again.
func (w *writer) report(err error) {
	switch {
	case err != nil && !w.failing:
		w.log.Error("storage/sqlite: a transaction failed and was rolled back", "error", err)
	case err == nil && w.failing:
		w.log.Info("storage/sqlite: transactions are committed again")
	}
	w.failing = err != nil
}

func execute(tx *sqlx.Tx, statement string) error {
	_, err := tx.ExecContext(context.Background(), statement)
	return err
}

func totalChanges(tx *sqlx.Tx) (n int64, err error) {
	err = tx.GetContext(context.Background(), &n, "SELECT total_changes()")
	return n, err
}
