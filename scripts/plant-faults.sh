#!/usr/bin/env bash
# Plants faults in an installed environment, as people make them, has matenv find each, and mend all: plant-faults.sh ENV MATENV.
# The environment is `sleap` on CUDA 13, made with --cross. Some 350 MB come from the package index.
set -euo pipefail
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
# findings: a line for each that blocks, with its evidence.
findings() {
  python3 - "$work/doctor.json" <<'PY'
import json, sys
document = json.load(open(sys.argv[1]))
for finding in document["findings"]:
    if finding["severity"] == "error":
        print(finding["code"], finding["message"], *finding["evidence"])
PY
}
# healthy: nothing above info in the environment's files.
healthy() {
  "$matenv" doctor "$env" --json >"$work/doctor.json" || { findings; echo "FAILED: $1"; exit 1; }
  python3 - "$work/doctor.json" <<'PY'
import json, sys
bad = [f for f in json.load(open(sys.argv[1]))["findings"] if f["scope"] == "environment" and f["severity"] != "info"]
sys.exit(f"FAILED: {bad}" if bad else 0)
PY
}
# beside FILE: writes a file anew from standard input, so that no cache is changed with it.
beside() { cat >"$work/copy" && mv "$work/copy" "$1"; }
found() {
  grep -qi "^$1 .*$2" "$work/found" || { cat "$work/found"; echo "FAILED: no $1 with $2"; exit 1; }
  planted=$((planted + 1))
  echo "ok: $1: $2"
}

healthy "the environment is not healthy before"

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
{ cat "$site/scipy/__init__.py" && echo '# changed'; } | beside "$site/scipy/__init__.py"
head -c 100000 "$site/torch/lib/libtorch_python.so" | beside "$site/torch/lib/libtorch_python.so"
# In place: the cache's copy is changed with it. As long as before.
printf '#' | dd of="$site/onnx/version.py" bs=1 seek=1 conv=notrunc status=none

"$matenv" doctor "$env" --deep --json >"$work/doctor.json" && { echo "FAILED: nothing is found"; exit 1; }
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
grep -q 'has changed since' "$work/run" || { cat "$work/run"; echo "FAILED: run says nothing"; exit 1; }
"$matenv" repair "$env" --no-bench --json >"$work/repair.json" || { tail -c 3000 "$work/repair.json"; echo "FAILED: it is not mended"; exit 1; }
python3 - "$work/repair.json" <<'PY'
import json, sys
dropped = [copy["name"] for copy in json.load(open(sys.argv[1]))["dropped"]]
sys.exit(0 if "onnx" in dropped else f"FAILED: the cache keeps its changed copy; dropped: {dropped}")
PY
healthy "something is left after the repair"

# The same old NCCL by variables of a shell: LD_PRELOAD comes before torch's DT_RPATH, LD_LIBRARY_PATH after it.
"$uv" pip install --quiet --no-deps --target "$work/nccl" nvidia-nccl-cu12==2.27.5
nccl=$work/nccl/nvidia/nccl/lib
env LD_PRELOAD="$nccl/libnccl.so.2" "$matenv" doctor "$env" --json >"$work/doctor.json" && { echo "FAILED: LD_PRELOAD is not found"; exit 1; }
findings >"$work/found"
found ME040 'LD_PRELOAD .*undefined symbol: nccl'
env LD_LIBRARY_PATH="$nccl" "$matenv" doctor "$env" --json >"$work/doctor.json" || { findings; echo "FAILED: LD_LIBRARY_PATH harms nobody"; exit 1; }
python3 - "$work/doctor.json" <<'PY'
import json, sys
found = [f["severity"] for f in json.load(open(sys.argv[1]))["findings"] if f["code"] == "ME040"]
sys.exit(0 if found == ["info"] else f"FAILED: an NCCL that torch does not take is {found}")
PY
planted=$((planted + 1))
echo "ok: ME040: info for what torch does not take"
echo "$planted faults planted and found; those in the environment are mended"
