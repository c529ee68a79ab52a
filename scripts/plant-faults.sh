#!/usr/bin/env bash
# Add faults to an installed environment, as users cause them. Then check that matenv detects each one and fixes all.
#
#   scripts/plant-faults.sh ENV MATENV
#
# ENV is sleap on CUDA 13, installed with --cross. Downloads about 350 MB from the package index.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: scripts/plant-faults.sh ENV MATENV" >&2; exit 2; }
env=$1 matenv=$2
home=${MATENV_HOME:-$HOME/.matenv}
uv=${MATENV_UV:-$(find "$home/tools" -name uv -path '*/bin/*' 2>/dev/null | head -n 1 || true)}
uv=${uv:-$(command -v uv)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$home/envs/$env/bin/python
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
planted=0

pip() { "$uv" pip "$1" --quiet --python "$python" --break-system-packages "${@:2}"; }
# findings: prints one line for each error of doctor, with its evidence.
findings() {
  python3 - "$work/doctor.json" <<'PY'
import json, sys
document = json.load(open(sys.argv[1]))
for finding in document["findings"]:
    if finding["severity"] == "error":
        print(finding["code"], finding["message"], *finding["evidence"])
PY
}
# healthy MESSAGE: fails with MESSAGE if doctor reports a warning or an error about the environment's files.
healthy() {
  "$matenv" doctor "$env" --json >"$work/doctor.json" || { findings; echo "FAILED: $1"; exit 1; }
  python3 - "$work/doctor.json" <<'PY'
import json, sys
bad = [f for f in json.load(open(sys.argv[1]))["findings"] if f["scope"] == "environment" and f["severity"] != "info"]
sys.exit(f"FAILED: {bad}" if bad else 0)
PY
}
# replace FILE: writes standard input to a new FILE, so that the copy in the cache does not change.
replace() { cat >"$work/copy" && mv "$work/copy" "$1"; }
# found CODE PATTERN: fails unless doctor reported an error with this code whose text matches PATTERN.
found() {
  grep -qi "^$1 .*$2" "$work/found" || { cat "$work/found"; echo "FAILED: no $1 that matches $2"; exit 1; }
  planted=$((planted + 1))
  echo "ok: $1: $2"
}

healthy "the environment has faults at the start"

pip install --no-deps nvidia-nccl-cu12==2.27.5
pip install --no-deps onnxruntime==1.31.1
pip install --no-deps 'torchvision<0.27'
# numpy 1 has no wheels for Python 3.13 and newer.
pip install --no-deps --only-binary :all: 'numpy<2' 2>/dev/null || pip install --no-deps 'numpy<2.3'
pip install --no-deps intel-openmp pyomp
pip install --no-deps 'sleap-nn>=0.3'
pip install --no-deps omegaconf==1.4.1
pip install --no-deps opencv-contrib-python-headless
pip install --no-deps PyQt6 PyQt6-Qt6
pip uninstall nvidia-curand
rm "$site"/nvidia/cudnn/lib/libcudnn_engines_*
rm "$site/sleap_io/__init__.py"
rm "$site"/pandas-*.dist-info/METADATA
{ cat "$site/scipy/__init__.py" && echo '# changed'; } | replace "$site/scipy/__init__.py"
head -c 100000 "$site/torch/lib/libtorch_python.so" | replace "$site/torch/lib/libtorch_python.so"
# Written in place, so the copy in the cache changes too. The length stays the same.
printf '#' | dd of="$site/onnx/version.py" bs=1 seek=1 conv=notrunc status=none

"$matenv" doctor "$env" --deep --json >"$work/doctor.json" && { echo "FAILED: doctor found no fault"; exit 1; }
findings >"$work/found"
found ME012 ncclAlltoAll
found ME025 nvidia-nccl-cu12
found ME011 onnxruntime
found ME010 'nms does not exist'
found ME036 'numpy .* -> '
found ME036 'sleap-nn .* -> 0.3'
found ME013 omegaconf
found ME031 opencv-contrib-python-headless
found ME030 PyQt6
found ME030 'libiomp5 and libomp'
found ME015 libcurand.so.10
found ME033 libcudnn_engines
found ME033 sleap_io/__init__.py
found ME033 pandas
found ME032 scipy/__init__.py
found ME032 libtorch_python.so
found ME032 onnx/version.py
found ME001 'import torch'

"$matenv" run "$env" -- python -c 'pass' 2>"$work/run"
grep -q 'has changed since' "$work/run" || { cat "$work/run"; echo "FAILED: run does not warn"; exit 1; }
"$matenv" repair "$env" --no-bench --json >"$work/repair.json" || { tail -c 3000 "$work/repair.json"; echo "FAILED: repair failed"; exit 1; }
python3 - "$work/repair.json" <<'PY'
import json, sys
dropped = [copy["name"] for copy in json.load(open(sys.argv[1]))["dropped"]]
sys.exit(0 if "onnx" in dropped else f"FAILED: the changed copy is still in the cache; dropped: {dropped}")
PY
healthy "the environment has faults after the repair"

# The same old NCCL through shell variables: LD_PRELOAD is used before torch's DT_RPATH, LD_LIBRARY_PATH after it.
"$uv" pip install --quiet --no-deps --target "$work/nccl" nvidia-nccl-cu12==2.27.5
nccl=$work/nccl/nvidia/nccl/lib
env LD_PRELOAD="$nccl/libnccl.so.2" "$matenv" doctor "$env" --json >"$work/doctor.json" && { echo "FAILED: LD_PRELOAD was not detected"; exit 1; }
findings >"$work/found"
found ME040 'LD_PRELOAD .*undefined symbol: nccl'
env LD_LIBRARY_PATH="$nccl" "$matenv" doctor "$env" --json >"$work/doctor.json" || { findings; echo "FAILED: LD_LIBRARY_PATH does no harm, but doctor reports an error"; exit 1; }
python3 - "$work/doctor.json" <<'PY'
import json, sys
found = [f["severity"] for f in json.load(open(sys.argv[1]))["findings"] if f["code"] == "ME040"]
sys.exit(0 if found == ["info"] else f"FAILED: severity of an NCCL that torch does not load: {found}")
PY
planted=$((planted + 1))
echo "ok: ME040: info for a library that torch does not load"
echo "matenv detected all $planted faults and fixed those in the environment"
