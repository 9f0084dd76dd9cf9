# Put the repository's environment on the PATH; a recipe's path.sh sources it, after tools/recipe.sh.
# shellcheck shell=bash
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ ! -x "$root/.venv/bin/synthst" ]]; then
    echo "path.sh: $root/.venv is not there yet; run tools/setup.sh" >&2
    exit 1
fi
export PATH="$root/.venv/bin:$PATH:$root/.uv/bin" PYTHONUNBUFFERED=1
