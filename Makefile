# The two commands a newcomer needs are `make up` and `make test`; `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
IMAGES := examples/images
PYTHON := build/venv/bin/python
JOBS   := $(shell nproc)
# Clones in different folders share what the compiler cache holds.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1

.PHONY: help setup build guests model dapr up test unit asan tsan fuzz e2e style lint format bench soak lock clean

help:           ## this list
	@sed -nE 's/^([a-z]+): .*##(.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup:          ## install what is missing: Debian packages, Python environment, llhttp
	@tools/setup.sh

build: setup    ## build the program: build/trilby
	@cmake --preset release > build/configure.log || { cat build/configure.log; exit 1; }
	@cmake --build --preset release --parallel $(JOBS)
	@ln -sfn release/src/cli/trilby build/trilby

guests: setup   ## build the example's functions
	@$(MAKE) --no-print-directory -C $(IMAGES)/functions

model: setup    ## turn the published weights into the example's model
	@$(PYTHON) $(IMAGES)/model/convert.py $(IMAGES)/models

dapr:           ## build the real Dapr, once: build/dapr/daprd, its companions and dapr
	@tools/dapr/build.sh $(JOBS)
	@tools/dapr/build_locks.sh $(JOBS)
	@tools/dapr/cli/build.sh $(JOBS)

up: build guests model  ## run the article's system until Ctrl-C
	@exec build/trilby up $(IMAGES)/trilby.toml

test: style unit fuzz e2e  ## every test that CI runs (docs/ci.md says what is left out, and why)
	@echo "make test: all passed"

unit: build     ## unit tests
	@ctest --preset release

# What works memory hardest, end to end. Not with this program: a test of resident memory, for the sanitizer keeps what is
# freed, and one that leaves no descriptor, for the sanitizer takes one to look whether memory can be read.
ASAN_E2E := tests/hostile tests/e2e/test_http.py tests/e2e/test_lifecycle.py tests/e2e/test_reload.py \
  --deselect tests/e2e/test_lifecycle.py::test_nothing_grows_with_requests \
  --deselect tests/hostile/test_faults.py::test_calls_go_on_where_no_descriptor_is_left

asan: setup     ## unit tests and hostile ones under AddressSanitizer and UndefinedBehaviorSanitizer
	@cmake --preset asan > build/configure.log || { cat build/configure.log; exit 1; }
	@cmake --build --preset asan --parallel $(JOBS)
	@ctest --preset asan
	@TRILBY_BIN=$(CURDIR)/build/asan/src/cli/trilby $(PYTHON) -m pytest -q $(ASAN_E2E)

tsan: setup     ## unit tests under ThreadSanitizer (all but those that run guests or models)
	@cmake --preset tsan > build/configure.log || { cat build/configure.log; exit 1; }
	@cmake --build --preset tsan --parallel $(JOBS)
	@ctest --preset tsan

fuzz: setup     ## every fuzz target for FUZZ_SECONDS (30)
	@cmake --preset fuzz > build/configure.log || { cat build/configure.log; exit 1; }
	@cmake --build --preset fuzz --target fuzzers --parallel $(JOBS)
	@tools/fuzz.sh build/fuzz $${FUZZ_SECONDS:-30}

e2e: build guests model dapr  ## end-to-end, command-line and browser tests
	@$(PYTHON) -m pytest -q tests bench examples/images/model

lint: build     ## formatting, clang-tidy, the order of the layers
	@tools/lint.sh

style: setup    ## formatting, and that a folder of src/ includes only folders above it
	@tools/lint.sh --style

format: setup   ## format the C++ sources in place
	@git ls-files '*.h' '*.cc' | xargs build/venv/bin/clang-format -i

bench: build guests model dapr  ## measure against the peers, which are built once; writes bench/results
	@$(PYTHON) bench/peers_setup.py
	@$(PYTHON) bench/run.py

soak: build dapr  ## the long runs, whole (make test does a twentieth of each)
	@$(PYTHON) bench/soak/run.py

lock: setup     ## make tools/requirements.txt anew from requirements.in
	@$(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet pip-tools
	@build/lock/bin/pip-compile --quiet --generate-hashes --strip-extras --no-header --no-emit-index-url \
	  --no-emit-find-links --no-emit-trusted-host -o tools/requirements.txt tools/requirements.in

clean:          ## remove what was built here (not the caches in ~/.cache/trilby)
	@rm -rf build
	@$(MAKE) --no-print-directory -C $(IMAGES)/functions clean
