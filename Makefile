# What people and the build call.  Everything runs in .venv, which platform/setup.sh makes.
.PHONY: setup check lint test groovy demo demo-down bench lock wheels release clean
PY := .venv/bin/python

# Packages, engine, base image, virtual environment: what pydeploy needs to run.
setup:
	platform/setup.sh

# The quick part, without an engine: format, lint, types, unit tests.  Many tests wait for clocks,
# so there are more workers than processors.
check:
	platform/setup.sh --check
	@$(MAKE) -s .venv/bin/etcd lint
	$(PY) -m pytest tests/unit -q -n 4

lint:
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

# Everything, on real parts: each of the two workers brings up a site of its own.  All of them are
# run, whatever the first one says.
test:
	platform/setup.sh --test
	@$(MAKE) -s .venv/bin/etcd
	@code=0; \
	$(MAKE) -s lint || code=$$?; \
	$(PY) -m pytest tests/unit -n 4 || code=$$?; \
	$(MAKE) -s groovy || code=$$?; \
	$(PY) -m pytest tests/integration -n 2 --dist loadfile || code=$$?; \
	exit $$code

# The Jenkins steps: CodeNarc, then their tests, CPS-transformed as Jenkins does it.
groovy:
	cd tests/groovy && mvn -B -ntp test

# The unit tests start and kill etcds of their own.
.venv/bin/etcd:
	@tests/unit/get-etcd.sh $@

# A site on loopback and an example deployed twice; the URL is the last line.
demo:
	platform/demo.sh

demo-down:
	platform/demo.sh down

# Speed, as ratios against the raw tools in the same run (docs/benchmarks.md).
bench:
	platform/setup.sh --test
	$(PY) -m bench

# New exact versions with hashes from requirements/*.in; commit what comes out.
lock:
	$(PY) -m venv .venv/lock
	.venv/lock/bin/pip install --quiet --disable-pip-version-check pip-tools
	cd requirements && for one in runtime dev; do \
	    ../.venv/lock/bin/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe \
	        --strip-extras --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	        --output-file $$one.txt $$one.in || exit; done
	$(PY) -m tools.requirements

# A folder with everything an agent installs, for PYDEPLOY_WHEELS (docs/operations.md, Agents);
# also for other versions of Python: PYTHONS="3.11 3.13".
wheels:
	@[ -n "$(DIR)" ] || { echo 'usage: make wheels DIR=/folder [PYTHONS="3.11 3.13"]' >&2; exit 64; }
	platform/setup.sh --check
	$(PY) -m tools.wheels $(addprefix --python ,$(PYTHONS)) "$(DIR)"

# Set the version and what follows from it; commits nothing (CONTRIBUTING.md, Releases).
release:
	@[ -n "$(VERSION)" ] || { echo 'usage: make release VERSION=0.2.0' >&2; exit 64; }
	platform/setup.sh --check
	$(PY) -m tools.release "$(VERSION)"

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
