package throttle

import (
	"container/heap"
	"time"
)

// A table holds the buckets of one kind that are not full, at most limit of
// them. Times are counted from the throttle's start.
//
// A bucket is one number, the time at which it will be full again if nothing
// more is charged: each charge moves that back by Every. The nearer it is, the
// less is lost by forgetting the bucket; once it has passed, nothing.
type table struct {
	Bucket
	limit   int
	buckets map[key]*entry
	byFull  byFull // the same entries
}

type entry struct {
	key    key
	fullAt time.Duration
	index  int // in byFull
}

func newTable(b Bucket, limit int) *table {
	return &table{Bucket: b, limit: limit, buckets: map[key]*entry{}}
}

// wait returns how long there is nothing in the bucket; 0 or less if there is.
func (t *table) wait(k key, now time.Duration) time.Duration {
	e, ok := t.buckets[k]
	if !ok {
		return 0
	}
	return e.fullAt - now - time.Duration(t.Burst-1)*t.Every
}

// charge takes one from the bucket, on credit if there is nothing in it.
func (t *table) charge(k key, now time.Duration) {
	t.sweep(now)
	e, ok := t.buckets[k]
	if !ok {
		e = &entry{key: k}
	}
	e.fullAt = min(max(e.fullAt, now)+t.Every, now+2*time.Duration(t.Burst)*t.Every)
	if ok {
		heap.Fix(&t.byFull, e.index)
		return
	}
	t.buckets[k] = e
	heap.Push(&t.byFull, e)
	if len(t.byFull) > t.limit {
		t.drop()
	}
}

// forgive fills the bucket.
func (t *table) forgive(k key) {
	if e, ok := t.buckets[k]; ok {
		heap.Remove(&t.byFull, e.index)
		delete(t.buckets, k)
	}
}

// sweep forgets buckets that are full: two for each charge, which adds one at
// most, so they cannot pile up.
func (t *table) sweep(now time.Duration) {
	for range 2 {
		if len(t.byFull) > 0 && t.byFull[0].fullAt <= now {
			t.drop()
		}
	}
}

// drop forgets the bucket that owes least.
func (t *table) drop() {
	e := heap.Pop(&t.byFull).(*entry)
	delete(t.buckets, e.key)
}

// byFull is a heap.Interface: the bucket that is full soonest comes first.
type byFull []*entry

func (h byFull) Len() int           { return len(h) }
func (h byFull) Less(i, j int) bool { return h[i].fullAt < h[j].fullAt }

func (h byFull) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for package heap.
func (h *byFull) Push(x any) {
	e := x.(*entry)
	e.index = len(*h)
	*h = append(*h, e)
}

// Pop is for package heap.
func (h *byFull) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}
