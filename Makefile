GO ?= go
# The race detector needs cgo, and so a C compiler.
RACE := $(if $(shell command -v "$$($(GO) env CC)" 2>/dev/null),-race)
TOOLS := $(CURDIR)/bin

.PHONY: help build test lint generate bench bench-shim bench-push demo-registries fuzz clean

help:
	@echo 'make build      bin/imgbuild'
	@echo 'make test       all tests; those with real parts need the packages in .ci/packages'
	@echo 'make lint       gofmt, go vet, staticcheck, and that generated files are up to date'
	@echo 'make generate   write generated files anew'
	@echo 'make fuzz       each fuzz target for FUZZTIME (10s)'
	@echo 'make bench      the comparisons with peers'
	@echo 'make demo-registries  serves the registries of examples/release'
	@echo 'make bench-shim the shim and its peers (needs wrk, node, npm; a quarter of an hour)'
	@echo 'make bench-push pushes beside crane and skopeo (needs skopeo, docker-registry; ten minutes)'

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/imgbuild ./cmd/imgbuild

# With the race detector all but the long tests with real parts; then all.
test:
	$(GO) vet ./...
	$(GO) test $(RACE) -short -timeout 30m ./...
	$(GO) test -timeout 60m ./...

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
	cd tools && CGO_ENABLED=0 $(GO) build -o $(TOOLS)/ github.com/moby/buildkit/cmd/buildctl github.com/moby/buildkit/cmd/buildkitd
	$(GO) run ./bench

# The same with BENCH='-requests 1000000 -n 3' is done in a few minutes.
bench-shim:
	$(GO) run ./bench/shim $(BENCH)

# Five registries for examples/release, until Ctrl-C.
demo-registries:
	$(GO) run ./examples/release/registries dist/release

# One comparison alone: BENCH='-only cut'.
bench-push:
	cd tools && CGO_ENABLED=0 $(GO) build -o $(TOOLS)/ github.com/google/go-containerregistry/cmd/crane
	$(GO) run ./bench/push $(BENCH)

clean:
	rm -rf bin
