#!/usr/bin/env bash
# Every student of En-De and En-Ru at the paper's width, on a GPU: real, synthetic, synthetic with more sources.
# What is finished is passed over, so run it again after a stop; RESULTS.md is written after every student.
#
# Usage: ./grid.sh [--option value ...]     options of run.sh that all runs share, e.g. --ngpu 1 --subset 8000
set -euo pipefail
cd "$(dirname "$0")"
for langs in en-de en-ru; do
    for student in 2x2 6x6 24x6; do
        for targets in real synth synth_mono; do
            ./run.sh --ngpu 1 --langs "$langs" --student "$student" --targets "$targets" "$@"
        done
    done
done
