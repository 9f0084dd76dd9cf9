#!/usr/bin/env bash
# Make .venv with everything that synthst needs. Running it again does nothing.
#
# Usage: tools/setup.sh [--force]
#   PYTHON=/path/to/python3.12 tools/setup.sh   to choose the interpreter (3.12 or 3.13)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fits() { # is $1 a Python that works and has a version that ESPnet supports?
    [[ -x "$1" ]] && "$1" -c 'import sys; sys.exit(not (3, 12) <= sys.version_info < (3, 14))' 2>/dev/null
}

find_python() { # PATH, then pyenv's versions; prints nothing when there is none
    local name candidate
    for name in "${PYTHON:-}" python3.12 python3.13 python3 python; do
        candidate=$(command -v "$name" 2>/dev/null) && fits "$candidate" && echo "$candidate" && return
    done
    for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[23]*/bin/python; do
        fits "$candidate" && echo "$candidate" && return
    done
    true # or set -e would stop here
}

find_uv() { # PATH, then a copy of our own in .uv, made with pip
    command -v uv && return
    if [[ ! -x .uv/bin/uv ]]; then
        local base=${python:-python3}
        "$base" -m venv .uv >&2 && .uv/bin/python -m pip install --quiet uv >&2 ||
            { rm -rf .uv; "$base" -m pip install --quiet --target .uv uv >&2; } ||
            { echo "setup: cannot install uv with $base; install uv (or python3-venv) and try again" >&2; exit 1; }
    fi
    echo "$PWD/.uv/bin/uv"
}

wanted=$(cat requirements.lock setup.py pyproject.toml tools/setup.sh | cksum)
if [[ "${1:-}" != --force && "$(cat .venv/made_from 2>/dev/null)" == "$wanted" ]]; then
    exit 0
fi
if [[ -n "${PYTHON:-}" ]] && ! fits "$(command -v "$PYTHON" || true)"; then
    echo "setup: PYTHON=$PYTHON is no working Python 3.12 or 3.13" >&2
    exit 1
fi
python=$(find_python)
uv=$(find_uv)
echo "setup: ${python:-Python 3.12, downloaded by uv} into .venv"
"$uv" venv --quiet --clear --python "${python:-3.12}" .venv
"$uv" pip sync --quiet --python .venv/bin/python requirements.lock
"$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
.venv/bin/python tools/check_install.py
echo "$wanted" > .venv/made_from
