#!/usr/bin/env bash
# Build a wheel of matenv in dist/ for Linux with glibc 2.28 or later (RHEL 8, Debian 10, Ubuntu 18.10). zig links
# against that glibc, whatever this machine has. Needs a Rust toolchain, Python >= 3.11 and a package index;
# installs its tools into target/wheel-tools.
#
#   scripts/wheel.sh [OPTIONS OF maturin build]
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/target/wheel-tools
# Pinned: another zig may link against another glibc.
want="maturin==1.16.0 ziglang==0.17.1 cargo-zigbuild==0.24.1"

if [ "$(cat "$tools/want" 2>/dev/null)" != "$want" ]; then
  rm -rf "$tools"
  python3 -m venv "$tools"
  # shellcheck disable=SC2086  # three words
  "$tools/bin/python" -m pip install --quiet --disable-pip-version-check $want
  echo "$want" >"$tools/want"
fi

# maturin sets the linker and the C compiler only for the cargo that it starts. This `cargo` writes these variables to a
# file, so that the end-to-end scripts can build benchmarks and examples in the same folder and nothing compiles twice.
rm -rf "$tools/cargo-env" "$tools/cargo-target" "$tools/shim"
mkdir "$tools/shim"
env -0 | LC_ALL=C sort -z >"$tools/outer-env"
printf '#!/usr/bin/env bash\ntools=%q cargo=%q\n' "$tools" "$(command -v cargo)" >"$tools/shim/cargo"
cat >>"$tools/shim/cargo" <<'EOF'
if [ "$1" = rustc ]; then
  env -0 | LC_ALL=C sort -z | LC_ALL=C comm -z -13 "$tools/outer-env" - |
    grep -zvE '^(_|PATH|PWD|OLDPWD|SHLVL)=' >"$tools/cargo-env"
  printf '%s\n' "$@" | sed -n '/^--target$/{n;p;q}' >"$tools/cargo-target"
fi
exec "$cargo" "$@"
EOF
chmod +x "$tools/shim/cargo"

rm -rf dist
PATH=$tools/shim:$tools/bin:$PATH env -u CARGO \
  "$tools/bin/maturin" build --release --zig --compatibility manylinux_2_28 --out dist "$@"
ls -l dist
