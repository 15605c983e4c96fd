# make demo    from a fresh clone to a painted photo
# make test    what every change must pass
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest

# Waits for a window of the clock's minutes to end: nothing for every change.
HOURS := tests/integration/test_schedule.py
# Two tests at a time: most wait, for a daemon to settle or to come up, or use one core. Threads
# that spin while they wait for each other would take the cores from the other test's.
TWO := OMP_WAIT_POLICY=passive $(PYTEST) --numprocesses 2 --dist worksteal
# Compares times: nothing beside it.
LOAD := tests/faults/test_load.py
AXE := build/axe-core/package/axe.min.js

.PHONY: help install demo test lint types unit browser shares boot cluster faults soak race gallery \
        benchmark schema docs lock clean

# Of the soak; two hours say more.
MINUTES ?= 120

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "atelierd needs Python 3.11 or newer; say which one: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

install: $(INSTALLED)

demo: install
	config/examples/demo.sh $(BIN)/atelierd

test: lint types unit

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

unit: install
	$(TWO) tests/unit tests/engines
	$(PYTEST) tests/integration --ignore $(HOURS)

# The pages in Debian's Chromium (apt-get install chromium), with axe-core from npm.
browser: install $(AXE)
	$(PYTEST) tests/browser

$(AXE):
	mkdir -p build/axe-core
	npm pack --silent --pack-destination build/axe-core axe-core@4.14.1
	tar -xzf build/axe-core/axe-core-4.14.1.tgz -C build/axe-core package/axe.min.js package/LICENSE

# The daemon killed, starved and cut off from its share in every way that we could think of.
faults: install
	$(TWO) tests/faults $(HOURS) --ignore $(LOAD)
	$(PYTEST) $(LOAD)

# Hours of everything at once: is the daemon's memory flat, is a descriptor leaked, is all in order?
soak: install
	$(BIN)/python -m tests.soak --minutes $(MINUTES)

# The service on a systemd that is booted for it in a container: a minute, and some more when the
# Debian that it boots is made first. As root, with systemd-container and debootstrap.
boot: install
	$(PYTEST) tests/boot

# Real shares on this machine's loopback (apt-get install samba smbclient sshfs openssh-server).
shares: install
	$(PYTEST) tests/shares

# Several machines, each a network namespace where root may make them: killed, cut off, come back.
cluster: install
	$(PYTEST) tests/cluster

# A contact sheet of the looks that there are.
gallery: install
	$(BIN)/python config/examples/gallery.py

# The original program against ours: half an hour.
race: install
	$(BIN)/python -m tests.benchmarks.race

# What an evaluation costs beside its convolutions, CNTK and a peer; a huge picture's memory; what is
# foretold of renders against what they take; what the queue costs; how many workers it keeps busy.
benchmark: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,benchmark]'
	$(BIN)/python -m tests.benchmarks.evaluation
	$(BIN)/python -m tests.benchmarks.minimizers
	$(BIN)/python -m tests.benchmarks.scales
	$(BIN)/python -m tests.benchmarks.prediction
	$(BIN)/python -m tests.benchmarks.throughput
	$(BIN)/python -m tests.benchmarks.cluster

schema: install
	$(BIN)/python -m atelierd.jobs.jsonschema

# The tables in docs/ that the program prints itself.
docs: install
	$(BIN)/python docs/tables.py

lock: install
	( echo "# Exact versions that the Makefile installs; made with 'make lock'."; \
	  $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' ) > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) build demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
