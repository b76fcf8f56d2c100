package journal

import "testing"

// TestQueueOrder: what could not be written stands before what came meanwhile.
func TestQueueOrder(t *testing.T) {
	var q queue
	for _, text := range []string{"1\n", "2\n"} {
		add(&q, text, "", "")
	}
	w, _ := q.take()
	add(&q, "3", []byte("-"), "\n")
	q.putBack(w[2:])
	if w, _ = q.take(); string(w) != "2\n3-\n" || q.any.Load() {
		t.Errorf("%q", w)
	}
	q.done(w)
	if n := testing.AllocsPerRun(100, func() {
		add(&q, "FC Invoke Start RequestId: ", "id", "\n")
		w, _ := q.take()
		q.done(w)
	}); n != 0 {
		t.Errorf("%v allocations a line", n)
	}
}
