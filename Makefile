# Everything runs on the distribution's Python: its byte-code, its packages, its libseccomp.
PYTHON = /usr/bin/python3
PREFIX = /usr/local
BINDIR = $(PREFIX)/bin
# One entry of sys.path: it holds the package.
LIBDIR = $(PREFIX)/lib/pyruntime

# make install DESTDIR=… stages below DESTDIR; LIBDIR itself is what goes into the files.
STAGED = $(DESTDIR)$(LIBDIR)
NATIVE = pyruntime/native/waiting_init
PYTEST = $(PYTHON) -m pytest -rs
# As root, tests run in a private view of cgroups and mounts; else those that need it are skipped.
VIEW = $(PYTHON) tests/private_view.py
VENV = build/venv/bin

.PHONY: help demo test check unit functional property security bench build install uninstall clean dist setup-demo setup-test
.DEFAULT_GOAL = help

help: ## show this
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: setup-demo build ## show a container's life (needs root)
	@integration/demo

test: setup-test build ## run every test that this machine can run
	@$(VIEW) $(PYTEST) tests

check: ## lint and types, with ruff and mypy from pip
	@integration/setup check
	$(VENV)/ruff check pyruntime tests bundles
	$(VENV)/mypy

unit: setup-test build ## tests without root
	@$(PYTEST) tests/unit

functional: setup-test build ## tests of real containers (needs root)
	@$(VIEW) $(PYTEST) tests/functional

property: setup-test build ## tests on generated input
	@$(VIEW) $(PYTEST) tests/property

security: setup-test build ## one test for each known attack (needs root)
	@$(VIEW) $(PYTEST) tests/security

bench: setup-test build ## time the commands against runc and crun (needs root)
	@$(VIEW) $(PYTHON) integration/bench/bench.py

build: $(NATIVE) build/pyruntime ## make the native program, and build/pyruntime which runs this tree

install: $(NATIVE) ## install below PREFIX=/usr/local, staged in DESTDIR
	rm -rf '$(STAGED)/pyruntime'
	mkdir -p '$(STAGED)' '$(DESTDIR)$(BINDIR)'
	tar -cf - --mode=u=rwX,go=rX --exclude=__pycache__ --exclude='*.c' --exclude='*.h' \
	    --exclude=pyruntime/native/build.py --exclude=pyruntime/packing.py \
	    --exclude=pyruntime/data/launcher pyruntime | tar -xf - --no-same-owner -C '$(STAGED)'
	$(PYTHON) -IS -m compileall -q -f --invalidation-mode unchecked-hash \
	    -s '$(DESTDIR)' -p / '$(STAGED)/pyruntime'
	$(PYTHON) -IS pyruntime/packing.py '$(STAGED)' '$(LIBDIR)'
	sed 's|@LIBDIR@|$(LIBDIR)|' pyruntime/data/launcher > '$(DESTDIR)$(BINDIR)/pyruntime'
	chmod 755 '$(DESTDIR)$(BINDIR)/pyruntime'

uninstall: ## remove what install made
	rm -rf '$(STAGED)/pyruntime' '$(STAGED)/pyruntime.code'
	rm -f '$(DESTDIR)$(BINDIR)/pyruntime'
	rmdir '$(STAGED)' 2>/dev/null || true

dist: ## make the sdist and the wheel in dist/
	@integration/setup check
	$(VENV)/python -m hatchling build -d dist

clean: ## remove what was built
	rm -rf build dist $(NATIVE) .mypy_cache .ruff_cache .hypothesis
	find pyruntime tests bundles integration -name __pycache__ -prune -exec rm -rf {} +

setup-demo:
	@integration/setup demo

setup-test:
	@integration/setup test

# What apt installs must be there before anything is compiled, also under make -j.
$(NATIVE): $(wildcard pyruntime/native/*.c pyruntime/native/*.h) pyruntime/native/build.py | $(filter setup-%,$(foreach goal,$(MAKECMDGOALS),$(if $(filter demo,$(goal)),setup-demo)$(if $(filter test unit functional property security bench,$(goal)),setup-test)))
	@$(PYTHON) pyruntime/native/build.py $@

build/pyruntime: pyruntime/data/launcher Makefile
	@mkdir -p build
	@sed 's|@LIBDIR@|$(CURDIR)|' $< > $@
	@chmod 755 $@
