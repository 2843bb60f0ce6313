# The developer's front door. `make` alone lists what there is; CI calls the same targets.

GANTLINE_CACHE ?= $(HOME)/.cache/gantline
export GANTLINE_CACHE

# Build output stays outside the clone; tools installed for the project come first on PATH.
export CARGO_TARGET_DIR ?= $(GANTLINE_CACHE)/target
export PATH := $(GANTLINE_CACHE)/tools/bin:$(PATH)

# CI names what fails once and passes then; see .config/nextest.toml.
NEXTEST_PROFILE ?= $(if $(CI),ci,default)
export NEXTEST_PROFILE

FUZZ_SECONDS ?= 60
FUZZ_API_SECONDS ?= 300
PORT ?= 8443
GANTLINE_SOAK_MINUTES ?= 60

FUZZ_TARGETS = $(sort $(basename $(notdir $(wildcard fuzz/targets/*.rs))))
NETWORKS = cargo nextest run --workspace -E 'binary(networks) + binary(changes)'
# Sections of the benchmark through the relay; none is all. Figures of sections are kept side by side.
SECTIONS ?=
TELL ?=
THROUGH_RELAY = cargo bench -p gantline-tests --bench through_relay -- \
  --keep "$$GANTLINE_CACHE/bench/through_relay.json"
HOSTILE = cargo test --release -p gantline-crypto --test hostile -- --nocapture

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run dashboard test test-dashboard test-browser networks check check-dashboard fmt bench bench-terminals bench-relay bench-start bench-dashboard lighthouse bench-peers bars soak fuzz fuzz-api vectors recordings tools tools-test tools-check tools-fuzz tools-dashboard

##@ Every day

help: ## this list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "%s%s\n", (n++ ? "\n" : ""), substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: ## a relay and a node for this machine, paired with your command line; PORT=8443
	@if command -v npm >/dev/null 2>&1; then $(MAKE) --no-print-directory dashboard; \
	  else echo "make run: without Node.js the programs serve a page that says how to build the dashboard" >&2; fi
	@cargo build --workspace --bins
	@exec scripts/run-local "$$CARGO_TARGET_DIR/debug" $(PORT)

dashboard: tools-dashboard ## the web app, into dashboard/dist, which both programs embed
	cd dashboard && npm run --silent build

test: tools-test dashboard test-dashboard ## every test, with load and fault counts shortened
	@scripts/can-make-networks || true
	cargo nextest run --workspace
	cargo test --workspace --doc
	cargo build -p gantline-node --bins
	scripts/fuzz-api "$$CARGO_TARGET_DIR/debug"
	@$(MAKE) --no-print-directory test-browser
	@scripts/can-make-networks || true

test-dashboard: tools-dashboard ## of these, the dashboard's without a browser
	cd dashboard && npm run --silent test

# Screenshots go to $GANTLINE_CACHE/screenshots.
test-browser: dashboard ## of these, the dashboard in Chromium against a real relay and node
	cargo build --workspace --bins
	@if chromium=$$(scripts/install-tools browser); then \
	  cd dashboard && CHROMIUM=$$chromium npm run --silent e2e; \
	else \
	  echo "SKIPPED: the tests of the dashboard in a browser, for want of one" >&2; \
	  [ -z "$$GANTLINE_NO_SKIPS" ] && cd dashboard && npm run --silent e2e -- e2e/session; \
	fi

# `cargo deny check advisories` is left out: it fetches a database, and a check must pass or fail
# on what is in the clone alone.
check: tools-check check-dashboard ## what a change must pass besides tests: directions, format, lints, docs, licences
	@node scripts/check-directions.mjs --self-test
	@node scripts/check-directions.mjs
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
	cargo deny check bans licenses sources

check-dashboard: tools-dashboard ## of these, the dashboard's: format, lints, types, the API's types
	cd dashboard && npm run --silent check

networks: tools-test ## the tests that make networks of namespaces, and none may be skipped
	GANTLINE_NO_SKIPS=1 $(NETWORKS)

fmt: tools-dashboard ## format the code
	cargo fmt --all
	cd dashboard && npm run --silent fmt

##@ Longer runs

bench: bench-relay bench-start ## every benchmark: the cores, terminals, and all through a relay beside peers
	cargo bench -p gantline-crypto --bench session
	cargo bench -p gantline-node --bench pty
	cargo bench -p gantline-node --bench viewers

bench-terminals: ## what terminals cost: floods, viewers, attaching, keys; about nine minutes
	cargo build --profile bench -p gantline-relay -p gantline-node --bins
	cargo bench -p gantline-node --bench pty
	cargo bench -p gantline-node --bench viewers
	$(THROUGH_RELAY) terminal flood $(TELL)

# What is measured are the programs themselves. Peers that are not here are named and left out.
bench-relay: ## through a relay alone; SECTIONS="echo connect" for some, TELL=--json or --markdown
	cargo build --profile bench -p gantline-relay -p gantline-node --bins
	$(THROUGH_RELAY) $(SECTIONS) $(TELL)

# BENCH_START="--rounds 20 --json FILE" for more. Peers that are not here are left out.
bench-start: ## how soon work runs, beside pueue and supervisord; BENCH_START=--help
	cargo build --profile bench -p gantline-node --bins
	@peers="$$GANTLINE_CACHE/peers"; set --; \
	[ ! -x "$$peers/bin/pueued" ] || set -- "$$@" --pueue "$$peers/bin"; \
	[ ! -x "$$peers/supervisor/bin/supervisord" ] || set -- "$$@" --supervisor "$$peers/supervisor/bin"; \
	python3 tests/bench/start/bench.py "$$CARGO_TARGET_DIR/release/gantline" "$$@" $(BENCH_START)

# The flood is a test of its own, here at full size. A part alone: BENCH_DASHBOARD=keys
BENCH_DASHBOARD ?= keys cipher flood
bench-dashboard: dashboard ## in Chromium: from keys to glyphs beside ttyd, the cipher, a flood of 100 MB
	cargo build --profile bench -p gantline-relay -p gantline-node --bins
	@CHROMIUM=$$(scripts/install-tools browser) && export CHROMIUM && cd dashboard && \
	export GANTLINE_BINARIES="$$CARGO_TARGET_DIR/release" GANTLINE_TIER=bars && \
	for part in $(BENCH_DASHBOARD); do \
	  case $$part in \
	    flood) npm run --silent e2e -- e2e/dashboard/flood --disable-console-intercept ;; \
	    *) npm run --silent bench -- "bench/$$part" ;; \
	  esac || exit 1; \
	done

lighthouse: dashboard ## what Lighthouse says of the dashboard; fails below 95 for performance or accessibility
	cargo build --workspace --bins
	@CHROMIUM=$$(scripts/install-tools browser) && GANTLINE_LIGHTHOUSE=$$(scripts/install-tools lighthouse) && \
	export CHROMIUM GANTLINE_LIGHTHOUSE && cd dashboard && npm run --silent bench -- lighthouse

bench-peers: ## fetch and build what bench compares us with: bore, rathole, ssh -R, sshx, pueue, supervisord, ttyd
	@scripts/install-peers

bars: tools-test ## the tests of attacks, faults and networks at full size
	GANTLINE_TIER=bars $(HOSTILE)
	cargo build --workspace --bins
	GANTLINE_TIER=bars cargo test -p gantline-node --test pty_leaks --test processes --test sleep --test disk_full
	GANTLINE_TIER=bars cargo test -p gantline-tests --test hostile_relay
	GANTLINE_TIER=bars GANTLINE_NO_SKIPS=1 $(NETWORKS)
	scripts/fuzz-api "$$CARGO_TARGET_DIR/debug" $(FUZZ_API_SECONDS)

soak: ## the same tests over and over; GANTLINE_SOAK_MINUTES=60
	GANTLINE_TIER=soak GANTLINE_SOAK_MINUTES=$(GANTLINE_SOAK_MINUTES) $(HOSTILE)

# Without a sanitizer cargo-fuzz needs nothing but stable Rust. The first corpus directory takes
# what is found, the committed one is only read. A whole record (16,402 bytes) fits in max_len. LTO
# gains a fuzzer nothing; symbols are kept for backtraces.
fuzz: tools-fuzz ## every fuzz target in turn; FUZZ_SECONDS=60 each, TARGET=name [INPUT=file] for one
	@set -eu; failed=; \
	known='$(FUZZ_TARGETS)'; \
	if [ -z "$$known" ]; then echo "make fuzz: no targets in fuzz/targets" >&2; exit 1; fi; \
	case " $$known " in *" $(or $(TARGET),$(firstword $(FUZZ_TARGETS))) "*) ;; *) \
	  echo "make fuzz: no target '$(TARGET)'; there are: $$known" >&2; exit 1 ;; esac; \
	export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_STRIP=none; \
	for target in $(or $(TARGET),$(FUZZ_TARGETS)); do \
	  scratch="$$GANTLINE_CACHE/fuzz/$$target"; \
	  artifacts="$$GANTLINE_CACHE/fuzz/artifacts/$$target"; \
	  mkdir -p "$$scratch" "$$artifacts"; \
	  set -- "$$scratch"; \
	  [ ! -d "fuzz/corpus/$$target" ] || set -- "$$@" "fuzz/corpus/$$target"; \
	  [ -z '$(INPUT)' ] || set -- '$(INPUT)'; \
	  echo "== $$target"; \
	  cargo fuzz run --fuzz-dir fuzz --features libfuzzer --sanitizer none "$$target" "$$@" -- \
	    -max_total_time=$(FUZZ_SECONDS) -max_len=20480 -timeout=10 -print_final_stats=1 \
	    -artifact_prefix="$$artifacts/" || failed="$$failed $$target"; \
	done; \
	if [ -n "$$failed" ]; then \
	  for target in $$failed; do \
	    echo "FAILED $$target; what made it fail is in $$GANTLINE_CACHE/fuzz/artifacts/$$target"; \
	    echo "  once more: make fuzz TARGET=$$target INPUT=<file in there>"; \
	  done >&2; \
	  exit 1; \
	fi

fuzz-api: ## what the API's document allows and forbids, thrown at a live node; FUZZ_API_SECONDS=300
	cargo build -p gantline-node --bins
	scripts/fuzz-api "$$CARGO_TARGET_DIR/debug" $(FUZZ_API_SECONDS)

##@ Generated files

vectors: tools-test ## write crypto/vectors/*.json anew from the code
	GANTLINE_UPDATE_VECTORS=1 cargo nextest run -p gantline-crypto --test vectors
	@git --no-pager diff --stat -- crypto/vectors

recordings: ## record the programs anew that late joiners' screens are tested with; NAME=vim for one
	cargo run -p gantline-node --example record_terminals -- $(NAME)

# Internal: what the targets above need, installed when it is not there.
tools: tools-test tools-check tools-dashboard
tools-test tools-check tools-fuzz tools-dashboard: tools-%:
	@scripts/install-tools $*
