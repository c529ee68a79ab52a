#!/usr/bin/env bash
# End-to-end test with real packages: from an empty HOME to proven environments. Everything is in a temporary
# folder, which is removed afterwards. Needs a package index and about 20 GB of disk space. Parts that use ../shared
# are skipped with a message if that folder is missing.
# shellcheck source=e2e-common.sh
source "$(dirname "$0")/e2e-common.sh"

# peak COMMAND...: runs it and writes the largest resident size of that process alone to $work/peak, in MB.
peak() {
  "$@" &
  local pid=$! high=0 now
  while now=$(awk '/^VmHWM/{print $2}' "/proc/$pid/status" 2>/dev/null) && [ -n "$now" ]; do high=$now; sleep 0.05; done
  echo $((high / 1024)) >"$work/peak"
  wait "$pid"
}

say "runtime, without configuration and without a conda channel"
"$matenv" install runtime --profile cpu
"$matenv" report runtime --json >"$work/runtime.json"
check "$work/runtime.json" 'c["ok"] and c["proven"]'
check "$work/runtime.json" 'c["fallbacks"] == ["host-python"] or c["fallbacks"] == []'
check "$work/runtime.json" 'c["bench"]["reference_ok"] and len(c["bench"]["rows"]) >= 3'
"$HOME/.matenv/envs/runtime/bin/python" -c 'import numpy' && ok "bin/python works"
start=$(date +%s%N)
"$matenv" install runtime --profile cpu >"$work/noop.txt"
took=$((($(date +%s%N) - start) / 1000000))
grep -q 'nothing to do' "$work/noop.txt" || die "the second run changed something"
echo "a run with nothing to do took $took ms"
[ "$took" -lt 200 ] || die "a run with nothing to do took $took ms"
ok "a second run has nothing to do, in under 0.2 s"

healthy runtime

say "numpy 1 in an environment whose packages require numpy 2"
if [ -d "$shared/channel" ]; then
  # Newer Pythons have no wheel of numpy 1.
  mkdir "$work/manifests"
  sed -e 's/^name = .*/name = "older"/' -e 's/^preferred = .*/preferred = "3.11"/' manifests/runtime.toml >"$work/manifests/older.toml"
  older=(--mirror "conda-forge=file://$shared/channel")
  "$matenv" install older --manifest-dir "$work/manifests" --profile cpu --no-bench "${older[@]}"
  uv=$(find "$HOME/.matenv/tools" -name uv -path '*/bin/*' 2>/dev/null | head -n 1 || true)
  "${uv:-uv}" pip install --quiet --break-system-packages --python "$HOME/.matenv/envs/older/bin/python" 'numpy<2'
  "$matenv" doctor older --json >"$work/older.json" && die "numpy 1 was not detected"
  check "$work/older.json" '[f for f in c["findings"] if f["code"] == "ME036" and "-> 1." in f["message"]]'
  check "$work/older.json" '[f for f in c["findings"] if f["code"] == "ME013" and "numpy>=2" in f["message"]]'
  "$matenv" repair older --no-bench "${older[@]}" --quiet
  healthy older
  "$matenv" remove older
else
  echo "SKIPPED: ../shared is missing, so there is no conda channel with Python 3.11"
fi

say "ONNX Runtime leaves no files in an empty HOME"
"$matenv" verify runtime --json >/dev/null
"$matenv" bench runtime --json >/dev/null
"$matenv" run runtime -- python -c 'import onnxruntime'
left=$(find "$HOME" -path "$HOME/.matenv" -prune -o \( -iname '*onnx*' -o -iname '*.db' -o -iname '*deviceid*' \) -print)
[ -z "$left" ] || die "files are left: $left"
ok "install, verify, bench and run leave no files"

say "exports, read by other tools"
readers=$work/readers
python3 -m venv "$readers"
"$readers/bin/python" -m pip install --quiet --disable-pip-version-check \
  check-jsonschema==0.39.0 'cyclonedx-python-lib[json-validation]==11.12.0' py-rattler==0.28.0 pyyaml==6.0.3
mkdir "$work/lab"
if [ -d "$shared/channel" ]; then
  "$matenv" install runtime --name exported --profile cpu --no-bench --mirror "conda-forge=file://$shared/channel"
  for format in explicit cyclonedx requirements pylock; do
    "$matenv" export exported --format "$format" --output "$work/lab/$format"
  done
  mv "$work/lab/pylock" "$work/lab/pylock.toml"
  "$readers/bin/python" scripts/read-exports.py "$work/lab/explicit" "$work/lab/cyclonedx"
  ok "py-rattler reads the explicit list, and a validator accepts the bill of materials"
  # Both lists are for the environment's own Python and leave out conda packages.
  python=$HOME/.matenv/envs/exported/bin/python
  uv=$(find "$HOME/.matenv/tools" -name uv -path '*/bin/*' | head -n 1)
  uv=${uv:-$(command -v uv)}
  "$uv" venv --quiet --python "$python" "$work/lab/uv" && "$uv" venv --quiet --python "$python" "$work/lab/pip"
  "$uv" pip sync --quiet --python "$work/lab/uv/bin/python" "$work/lab/pylock.toml"
  "$python" -m pip --python "$work/lab/pip/bin/python" install --quiet --no-deps --require-hashes -r "$work/lab/requirements"
  for venv in uv pip; do "$work/lab/$venv/bin/python" -c 'import onnx, onnxruntime'; done
  ok "uv installs the pylock, and pip installs the requirements"
  "$matenv" remove exported
else
  echo "SKIPPED: ../shared is missing, so there is no environment from a conda channel to export"
fi

if [ -d "$shared/conda-forge-snapshot" ]; then
  say "a lab lock of three environments, two profiles and three platforms"
  rm -rf "$work/lab" && mkdir "$work/lab" && cd "$work/lab"
  cat >matenv.toml <<'TOML'
[environments.sleap]
profiles = ["cpu", "gpu"]
[environments.x-anylabeling]
profiles = ["cpu", "gpu"]
[environments.runtime]
profiles = ["cpu", "gpu"]

[lock]
platforms = ["linux-64", "osx-arm64", "win-64"]
TOML
  # The index as it was yesterday does not change between the runs.
  day=$(date -u -d yesterday +%F)
  relock() { "$matenv" lock --exclude-newer "$day" --mirror torch=pypi --mirror "conda-forge=file://$shared/conda-forge-snapshot" "$@"; }
  relock
  mkdir "$work/first" && cp matenv.lock matenv-lock.json "$work/first"
  same() { cmp matenv.lock "$work/first/matenv.lock" && cmp matenv-lock.json "$work/first/matenv-lock.json" || die "$1"; ok "$1"; }
  relock | grep -q 'matenv.lock is unchanged' || die "the second lock differs"
  same "a second lock has the same bytes"
  "$matenv" lock --check --mirror torch=pypi
  rm matenv.lock matenv-lock.json
  UV_CACHE_DIR=$work/empty-uv RATTLER_CACHE_DIR=$work/empty-rattler relock --quiet
  same "a lock with empty caches has the same bytes"
  rm -rf "$work/empty-uv" "$work/empty-rattler" matenv.lock matenv-lock.json
  python3 "$repo/scripts/pypi-mirror.py" >"$work/mirror" &
  mirror=$!
  while [ ! -s "$work/mirror" ]; do kill -0 $mirror || die "the mirror did not start"; sleep 0.1; done
  relock --quiet --mirror "pypi=$(cat "$work/mirror")"
  kill $mirror
  same "a lock through a mirror has the same bytes"
  "$readers/bin/python" "$repo/scripts/read-lock.py" matenv.lock
  ok "py-rattler reads the lock, and each package has its hash"
  wheel=matenv-0.1.0-py3-none-any.whl
  echo 'only its hash is used here' >"$wheel"
  for kind in github gitlab; do
    "$matenv" ci "$kind" --wheel "$wheel" --output "$kind.yml"
    "$readers/bin/check-jsonschema" --builtin-schema "vendor.$([ $kind = github ] && echo github-workflows || echo gitlab-ci)" "$kind.yml"
  done
  ok "the files of matenv ci are valid by the schemas of GitHub and GitLab"
  cd "$repo"
fi
if [ -d "$shared/channel" ]; then
  say "the same lock, installed in two homes"
  rm -rf "$work/lab" && mkdir "$work/lab" && cd "$work/lab"
  # This channel's packages need a newer glibc than the default.
  printf '[environments.runtime]\nprofiles = ["cpu"]\n[lock]\nplatforms = [{ platform = "linux-64", glibc = "2.36" }]\n[mirrors]\nconda-forge = "file://%s/channel"\n' "$shared" >matenv.toml
  "$matenv" lock
  offline=
  for home in one two; do
    HOME=$work/$home MATENV_HOME=$work/$home/.matenv "$matenv" install runtime --locked --no-bench $offline
    # Not compared: files that contain the prefix, matenv's activation scripts, and files with the hashes of such files.
    (cd "$work/$home/.matenv/envs/runtime/" && prefix=$(pwd -P) &&
      find . -type f ! -name '*.pyc' ! -name RECORD ! -path './conda-meta/*' ! -path './share/matenv/*' ! -name '00-matenv.*' -print0 | sort -z |
      while IFS= read -r -d '' file; do grep -qF "$prefix" "$file" || sha256sum "$file"; done) >"$work/$home.list"
    # The second home is installed without a network and without the pages of the index.
    [ -n "$offline" ] || rm -r "$UV_CACHE_DIR"/simple-*
    offline=--offline
  done
  [ "$(wc -l <"$work/one.list")" -gt 1000 ] || die "too few files to compare"
  cmp "$work/one.list" "$work/two.list" || die "two homes have different files"
  ok "two homes have the same files, although the second one was installed offline without the pages of the index"
  rm -rf "$work/one" "$work/two"
  cd "$repo"
fi

mirrors=()
if [ -d "$shared/channel" ]; then
  mirrors=(--mirror "conda-forge=file://$shared/channel" --mirror torch=pypi)
  say "sleap from a conda channel, with torch from PyPI and a trained model"
  peak "$matenv" install sleap --profile cpu "${mirrors[@]}" \
    --model-dir "$shared/sleap-model/minimal_instance_centroid"
  "$matenv" report sleap --json >"$work/sleap.json"
  check "$work/sleap.json" 'c["ok"] and c["proven"] and c["fallbacks"] == []'
  check "$work/sleap.json" 'versions["python"] == "3.13.15"'
  check "$work/sleap.json" 'all(p["ok"] or (p.get("finding") or {}).get("severity") == "warning" for p in probes.values())'
  check "$work/sleap.json" 'codes.get("ME014") == "info"'
  check "$work/sleap.json" 'c["bench"]["reference_ok"] and c["bench"]["others"][0]["rows"]'
  echo "largest resident size of matenv itself during install sleap: $(cat "$work/peak") MB"
  [ "$(cat "$work/peak")" -lt 300 ] || die "matenv itself used $(cat "$work/peak") MB"
  ok "matenv itself stays under 300 MB"
else
  say "sleap without a conda channel"
  echo "SKIPPED: ../shared is missing, so there is no conda channel and no trained model"
  "$matenv" install sleap --profile cpu
fi

say "sleap in an empty shell, with another libstdc++ on LD_LIBRARY_PATH, and activated"
env -i HOME="$HOME" PATH=/usr/bin:/bin "$HOME/.matenv/envs/sleap/bin/python" -c 'import sleap_nn'
ok "import sleap_nn in an empty shell"
bad=$work/bad
mkdir "$bad"
printf 'void nothing_here(void) {}\n' | cc -x c - -shared -fPIC -Wl,-soname,libstdc++.so.6 -o "$bad/libstdc++.so.6"
if LD_LIBRARY_PATH=$bad "$HOME/.matenv/envs/sleap/bin/python" -c 'import torch' 2>/dev/null; then
  die "the other libstdc++ does no harm, so the next checks would prove nothing"
fi
LD_LIBRARY_PATH=$bad "$matenv" run sleap -- python -c 'import torch'
ok "matenv run is not affected by LD_LIBRARY_PATH"
for shell in "sh" "dash" "bash -u"; do
  command -v "${shell%% *}" >/dev/null || { echo "SKIPPED: no $shell"; continue; }
  env -i HOME="$HOME" PATH="$HOME/.matenv/envs/sleap/bin:/usr/bin:/bin" LD_LIBRARY_PATH="$bad" \
    CONDA_PREFIX="$HOME/.matenv/envs/sleap" $shell -c '
      set -e
      for f in "$CONDA_PREFIX"/etc/conda/activate.d/*.sh; do . "$f"; done
      python -c "import torch"
      test "${CONDA_PREFIX#*/store/}" != "$CONDA_PREFIX"
      for f in "$CONDA_PREFIX"/etc/conda/deactivate.d/*.sh; do . "$f"; done
      test "$LD_LIBRARY_PATH" = "'"$bad"'"' || die "activation in $shell"
  ok "activation and deactivation in $shell"
done

say "sleap and x-anylabeling with one command, without mirrors, on this machine's Python"
"$matenv" remove sleap
[ ! -e "$HOME/.conda/envs/sleap" ] || die "remove left the conda link"
# The system's Python if its version is supported, because it has patched schemes and no ensurepip.
path=$PATH
if /usr/bin/python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
  path=/usr/bin:/bin
fi
PATH=$path PYENV_ROOT=$work/none "$matenv" install --profile cpu --timings "$work/trace.json"
for env in sleap x-anylabeling; do
  "$matenv" report "$env" --json >"$work/host.json"
  check "$work/host.json" 'c["ok"] and c["proven"]'
  check "$work/host.json" 'all(p["ok"] or (p.get("finding") or {}).get("severity") == "warning" for p in probes.values())'
  echo "fallbacks: $(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["fallbacks"])' "$work/host.json")"
  healthy "$env"
done
python3 - "$work/trace.json" <<'PY' || die "a stage is missing in the trace"
import json, sys
names = {event.get("name") for event in json.load(open(sys.argv[1]))}
sys.exit(0 if {"solve", "link", "resolve", "wheels", "verify", "probe", "bench"} <= names else 1)
PY
ok "--timings writes a trace with all stages"

"$matenv" run x-anylabeling -- python "$repo/scripts/x-anylabeling-model-types.py" | tail -n 3
ok "each model type of X-AnyLabeling loads, or lacks something that docs/guides/labelling.md lists"

say "X-AnyLabeling from a folder, from a git URL, and from an old source tree with requirements.txt"
rm -rf "$work/clone" && mkdir "$work/clone"
python3 -m pip download --quiet --no-deps --no-binary :all: -d "$work/sdist" x-anylabeling-cvhub
tar -xzf "$work"/sdist/x_anylabeling_cvhub-*.tar.gz -C "$work/clone" --strip-components 1
repository() { git -C "$1" init --quiet && git -C "$1" add -A && git -C "$1" -c user.name=e2e -c user.email=e2e@example.org commit --quiet -m "a clone"; }
repository "$work/clone"
git clone --quiet "$work/clone" "$work/old"
git -C "$work/old" rm --quiet pyproject.toml
python3 - "$work/clone/pyproject.toml" >"$work/old/requirements.txt" <<'PY'
import sys, tomllib
project = tomllib.load(open(sys.argv[1], "rb"))["project"]
print("\n".join(project["dependencies"] + project["optional-dependencies"]["cpu"]))
PY
repository "$work/old"
head=$(git -C "$work/clone" rev-parse HEAD)
for place in "$work/clone" "file://$work/clone@$head" "file://$work/old"; do
  "$matenv" install x-anylabeling --profile cpu --no-bench --source "x-anylabeling=$place"
  "$matenv" report x-anylabeling --json >"$work/source.json"
  check "$work/source.json" 'c["source"]["commit"] and probes and all(p["ok"] or (p.get("finding") or {}).get("severity") == "warning" for p in probes.values())'
done

say "the files in HOME"
find "$HOME" -maxdepth 2 -not -path "$HOME" | sort

say "matenv through cargo install"
release_cargo install --quiet --locked --path . --root "$work/cargo-root"
"$work/cargo-root/bin/matenv" self info

say "speed: matenv and uv install the same packages"
rm -rf "$HOME/.matenv" "$HOME/.conda"
MATENV_BENCH_MIRRORS="${mirrors[*]:-}" release_cargo bench --locked --bench install
if [ -d "$shared/conda-forge-snapshot" ]; then
  MATENV_BENCH_MIRRORS="--mirror torch=pypi --mirror conda-forge=file://$shared/conda-forge-snapshot" release_cargo bench --locked --bench lock
fi

finish
