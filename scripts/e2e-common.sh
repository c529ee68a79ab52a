# What the end-to-end runs share: a release binary in $matenv, a HOME of its own with its caches in $work, which is removed
# afterwards (KEEP_TEMP=1 keeps it), and words for what holds. Sourced.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
repo=$PWD
shared=$(cd .. && pwd)/shared
work=$(mktemp -d "${TMPDIR:-/tmp}/matenv-e2e.XXXXXX")
cleanup() { [ -n "${KEEP_TEMP:-}" ] && echo "kept: $work" || rm -rf "$work"; }
trap cleanup EXIT

passed=0
say() { printf '\n-- %s\n' "$*"; }
ok() { passed=$((passed + 1)); printf 'ok: %s\n' "$*"; }
die() { printf 'FAILED: %s\n' "$*" >&2; printf '%d passed, 1 failed\n' "$passed"; exit 1; }

say "build"
cargo build --release --locked
matenv=$repo/target/release/matenv

# rustup and cargo stay where they are when HOME moves.
export RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup} CARGO_HOME=${CARGO_HOME:-$HOME/.cargo}
export HOME=$work/home UV_CACHE_DIR=$work/uv-cache RATTLER_CACHE_DIR=$work/rattler-cache
unset MATENV_HOME MATENV_UV XDG_CACHE_HOME XDG_CONFIG_HOME LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH CONDA_PREFIX
mkdir -p "$HOME"

# check FILE EXPRESSION: `c` is the certificate in FILE.
check() {
  python3 - "$1" "$2" <<'PY' || die "$2 does not hold in $1"
import json, sys
c = json.load(open(sys.argv[1]))
probes = {p["name"]: p for p in c.get("verification", {}).get("probes", [])}
versions = {p["name"]: p["version"] for p in c.get("packages", [])}
codes = {f["code"]: f["severity"] for f in c.get("audit", {}).get("findings", [])}
sys.exit(0 if eval(sys.argv[2]) else 1)
PY
  ok "$2"
}

# healthy ENV: doctor finds nothing above info in its files.
healthy() {
  "$matenv" doctor "$1" --json >"$work/doctor.json" || true
  check "$work/doctor.json" '[f for f in c["findings"] if f["scope"] == "environment" and f["severity"] != "info"] == []'
}

# done_with_it: the last line of a run.
done_with_it() { printf '\n%d passed, 0 failed\n' "$passed"; }
