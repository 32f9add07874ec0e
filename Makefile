# Every target sets up what it needs, and is quick the second time.
PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
SAMPLES := build/samples
INSTALL := $(BIN)/python -m pip install --quiet -c constraints.txt

.PHONY: demo study test test-scale lint bench docs clean browser

demo: $(VENV)/.installed $(SAMPLES)/.fetched  ## analyse two sample clips into out/ and print the tables
	$(BIN)/mien analyze $(SAMPLES)/single_face.mp4 $(SAMPLES)/WolfgangLanger_Pexels.mp4 -o out --save-video --skip-existing

study: $(VENV)/.installed-study $(SAMPLES)/.fetched  ## a study of the two clips in out/study; FACES=FOLDER adds labelled pictures
	@mkdir -p out/study
	@printf '%s\n' file,person,condition single_face.mp4,ann,short WolfgangLanger_Pexels.mp4,bo,long > out/study/people.csv
	@printf '%s\n' file,onset,duration,trial_type single_face.mp4,0.6,0.5,smile WolfgangLanger_Pexels.mp4,10,0.5,smile > out/study/events.csv
	$(BIN)/mien study $(SAMPLES)/single_face.mp4 $(SAMPLES)/WolfgangLanger_Pexels.mp4 --people out/study/people.csv --events out/study/events.csv --window -0.6 1.4 -o out/study
	@test -z "$(FACES)" || $(BIN)/mien validate "$(FACES)" -o out/validation
	@echo "look at out/study/study.html, then at notes.csv and quality.csv beside it; docs/study.md says what is in the others"

test: $(VENV)/.installed-dev $(SAMPLES)/.fetched browser  ## run the tests; make test ARGS="tests/cli -k doctor"
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

test-scale: $(VENV)/.installed-scale $(SAMPLES)/.fetched  ## run the tests of sweeps that need Ray and an object store
	$(BIN)/python -m pytest -m "scale and not campaign" $(ARGS)

# Pages are tested in a real browser. Root on Debian gets one; else the last line of the tests says what was left out.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
		{ echo "installing chromium, in which pages are tested"; \
		  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } >/dev/null 2>&1 || echo "that failed"; }

lint: $(VENV)/.installed-dev  ## style, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-dev $(SAMPLES)/.fetched  ## side-by-side measurements, printed as ratios
	$(BIN)/python benchmarks/run.py $(SAMPLES) $(ARGS)

docs: $(VENV)/.installed-docs  ## the documentation as a site in build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

clean:  ## remove all that was made, but for .venv
	rm -rf out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "make: no $(PYTHON) here; install Python 3.11 or newer, or name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: mien needs Python 3.11 or newer and $(PYTHON) is older; name a newer one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "make: '$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing mien into $(VENV) (minutes the first time)"
	$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-study: $(VENV)/.installed
	$(INSTALL) -e '.[plots,pandas]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing mien and its development tools into $(VENV) (minutes the first time)"
	$(INSTALL) -e '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-scale: $(VENV)/.installed-dev
	$(INSTALL) -e '.[test-scale]'
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed-dev
	$(INSTALL) -e '.[docs]'
	@touch $@

$(SAMPLES)/.fetched: tools/fetch_samples.py | $(BIN)/python
	$(BIN)/python tools/fetch_samples.py $(SAMPLES)
	@touch $@
