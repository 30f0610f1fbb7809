# Everything runs on the distribution's Python: its byte-code, its packages, its libseccomp.
PYTHON = /usr/bin/python3
PREFIX = /usr/local
BINDIR = $(PREFIX)/bin
# One entry of sys.path: it holds the package.
LIBDIR = $(PREFIX)/lib/pyruntime

# make install DESTDIR=… stages below DESTDIR; LIBDIR itself is what goes into the files.
STAGED = $(DESTDIR)$(LIBDIR)
# What serves before installation only.
LEFT_OUT = __pycache__ *.[ch] pyruntime/native/build*.py pyruntime/packing.py pyruntime/linking.py pyruntime/data/launcher
# What STAGED holds.
INSTALLED = pyruntime pyruntime.code launcher interpreter.so
NATIVE = pyruntime/native/waiting_init
PYTEST = $(PYTHON) -m pytest -rfEs
# As root, tests run in a private view of cgroups and mounts; else those that need it are skipped.
VIEW = $(PYTHON) tests/in_view.py
VENV = build/venv/bin
# How many generated inputs each property is tried with in `make property-long`.
CASES = 20000

.PHONY: help demo test check unit functional property property-long security suite \
        vm vm-test vm-shell bench build install installed uninstall clean dist \
        ready-demo ready-test ready-suite ready-vm
.DEFAULT_GOAL = help

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

demo: ready-demo ## show a container's life
	@integration/demo

test: ready-test ## run every test that this machine can run
	@$(VIEW) $(PYTEST) tests

check: ## lint and types, with ruff and mypy from pip
	@integration/setup check
	$(VENV)/ruff check pyruntime tests bundles integration/vm integration/vm/vm
	$(VENV)/mypy

unit: ready-test ## tests without root
	@$(PYTEST) tests/unit

functional: ready-test ## tests of real containers (needs root)
	@$(VIEW) $(PYTEST) tests/functional

property: ready-test ## tests on generated input
	@$(VIEW) $(PYTEST) tests/property

property-long: ready-test ## the same for hours, CASES=20000 of each
	@PYRUNTIME_CASES=$(CASES) $(VIEW) $(PYTEST) tests/property

security: ready-test ## one test for each known attack (needs root)
	@$(VIEW) $(PYTEST) tests/security

suite: ready-suite ## the validation suite of runtime-tools (needs root, Go 1.21)
	@$(VIEW) $(PYTEST) tests/integration

vm: ready-vm ## build the guest: QEMU with real cgroups, systemd, podman (needs root; 2 minutes, then kept)
	@integration/vm/vm build

vm-test: ready-vm ## install this tree in a new guest and test it there, TESTS=tests/guest
	@integration/vm/vm test $(TESTS)

vm-shell: ready-vm ## a shell in a new guest, with this tree at /src
	@integration/vm/vm shell --share '$(CURDIR)':/src:ro --cwd /src

bench: ready-test ## time the commands against runc and crun (needs root)
	@integration/bench/run $(BENCH)

build: $(NATIVE) build/pyruntime ## make the native program, and build/pyruntime which runs this tree

install: $(NATIVE) ## install below PREFIX=/usr/local, staged in DESTDIR
	@umask 022 && $(MAKE) --no-print-directory installed

# Whatever the caller's umask is, others may run it.
installed:
	rm -rf $(INSTALLED:%='$(STAGED)/%')
	mkdir -p '$(STAGED)' '$(DESTDIR)$(BINDIR)'
	tar -cf - --mode=u=rwX,go=rX $(LEFT_OUT:%=--exclude='%') pyruntime | \
	    tar -xf - --no-same-owner -C '$(STAGED)'
	{ git ls-files --error-unmatch Makefile && git describe --always --abbrev=40 --dirty --exclude='*'; } \
	    2>/dev/null | sed 1d > '$(STAGED)/pyruntime/_commit'
	$(PYTHON) -IS -m compileall -q -f --invalidation-mode unchecked-hash \
	    -s '$(DESTDIR)' -p / '$(STAGED)/pyruntime'
	$(PYTHON) -IS -X no_debug_ranges pyruntime/packing.py '$(STAGED)' '$(LIBDIR)'
	sed 's|@LIBDIR@|$(LIBDIR)|' pyruntime/data/launcher > '$(STAGED)/launcher'
	chmod 755 '$(STAGED)/launcher'
	@INTERPRETER='$(INTERPRETER)' integration/launcher $(PYTHON) '$(STAGED)' '$(LIBDIR)' '$(DESTDIR)$(BINDIR)/pyruntime'

uninstall: ## remove what install made
	rm -rf $(INSTALLED:%='$(STAGED)/%')
	rm -f '$(DESTDIR)$(BINDIR)/pyruntime'
	rmdir '$(STAGED)' 2>/dev/null || true

dist: ## make the sdist and the wheel in dist/
	@integration/setup check
	$(VENV)/python -m hatchling build -d dist

clean: ## remove what was built
	rm -rf build dist $(NATIVE) .mypy_cache .ruff_cache .hypothesis
	find pyruntime tests bundles integration -name __pycache__ -prune -exec rm -rf {} +

# What apt installs must be there before anything is compiled.
ready-vm:
	@integration/setup vm

ready-demo ready-test ready-suite: ready-%:
	@integration/setup $*
	@$(MAKE) --no-print-directory -s build

$(NATIVE): $(wildcard pyruntime/native/*.[ch]) pyruntime/native/build.py
	@$(PYTHON) pyruntime/native/build.py $@

build/pyruntime: pyruntime/data/launcher Makefile
	@mkdir -p build
	@sed 's|@LIBDIR@|$(CURDIR)|' $< > $@
	@chmod 755 $@
