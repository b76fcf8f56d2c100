package inputtest

import (
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Mirror returns a source that fetches into st from the mirrors that this
// machine is configured with.
func Mirror(t testing.TB, st *store.Store) *fetch.Fetcher {
	t.Helper()
	f, err := fetch.New(st, mirrors(t))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Base returns the URL of the preferred mirror of an archive.
func Base(t testing.TB, archive string) string {
	t.Helper()
	urls, err := mirrors(t).URLs(t.Context(), archive, "x")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(urls[0], "x")
}

func mirrors(t testing.TB) *mirror.Mirrors {
	t.Helper()
	m, err := mirror.New(mirror.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
