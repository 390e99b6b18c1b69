# make check is what CI runs; see .ci/run.
.PHONY: build test check long lint fuzz bench nested pkcs11 static notices release

FUZZTIME ?= 2000x
BENCHTIME ?= 100ms

build:
	go build -trimpath -o hallmark ./cmd/hallmark

test:
	go test ./...

check: lint
	go test -race -shuffle=on -timeout 20m ./...
	$(MAKE) fuzz bench nested pkcs11

# What takes too long for every change. First the life of the keys in virtual
# time: a million rotations and a hundred million token checks, on every core.
# HALLMARK_LONG=0.02 does a fiftieth of it. Then refreshes beside ten million
# sessions, and beside the removal of a million; that takes 4 GB of disk. Then two
# hundred crashes and a hundred power cuts under load, and an import of a million users.
HALLMARK_LONG ?= 1
long:
	HALLMARK_LONG=$(HALLMARK_LONG) go test -run TestSimulationLong -timeout 3h -v ./keys
	HALLMARK_LONG=$(HALLMARK_LONG) go test -run 'TestGrowthLong|TestSweepBesideTrafficLong' -timeout 3h -v ./storage/sqlite
	HALLMARK_LONG=$(HALLMARK_LONG) go test -run '^(TestCrash|TestPowerLoss)$$' -timeout 1h -v ./cmd/hallmark
	HALLMARK_LONG=$(HALLMARK_LONG) go test -run TestImportMany -timeout 1h -v ./cmd/hallmark

lint:
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt these files:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...

# A short run of every fuzz target, counted in inputs: a run that is counted in
# seconds fails now and then when its time is over in the middle of an input. A
# package is built once for all of its targets, which is what takes the time.
fuzz:
	@set -e; dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	files=$$(go list -f '{{range .TestGoFiles}}{{$$.Dir}}/{{.}} {{end}}{{range .XTestGoFiles}}{{$$.Dir}}/{{.}} {{end}}' ./...); \
	pkgs=$$(grep -l '^func Fuzz' $$files | xargs -n 1 dirname | sort -u); \
	test -n "$$pkgs"; \
	for pkg in $$pkgs; do \
		go test -c -fuzz . -o "$$dir/fuzz" "$$pkg"; \
		targets=$$(cd "$$pkg" && "$$dir/fuzz" -test.list '^Fuzz'); \
		test -n "$$targets"; \
		for target in $$targets; do \
			echo "fuzz $$pkg $$target"; \
			(cd "$$pkg" && "$$dir/fuzz" -test.run '^$$' -test.fuzz "^$$target\$$" -test.fuzztime $(FUZZTIME) -test.fuzzminimizetime 10x -test.fuzzcachedir "$$dir/cache/$$pkg"); \
		done; \
	done

bench:
	go test -run '^$$' -bench . -benchtime $(BENCHTIME) ./...

# The nested modules keep third-party clients, resource servers and test vectors
# out of our go.mod. The race detector has seen our packages already, and made
# theirs take minutes to build.
nested:
	@set -e; for mod in conformance/*/go.mod; do \
		echo "module $$(dirname $$mod)"; (cd "$$(dirname $$mod)" && go vet ./... && go test -parallel 4 ./...); \
	done
	cd conformance/vectors && go test -count=1 -run '^TestCost$$' -v -bench . -benchtime $(BENCHTIME) ./...

# The build that can keep private halves in a PKCS#11 token, against SoftHSM.
pkcs11:
	go vet -tags pkcs11 ./keys/... ./cmd/hallmark
	go tool staticcheck -tags pkcs11 ./keys/... ./cmd/hallmark
	go test -tags pkcs11 ./keys/pkcs11/...
	go test -tags pkcs11 ./cmd/hallmark -run 'PKCS11|Device'

# A program that needs nothing of the machine it runs on: SQLite and the C
# library are linked in; names and users are looked up by Go's own code, since a
# static C library cannot, and SQLite loads no extensions. The same commit, Go and
# C compiler give the same bytes in any directory.
TAGS = netgo osusergo sqlite_omit_load_extension
BUILDVCS ?= true
TO ?= dist/hallmark

static:
	CGO_ENABLED=1 go build -trimpath -buildvcs=$(BUILDVCS) -tags '$(TAGS)' \
		-ldflags '-s -w -linkmode external -extldflags -static' -o $(TO) ./cmd/hallmark

# The licences of what is linked in, which go wherever the program goes.
notices:
	@mkdir -p dist
	@set -e; { \
		echo "Hallmark is distributed with the following software, and with SQLite, which is in the public domain,"; \
		echo "and the GNU C Library (LGPL-2.1-or-later): relink it with 'make static' in Hallmark's sources."; \
		printf '\n=== Go %s\n\n' "$$(go env GOVERSION)"; cat "$$(go env GOROOT)/LICENSE"; \
		CGO_ENABLED=1 go list -deps -tags '$(TAGS)' -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/hallmark | sort -u | \
		while read -r module version dir; do \
			printf '\n=== %s %s\n\n' "$$module" "$$version"; \
			files=$$(find "$$dir" -maxdepth 1 -iname 'licen[sc]e*' -o -maxdepth 1 -iname 'copying*' -o -maxdepth 1 -iname 'notice*' | LC_ALL=C sort); \
			test -n "$$files" || { echo "no licence in $$dir" >&2; exit 1; }; \
			cat $$files; \
		done; \
	} > dist/THIRD_PARTY_LICENSES

# The version is the tag of the commit, or a pseudo-version; hallmark version prints it.
release:
	@test -z "$$(git status --porcelain)" || { echo "make release: commit or stash first, a release is of a commit:" >&2; git status --short >&2; exit 2; }
	rm -rf dist
	$(MAKE) static notices
	@set -e; umask 022; epoch=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)}; \
	name=hallmark-$$(go version -m dist/hallmark | awk '$$1 == "mod" { print $$3 }')-$$(go env GOOS)-$$(go env GOARCH); \
	mkdir "dist/$$name"; \
	cp -R README.md CHANGELOG.md SECURITY.md LICENSE docs conformance/interop/django/hallmark_django dist/hallmark dist/THIRD_PARTY_LICENSES "dist/$$name"; \
	tar -C dist --exclude=__pycache__ --format=ustar --sort=name --mtime="@$$epoch" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -cf - "$$name" | gzip -9n > "dist/$$name.tar.gz"; \
	rm -r "dist/$$name"; \
	cd dist; sha256sum hallmark "$$name.tar.gz" > SHA256SUMS; cat SHA256SUMS
