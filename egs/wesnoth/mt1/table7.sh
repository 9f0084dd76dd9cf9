#!/usr/bin/env bash
# The nine cells of the paper's Table 7 for one size of student; RESULTS.md is written after each. Started again, it goes on.
#
# Usage: ./table7.sh [--option value ...]   The options are those of run.sh, but for --pretrained, --targets and --teacher, e.g.
#   ./table7.sh --ngpu 1 --student 6x6                # the paper's width, for a GPU
#   ./table7.sh --preset mini --subset 4000           # two CPU cores
set -euo pipefail
cd "$(dirname "$0")"
for pretrained in none real synth; do
    ./run.sh --pretrained "$pretrained" --targets real "$@"
    ./run.sh --pretrained "$pretrained" --targets synth --teacher general "$@"
    ./run.sh --pretrained "$pretrained" --targets synth --teacher indomain "$@"
done
