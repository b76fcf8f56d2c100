package testtool

import "testing"

// Whole marks a test of real parts that is too long to be run with the race
// detector. `make test` runs the tests twice: with the detector and -short,
// which leaves these out, and then whole.
func Whole(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs in the whole run, without -short")
	}
}
