# make demo   set up, then the main job: real against synthetic targets, on real text, on a CPU
# make demo_st  the same for speech translation
# make test   set up, then every test
# make unit   set up, then the unit tests alone
# make check  set up, then style, types, shell scripts
.PHONY: setup demo demo_st test unit check

python = .venv/bin/python

setup:
	@tools/setup.sh

demo: setup
	cd egs/libreoffice/mt1 && for targets in real synth synth_mono; do \
	    ./run.sh --preset mini --targets $$targets || exit 1; done

demo_st: setup
	cd egs/libreoffice/st1 && for targets in real synth; do \
	    ./run.sh --preset mini --student 6x3 --targets $$targets --stop_stage 11 || exit 1; done

pytest = OMP_NUM_THREADS=1 $(python) -m pytest -n auto --maxprocesses 4 --dist loadfile --durations 25

test: setup
	$(pytest)

unit: setup
	$(pytest) -m "not recipe and not system" --ignore tests/recipes --ignore tests/system

check: setup
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	.venv/bin/shellcheck -x tools/*.sh benchmarks/*.sh egs/*/*/*.sh .ci/run
