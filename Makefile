# Every target installs what it misses first and says what it does. The work is in scripts/.
.DEFAULT_GOAL := help
.PHONY: help run test check fmt e2e soak bench package demo demo-clean setup icons

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## open the window (without a screen: the daemon in this terminal)
	@scripts/run.sh

test: ## everything: checks, unit and scenario tests, a real engine, the real window
	@scripts/test.sh

check: ## formatting, lints, types and the tidy test only
	@scripts/test.sh checks

fmt: ## format every file
	@scripts/fmt.sh

e2e: ## only the tests that drive the real window
	@scripts/test.sh window

soak: ## every suite with its full counts (hours)
	@TINYFORGE_SOAK=1 scripts/test.sh

bench: ## measure the figures, beside what they are compared with
	@scripts/bench.sh

package: ## a Debian package with the window and the command line
	@scripts/package.sh

demo: ## containers in every state on your engine (or on a simulated one), and the window on them
	@scripts/demo.sh

demo-clean: ## remove exactly what `make demo` made
	@scripts/demo.sh clean

setup: ## only install what building and testing need
	@scripts/setup.sh build run test

icons: ## draw icons/ again from their SVG sources
	@scripts/icons.sh
