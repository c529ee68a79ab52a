#!/usr/bin/env bash
# Test the wheel in dist/ like a user without Rust: install it into an empty virtual environment and run it with
# uvx, each with an empty HOME. Needs Python >= 3.11, a package index and 500 MB of disk space.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d "${TMPDIR:-/tmp}/matenv-wheel.XXXXXX")
trap 'rm -rf "$work"' EXIT
export HOME=$work/home UV_CACHE_DIR=$work/uv-cache RATTLER_CACHE_DIR=$work/rattler-cache
unset MATENV_HOME MATENV_UV XDG_CACHE_HOME XDG_CONFIG_HOME LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH CONDA_PREFIX
mkdir -p "$HOME"

wheels=(dist/*.whl)
[ -e "${wheels[0]}" ] || { echo "FAILED: there is no wheel; build it: scripts/wheel.sh" >&2; exit 1; }
wheel=$PWD/${wheels[0]}
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index "$wheel"
"$work/venv/bin/matenv" --version
"$work/venv/bin/matenv" install runtime --profile cpu
"$work/venv/bin/matenv" report runtime --json | python3 -c 'import json, sys; sys.exit(not json.load(sys.stdin)["ok"])'
echo "ok: matenv from the wheel installs a proven environment"

# With the uvx of the uv that matenv downloaded, in another empty HOME.
uvx=$(dirname "$(find "$HOME/.matenv/tools" -name uv -path '*/bin/*' | head -n 1)")/uvx
if [ -x "$uvx" ]; then
  HOME=$work/other-home UV_PYTHON_DOWNLOADS=never "$uvx" --from "$wheel" matenv install runtime --profile cpu
  echo "ok: uvx --from $(basename "$wheel") matenv install runtime"
else
  echo "SKIPPED: the uv that matenv uses has no uvx next to it"
fi
