# make check is what CI runs; see .ci/run.
.PHONY: build test check lint fuzz bench nested

FUZZTIME ?= 20000x
BENCHTIME ?= 100ms

build:
	go build -trimpath -o hallmark ./cmd/hallmark

test:
	go test ./...

check: lint
	go test -race -shuffle=on ./...
	$(MAKE) fuzz bench nested

lint:
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt these files:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...

# A short run of every fuzz target, counted in inputs: a run that is counted in
# seconds fails now and then when its time is over in the middle of an input.
fuzz:
	@set -e; go list ./... | while read -r pkg; do \
		for target in $$(go test -list '^Fuzz' "$$pkg" | grep '^Fuzz' || true); do \
			echo "fuzz $$pkg $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$pkg"; \
		done; \
	done

bench:
	go test -run '^$$' -bench . -benchtime $(BENCHTIME) ./...

# The nested modules keep third-party clients and resource servers out of our go.mod.
nested:
	@set -e; for mod in conformance/*/go.mod; do \
		echo "module $$(dirname $$mod)"; (cd "$$(dirname $$mod)" && go vet ./... && go test -race ./...); \
	done
