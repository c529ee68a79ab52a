#!/usr/bin/env bash
# Record a real `matenv install runtime --profile cpu` and draw it as docs/assets/install.svg, the picture in README.md.
#
#   scripts/readme-picture.sh [MATENV]
#
# Without MATENV it uses the program of `cargo build --release`. HOME and all caches are in a temporary folder, which is
# removed afterwards, so this downloads about 100 MB from the package index that pip and uv are configured for. Needs
# `script` (util-linux) and Python >= 3.11.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit ;; esac
picture=docs/assets/install.svg
# A terminal breaks a long line inside a word. So this one is wide, and the picture breaks lines at spaces.
columns=200 wrap=100
if [ -n "${1:-}" ]; then
  matenv=$(realpath "$1")
else
  cargo build --release --locked
  matenv=$PWD/target/release/matenv
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/matenv-picture.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/home" "$work/bin"
ln -s "$matenv" "$work/bin/matenv"
unset MATENV_UV XDG_CACHE_HOME XDG_CONFIG_HOME LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH CONDA_PREFIX NO_COLOR CI
outer_home=$HOME
export HOME=$work/home MATENV_HOME=$work/home/.matenv UV_CACHE_DIR=$work/uv RATTLER_CACHE_DIR=$work/rattler
# The system's Python if its version is supported, because its path is the same on many machines.
path=$PATH
if /usr/bin/python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
  path=/usr/bin:/bin
fi

command="matenv install runtime --profile cpu"
PATH=$work/bin:$path PYENV_ROOT=$work/none TERM=xterm-256color \
  script --quiet --return --flush --command "stty cols $columns rows 40; $command" "$work/recording" </dev/null
scripts/terminal-svg.py --title matenv --command "$command" --columns $columns --wrap $wrap --replace "$outer_home/=~/" \
  -o "$work/picture.svg" "$work/recording"

# The picture must not say where it was made: no URL, no temporary folder, no name of this machine.
shown=$(python3 -c 'import sys, xml.etree.ElementTree as t; print("\n".join(t.parse(sys.argv[1]).getroot().itertext()))' "$work/picture.svg")
for word in :// "$work" "${TMPDIR:-/tmp}/" "\b$(uname -n)\b"; do
  if grep -E -- "$word" <<<"$shown" >&2; then
    echo "FAILED: the picture contains \`$word\`" >&2
    exit 1
  fi
done
mkdir -p "$(dirname "$picture")"
cp "$work/picture.svg" "$picture"
echo "wrote $picture"
