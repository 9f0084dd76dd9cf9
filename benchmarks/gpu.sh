#!/usr/bin/env bash
# What only a GPU can tell, within 25 minutes on one H200: how fast training is beside stock ESPnet's, and what
# egs/libreoffice/mt1 gives at full preset's widths, on references and on a teacher's translations. Never run yet.
#
# Usage: benchmarks/gpu.sh [OUT] [option of egs/libreoffice/mt1/run.sh ...]
#   OUT   folder of the results, by default exp/gpu; everything that is known is in OUT/summary.txt
# Its parts, and the minutes that each may take:
#   speed_mt, speed_st   4 each   benchmarks/train.py on text and on speech; killed, it begins from nothing
#   recipe_real          5        the 6x6 student on references, 2,000 steps of conf/gpu
#   recipe_synth         12       the 24x6 teacher, 3,000 steps, its translations, and the same student on them
# Called again, it leaves out what is finished and goes on with what is not: trainings from their last validation. It exits
# with 1 until all is finished. MINUTES=60 benchmarks/gpu.sh has another limit than 25. Where a command has a limit of
# ten minutes, call it with MINUTES=9 again and again.
#
# Without .venv it runs tools/setup.sh, and stage 1 fetches Debian packages. Where there is no network:
#   - WHEELS=DIR benchmarks/gpu.sh makes .venv of the packages that PYTHON (by default python3; 3.12 or 3.13) has, torch
#     among them, and of the wheels in DIR. On a machine with a network and the same Python, this makes all but what
#     comes with torch; leave out what the GPU's machine has, too:
#       grep -Ev '^(torch(audio)?=|triton|nvidia|cuda)' requirements.lock >wanted.txt
#       python3.12 -m pip wheel --no-deps --wheel-dir DIR -r wanted.txt
#   - put the packages libreoffice-help-en-us and libreoffice-help-de (apt-get download) into egs/libreoffice/mt1/downloads,
#     or add "--deb_dir DIR" with their folder, from /.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/.venv/bin:$PATH" PYTHONUNBUFFERED=1
out=${1:-exp/gpu}
shift || true
recipe=egs/libreoffice/mt1
mkdir -p "$out/recipe" "$recipe/downloads"
out=$(cd "$out" && pwd)
ends=$(($(date +%s) + ${MINUTES:-25} * 60))
unfinished="" running=""

install() { # .venv without a network: what PYTHON has, and WHEELS before it
    local python=${PYTHON:-python3} site='import sysconfig; print(sysconfig.get_path("purelib"))' packages
    local pip=("$python" -m pip --python .venv/bin/python install --quiet --no-index --no-deps)
    # PYTHON may be of a virtual environment itself, whose packages are not the system's: hence machine.pth.
    "$python" -m venv --clear --without-pip --system-site-packages .venv &&
        packages=$("$python" -c "$site") &&
        echo "import site; site.addsitedir('$packages')" >"$(.venv/bin/python -c "$site")/machine.pth" &&
        "${pip[@]}" "$WHEELS"/*.whl &&
        "${pip[@]}" --no-build-isolation --editable . &&
        .venv/bin/python tools/check_install.py
}

require_synthst() { # make .venv, or say how to
    [[ ! -x .venv/bin/synthst ]] || return 0
    echo "$(date +%H:%M:%S) .venv, see $out/setup.log"
    if [[ -n "${WHEELS:-}" ]]; then
        install >>"$out/setup.log" 2>&1 && return 0
    else
        tools/setup.sh >>"$out/setup.log" 2>&1 && return 0
    fi
    rm -f .venv/bin/synthst
    tail -n 5 "$out/setup.log" >&2
    echo "gpu.sh: .venv cannot be made; without a network give WHEELS=DIR, see the head of benchmarks/gpu.sh" >&2
    exit 1
}

step() { # step NAME MINUTES COMMAND...: run it once, for so long at most; what it says goes to OUT/NAME.log
    local name=$1 most=$(($2 * 60)) left=$((ends - $(date +%s))) status=0 command
    shift 2
    command=$(printf '%q ' "$@")
    [[ "$(cat "$out/$name.done" 2>/dev/null)" != "$command" ]] || return 0
    unfinished+=" $name"
    rm -f "$out/$name.done"
    if ((left < 30)); then echo "$name: no time left"; return 0; fi
    echo "$(date +%H:%M:%S) $name"
    timeout --signal=INT --kill-after=20 "$((left < most ? left : most))" "$@" >>"$out/$name.log" 2>&1 &
    running=$!
    wait "$running" || status=$?
    running=""
    case $status in
        0) echo "$command" >"$out/$name.done"; unfinished=${unfinished% "$name"} ;;
        124 | 137) echo "$name: its time is over" ;;
        *) echo "$name: ended with $status; the last lines of $out/$name.log:"; tail -n 5 "$out/$name.log" ;;
    esac
    summarise
}

summarise() {
    cat "$out"/machine.txt "$out"/speed_*/train.txt "$out"/recipe/RESULTS.md 2>/dev/null >"$out/summary.txt" || true
}

stop() { # also when this script is ended from outside
    [[ -z "$running" ]] || kill "$running" || true
    summarise
}

trap stop EXIT
require_synthst
{
    date -u
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || echo "there is no GPU here"
} >>"$out/machine.txt"
ln -sfn "$PWD/$recipe/downloads" "$out/recipe/downloads"
for task in mt st; do
    batch=$([[ $task == mt ]] && echo 12000 || echo 600)
    step "speed_$task" 4 python benchmarks/train.py --task "$task" --ngpu 1 --batch "$batch" --batches 10 --rounds 12 \
        --minutes 2.5 --out "$out/speed_$task"
done
for targets in real synth; do # stage 13 exports with CTranslate2, which has nothing to do with the GPU
    minutes=$([[ $targets == real ]] && echo 5 || echo 12)
    step "recipe_$targets" "$minutes" "$recipe/run.sh" --preset full --conf conf/gpu --ngpu 1 --workdir "$out/recipe" --student 6x6 \
        --subset all --stop_stage 12 --targets "$targets" "$@"
done
summarise
cat "$out/summary.txt"
if [[ -n "$unfinished" ]]; then
    echo "gpu.sh: not finished:$unfinished; mend what failed, and call it again with the same options" >&2
    exit 1
fi
