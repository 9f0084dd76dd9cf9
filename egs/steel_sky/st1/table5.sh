#!/usr/bin/env bash
# The four rows of the paper's Table 5, one after the other; RESULTS.md is written after each. Started again, it goes on.
#
# Usage: ./table5.sh [--option value ...]   The options are those of run.sh, but for --targets and --teacher, e.g.
#   ./table5.sh --ngpu 1                              # the paper's width, for a GPU
#   ./table5.sh --preset mini --student 6x3           # two CPU cores
set -euo pipefail
cd "$(dirname "$0")"
./run.sh --targets real "$@"                               # human references
./run.sh --targets synth "$@"                              # the general teacher's
./run.sh --targets synth --teacher indomain "$@"           # the in-domain teacher's
./run.sh --targets synth_asr --teacher indomain "$@"       # and those of speech that had only transcripts
