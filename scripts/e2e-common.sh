# shellcheck shell=bash
# The shared part of the end-to-end scripts: the program to test in $matenv, a temporary folder in $work with its
# own HOME and caches, and functions that report results. Sourced by e2e.sh and e2e-gpu.sh.
#
#   MATENV_E2E_WHEEL=1         test the program of the wheel that scripts/wheel.sh built; the default is
#                              `cargo build --release`
#   MATENV_E2E_CACHES=FOLDER   keep the download caches in FOLDER, so that the next script does not download the same
#                              packages again; the default is an empty cache in $work
#   KEEP_TEMP=1                keep $work at the end
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
repo=$PWD
shared=$(cd .. && pwd)/shared
work=$(mktemp -d "${TMPDIR:-/tmp}/matenv-e2e.XXXXXX")
cleanup() { [ -n "${KEEP_TEMP:-}" ] && echo "kept: $work" || rm -rf "$work"; }
trap cleanup EXIT

passed=0 section='' section_start=0 times=''
# end_section: ends the current section and records its seconds.
end_section() {
  [ -z "$section" ] || times+=$(printf '%6d s  %s' $((SECONDS - section_start)) "$section")$'\n'
  section=
}
# say TITLE: starts a section.
say() {
  end_section
  section=$* section_start=$SECONDS
  printf '\n-- %s\n' "$*"
}
ok() { passed=$((passed + 1)); printf 'ok: %s\n' "$*"; }
die() { printf 'FAILED: %s\n' "$*" >&2; printf '%d passed, 1 failed\n' "$passed"; exit 1; }

say "build"
# release_cargo COMMAND OPTIONS...: runs cargo in the build folder of $matenv, where its libraries are compiled already.
if [ -n "${MATENV_E2E_WHEEL:-}" ]; then
  wheels=(dist/*.whl)
  tools=$repo/target/wheel-tools
  [ -e "${wheels[0]}" ] && [ -s "$tools/cargo-target" ] || die "there is no wheel; build it: scripts/wheel.sh"
  python3 -m zipfile -e "${wheels[0]}" "$work/wheel"
  matenv=$(echo "$work"/wheel/matenv-*.data/scripts/matenv)
  chmod +x "$matenv"
  mapfile -d '' -t wheel_env <"$tools/cargo-env"
  # zig keeps its cache when HOME changes.
  wheel_env+=("ZIG_GLOBAL_CACHE_DIR=${ZIG_GLOBAL_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/zig}")
  wheel_target=$(cat "$tools/cargo-target")
  release_cargo() { env "${wheel_env[@]}" cargo "$1" --target "$wheel_target" "${@:2}"; }
else
  cargo build --release --locked
  matenv=$repo/target/release/matenv
  release_cargo() { cargo "$@"; }
fi
"$matenv" --version

# HOME changes below, but rustup and cargo keep their folders.
export RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup} CARGO_HOME=${CARGO_HOME:-$HOME/.cargo}
caches=${MATENV_E2E_CACHES:-$work}
mkdir -p "$caches"
caches=$(cd "$caches" && pwd)
export HOME=$work/home UV_CACHE_DIR=$caches/uv-cache RATTLER_CACHE_DIR=$caches/rattler-cache
unset MATENV_HOME MATENV_UV XDG_CACHE_HOME XDG_CONFIG_HOME LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH CONDA_PREFIX
mkdir -p "$HOME"

# check FILE EXPRESSION: fails unless the Python expression is true. `c` is the JSON document in FILE.
check() {
  python3 - "$1" "$2" <<'PY' || die "not true for $1: $2"
import json, sys
c = json.load(open(sys.argv[1]))
probes = {p["name"]: p for p in c.get("verification", {}).get("probes", [])}
versions = {p["name"]: p["version"] for p in c.get("packages", [])}
codes = {f["code"]: f["severity"] for f in c.get("audit", {}).get("findings", [])}
sys.exit(0 if eval(sys.argv[2]) else 1)
PY
  ok "$2"
}

# healthy ENV: fails if doctor reports a warning or an error about the files of ENV.
healthy() {
  "$matenv" doctor "$1" --json >"$work/doctor.json" || true
  check "$work/doctor.json" '[f for f in c["findings"] if f["scope"] == "environment" and f["severity"] != "info"] == []'
}

# finish: the last line of a script.
finish() {
  end_section
  printf '\nseconds of each section:\n%s' "$times"
  printf '\n%d passed, 0 failed\n' "$passed"
}
