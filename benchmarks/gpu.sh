#!/usr/bin/env bash
# What only a GPU can tell, within 25 minutes: how fast training is beside stock ESPnet's, and what a training of
# egs/libreoffice/mt1 at full preset costs and gives.
#
# Usage: benchmarks/gpu.sh [OUT] [option of egs/libreoffice/mt1/run.sh ...]
#   OUT   folder of the results, by default exp/gpu; everything that is known is there at every moment
# By default the recipe trains the 6x6 student on references, which needs no teacher: "--targets synth" after OUT trains
# the 24x6 teacher first. Where nothing can be downloaded, put the packages there before and add "--deb_dir DIR".
# Called again, it leaves out what is finished and goes on with what is not. Longer: MINUTES=60 benchmarks/gpu.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/.venv/bin:$PATH" PYTHONUNBUFFERED=1
out=${1:-exp/gpu}
shift || true
mkdir -p "$out"
out=$(cd "$out" && pwd)
ends=$(($(date +%s) + ${MINUTES:-25} * 60))

step() { # step NAME MINUTES COMMAND...: run it once, for so long at most; what it says goes to OUT/NAME.log
    local name=$1 most=$(($2 * 60)) left=$((ends - $(date +%s))) status=0
    shift 2
    if [[ -e "$out/$name.done" ]]; then return 0; fi
    if ((left < 30)); then echo "$name: no time left; call again"; return 0; fi
    echo "$(date +%H:%M:%S) $name"
    timeout --signal=INT --kill-after=20 "$((left < most ? left : most))" "$@" >>"$out/$name.log" 2>&1 || status=$?
    if ((status == 0)); then
        touch "$out/$name.done"
    else
        echo "$name: ended with $status after $SECONDS s; the last lines of $out/$name.log:"
        tail -n 5 "$out/$name.log"
    fi
}

{
    date -u
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || echo "there is no GPU here"
} >>"$out/machine.txt"
for task in mt st; do
    batch=$([[ $task == mt ]] && echo 12000 || echo 600)
    step "speed_$task" 4 python benchmarks/train.py --task "$task" --ngpu 1 --batch "$batch" --batches 10 --rounds 12 --out "$out/speed_$task"
done
step recipe 25 egs/libreoffice/mt1/run.sh --preset full --ngpu 1 --workdir "$out/recipe" --student 6x6 --targets real "$@"
cat "$out"/machine.txt "$out"/speed_*/train.txt "$out"/recipe/RESULTS.md 2>/dev/null >"$out/summary.txt" || true
cat "$out/summary.txt"
