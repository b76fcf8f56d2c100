GO ?= go
# The race detector needs cgo, and so a C compiler.
RACE := $(if $(shell command -v "$$($(GO) env CC)" 2>/dev/null),-race)
TOOLS := $(CURDIR)/bin
# As what tests compile, so that Go compiles every package once.
export CGO_ENABLED = 0

.PHONY: help build test lint generate bench bench-shim bench-push bench-buildkit bench-functions demo-registries fuzz clean

help:
	@echo 'make build      bin/imgbuild'
	@echo 'make test       all tests; those with real parts need the packages in .ci/packages'
	@echo 'make lint       gofmt, go vet, staticcheck, and that generated files are up to date'
	@echo 'make generate   write generated files anew'
	@echo 'make fuzz       each fuzz target for FUZZTIME (10s)'
	@echo 'make bench      the comparisons with peers'
	@echo 'make demo-registries  serves the registries of examples/release'
	@echo 'make bench-shim the shim and its peers (needs wrk, node, npm; a quarter of an hour)'
	@echo 'make bench-buildkit  engines, builders, functions beside ko and a Dockerfile, start-up'
	@echo 'make bench-functions  invoke beside docker run and curl, edits under start (needs dockerd, curl; a few minutes)'
	@echo 'make bench-push pushes beside crane and skopeo (needs skopeo, docker-registry; ten minutes)'

build:
	$(GO) build -trimpath -ldflags '-s -w' -o bin/imgbuild ./cmd/imgbuild

# Packages with long tests, which are left out with -short. e2e has no others, and
# takes as long as all the rest.
LONG = $(filter-out ./e2e,$(sort $(shell grep -rlE 'testtool\.Whole|chromium\.Open|testing\.Short' --include='*_test.go' . | xargs -n 1 dirname)))

# The tests of e2e, which mostly wait for others, beside all others.
test:
	$(GO) vet ./...
	+$(MAKE) --no-print-directory --output-sync=line --jobs=2 test-e2e test-packages

.PHONY: test-e2e test-packages
test-e2e:
	$(GO) test -vet=off -timeout 85m ./e2e

# With the race detector all but the long tests with real parts; then those, with
# their packages.
test-packages:
	$(if $(RACE),CGO_ENABLED=1) $(GO) test -vet=off $(RACE) -short -timeout 40m ./...
	$(GO) test -vet=off -p 2 -timeout 40m $(LONG)

lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	cd tools && $(GO) build -o $(TOOLS)/ honnef.co/go/tools/cmd/staticcheck
	$(TOOLS)/staticcheck ./...
	$(GO) generate ./...
	git diff --exit-code
	$(GO) mod tidy -diff

generate:
	$(GO) generate ./...

FUZZTIME ?= 10s
fuzz:
	@for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
		done; \
	done

bench:
	cd tools && $(GO) build -o $(TOOLS)/ github.com/moby/buildkit/cmd/buildctl github.com/moby/buildkit/cmd/buildkitd
	$(GO) run ./bench

# The same with BENCH='-requests 1000000 -n 3' is done in a few minutes.
bench-shim:
	$(GO) run ./bench/shim $(BENCH)

# Five registries for examples/release, until Ctrl-C.
demo-registries:
	$(GO) run ./examples/release/registries dist/release

# One comparison alone: BENCH='-only cut'.
bench-push:
	cd tools && $(GO) build -o $(TOOLS)/ github.com/google/go-containerregistry/cmd/crane
	$(GO) run ./bench/push $(BENCH)

# The BuildKit engine, many builders, and functions. BENCH='-n 1' for one run each.
bench-buildkit:
	cd tools && $(GO) build -o $(TOOLS)/ github.com/moby/buildkit/cmd/buildctl github.com/moby/buildkit/cmd/buildkitd
	$(GO) run ./bench/engine $(BENCH)
	$(GO) run ./bench/builders $(BENCH)
	$(GO) run ./bench/function $(BENCH)
	$(GO) run ./bench/startup

# For who writes functions.
bench-functions:
	$(GO) run ./bench/invoke $(BENCH)
	$(GO) run ./bench/edit

clean:
	rm -rf bin
