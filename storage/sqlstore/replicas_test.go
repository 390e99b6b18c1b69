package sqlstore_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
	"github.com/hallmark-auth/hallmark/storage/sqlstore"
)

// One microsecond decides who is forgotten, as Replica.ForgottenAt says.
func TestReplicas(t *testing.T) {
	db := schema(t)
	first := storage.ServiceTime(1)
	last := first.Add(storage.KeepReplica)
	one := storage.Replica{ID: uuid.UUID{1}, Name: "é", Version: 7, AdoptedAt: now, SeenAt: now.Add(time.Minute)}
	two := storage.Replica{ID: uuid.UUID{2}, Version: 8}
	must(t, sqlstore.ReportReplica(ctx, db, one, first))
	list := func(want ...storage.Replica) {
		t.Helper()
		got, err := sqlstore.Replicas(ctx, db)
		must(t, err)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
	}
	one.Seen = first
	list(one)
	must(t, sqlstore.ReportReplica(ctx, db, two, last-1))
	two.Seen = last - 1
	if list(one, two); one.ForgottenAt(last-1) || !one.ForgottenAt(last) {
		t.Error("the rule says otherwise")
	}
	must(t, sqlstore.ReportReplica(ctx, db, two, last))
	two.Seen = last
	list(two)
	want(t, sqlstore.RemoveReplica(ctx, db, one.ID), storage.ErrNotFound)
	must(t, sqlstore.RemoveReplica(ctx, db, two.ID))
	if got, err := sqlstore.Replicas(ctx, db); err != nil || len(got) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// Of those seen at once the first by id goes.
func TestReplicasAreBounded(t *testing.T) {
	db := schema(t)
	for i := range storage.MaxReplicas + 2 {
		must(t, sqlstore.ReportReplica(ctx, db, storage.Replica{ID: uuid.UUID{byte(i >> 8), byte(i)}, Name: fmt.Sprint(i)}, 9))
	}
	got, err := sqlstore.Replicas(ctx, db)
	must(t, err)
	if len(got) != storage.MaxReplicas || got[0].Name != "2" {
		t.Errorf("%d are kept, from %q on", len(got), got[0].Name)
	}
	must(t, sqlstore.ReportReplica(ctx, db, storage.Replica{ID: uuid.UUID{}, Name: "early"}, 8))
	if again, err := sqlstore.Replicas(ctx, db); err != nil || !reflect.DeepEqual(again, got) {
		t.Errorf("%d are kept, %v", len(again), err)
	}
	db.MustExec(`PRAGMA ignore_check_constraints = ON`)
	db.MustExec(`UPDATE replicas SET id = x'01' WHERE name = '2'`)
	_, err = sqlstore.Replicas(ctx, db)
	want(t, err, sqlstore.ErrRecord)
}
