#!/usr/bin/env bash
# A wheel of matenv in dist/, for Linux of glibc 2.28 and later (RHEL 8, Debian 10, Ubuntu 18.10): zig links against
# that C library whatever this machine has. Needs a Rust toolchain, Python >= 3.11 and a package index; the tools go
# into target/wheel-tools.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/target/wheel-tools
# Pinned: another zig may link against another C library.
want="maturin==1.16.0 ziglang==0.17.1 cargo-zigbuild==0.24.1"

if [ "$(cat "$tools/want" 2>/dev/null)" != "$want" ]; then
  rm -rf "$tools"
  python3 -m venv "$tools"
  # shellcheck disable=SC2086  # three words
  "$tools/bin/python" -m pip install --quiet --disable-pip-version-check $want
  echo "$want" >"$tools/want"
fi
rm -rf dist
PATH=$tools/bin:$PATH "$tools/bin/maturin" build --release --zig --compatibility manylinux_2_28 --out dist "$@"
ls -l dist
