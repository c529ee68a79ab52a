#!/usr/bin/env bash
# End-to-end test of the GPU profiles on a machine without a GPU. It installs the real CUDA wheels for another machine
# (`--cross`), audits and verifies them, and tests them with a driver that does nothing (scripts/stub-proof.sh). Needs a
# package index, a C compiler and about 25 GB of disk space. Only tensorrt-cu13-libs of NVIDIA's index is a fake
# (scripts/play-tensorrt.py).
# shellcheck source=e2e-common.sh
source "$(dirname "$0")/e2e-common.sh"

mirrors=(--mirror torch=pypi)
[ -d "$shared/channel" ] && mirrors+=(--mirror "conda-forge=file://$shared/channel") ||
  echo "SKIPPED: ../shared is missing, so there is no conda channel"
card() { echo "$repo/tests/hardware/$1.json"; }

# Parts of the certificate of an environment that was installed for another machine.
crossed='c["cross"] and not c["proven"] and not c["ok"]'
sound='not [p for p in probes.values() if not p["ok"] and not p.get("skipped")] and "error" not in codes.values()'
left='[p["skipped"] for p in probes.values() if p.get("skipped")]'

say "sleap on CUDA, for an unknown machine"
"$matenv" install sleap --profile gpu --cross "${mirrors[@]}"
"$matenv" report sleap --json >"$work/gpu.json"
check "$work/gpu.json" "$crossed and c['backend'] == 'cu130'"
check "$work/gpu.json" "$sound"
check "$work/gpu.json" "len($left) == 2 and set($left) == {'needs an NVIDIA driver'}"
check "$work/gpu.json" 'c["bench"]["skipped"] == "needs an NVIDIA driver"'
check "$work/gpu.json" 'codes.get("ME014") == "info" and "ME015" not in codes'
check "$work/gpu.json" 'versions["nvidia-nccl-cu13"] == {"2.15.0": "2.30.7"}[versions["torch"]]'
"$matenv" install sleap --profile gpu --cross "${mirrors[@]}" | grep -q "nothing to do" || die "the second run changed something"
ok "a second run has nothing to do"
scripts/stub-proof.sh "$HOME/.matenv/envs/sleap" "$matenv"
ok "the test with a stub driver, with torch"
scripts/stub-proof.sh "$HOME/.matenv/envs/sleap" "$matenv" --without
ok "without the preload package the same test fails"
if [ -d "$shared/sleap-model" ]; then
  "$matenv" verify sleap --model-dir "$shared/sleap-model/minimal_instance_centroid" --json >"$work/smoke.json"
  check "$work/smoke.json" "$sound"
fi

say "the GPU code of the installed libraries, as the audit reads it"
python=$HOME/.matenv/envs/sleap/bin/python
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
for library in onnxruntime/capi/libonnxruntime_providers_cuda.so torch/lib/libtorch_cuda.so; do
  release_cargo run --quiet --release --locked --example fatbin -- "$site/$library"
done

say "doctor on the same environment, for machines that it was not installed for"
# judge MACHINE EXPRESSION: fails unless the Python expression is true. `f` has doctor's warnings and errors about the
# driver and the GPUs of tests/hardware/MACHINE.json, as (code, severity, message).
judge() {
  "$matenv" doctor sleap --hardware "$(card "$1")" --json >"$work/judged.json" || true
  check "$work/judged.json" "(lambda f: $2)([(f['code'], f['severity'], f['message']) for f in c['findings'] if f['code'] in ('ME050', 'ME016') and f['severity'] != 'info'])"
}
judge rtx-4090-driver-580 'f == []'
judge rtx-4090-driver-570 '[one[:2] for one in f] == [("ME050", "error")] and "serves CUDA 12.8" in f[0][2]'
judge gtx-1080-ti-driver-580 '"ME050" not in [one[0] for one in f] and [one for one in f if one[1] == "error" and "libtorch_cuda.so holds no code for sm_61" in one[2]]'
judge b200-driver-580 '[one for one in f if one[1] == "error" and "libonnxruntime_providers_cuda.so holds no code for sm_100" in one[2]] and not [one for one in f if one[0] == "ME050" or "libtorch" in one[2]]'

say "faults, added to the real CUDA environment"
scripts/plant-faults.sh sleap "$matenv"
ok "matenv detects each fault and fixes all of them"
"$matenv" remove sleap

say "a virtual environment with the newest sleap that matenv did not create"
python3 -m venv "$work/venv"
uv=$(find "$HOME/.matenv/tools" -name uv -path '*/bin/*' 2>/dev/null | head -n 1 || true)
"${uv:-uv}" pip install --quiet --python "$work/venv/bin/python" 'sleap[nn,nn-export]'
"$matenv" doctor --prefix "$work/venv" --json >"$work/venv.json" && die "doctor found no fault in it"
check "$work/venv.json" '[f for f in c["findings"] if f["severity"] == "error" and f["code"] == "ME001" and "predictors" in f["message"]]'
check "$work/venv.json" 'not [f for f in c["findings"] if f["severity"] == "error" and f["code"] != "ME001"]'
rm -rf "$work/venv"

say "sleap with TensorRT, with fake libraries"
python3 scripts/play-tensorrt.py "$work/nvidia"
python3 -m http.server --bind 127.0.0.1 --directory "$work/nvidia" 0 >"$work/nvidia.log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; cleanup' EXIT
port=
while [ -z "$port" ]; do
  kill -0 $server || die "the index did not start"
  sleep 0.1
  port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' "$work/nvidia.log")
done
# torch 2.12 requires setuptools below 82, which the small conda channel does not have.
"$matenv" install sleap --profile gpu-trt --cross --mirror torch=pypi --mirror "nvidia=http://127.0.0.1:$port" \
  --mirror "conda-forge=file://$work/none"
"$matenv" report sleap --json >"$work/trt.json"
check "$work/trt.json" "$crossed and $sound"
check "$work/trt.json" 'versions["torch"].startswith("2.12.") and versions["tensorrt-cu13-libs"].startswith("10.16.")'
check "$work/trt.json" 'versions["tensorrt"].startswith("10.16.") and versions["onnxruntime-gpu"] >= "1.27"'
check "$work/trt.json" '"ME015" not in codes and probes["tensorrt imports"]["ok"]'
"${uv:-uv}" pip install --quiet --no-deps --break-system-packages --python "$HOME/.matenv/envs/sleap/bin/python" \
  --index "http://127.0.0.1:$port" 'tensorrt-cu13-libs>=11'
"$matenv" doctor sleap --json >"$work/trt11.json" && die "TensorRT 11 was not detected"
check "$work/trt11.json" '[f for f in c["findings"] if f["code"] == "ME036" and "tensorrt-cu13-libs 10.16.1.11 -> 11." in f["message"]]'
check "$work/trt11.json" '[f for f in c["findings"] if f["code"] == "ME015" and "libnvinfer.so.10" in f["message"]]'
"$matenv" repair sleap --no-bench --mirror torch=pypi --mirror "nvidia=http://127.0.0.1:$port" --quiet
healthy sleap
"$matenv" remove sleap

say "x-anylabeling and runtime on both CUDA major versions"
for target in x-anylabeling:rtx-4090-driver-580:1.27. x-anylabeling:rtx-4090-driver-570:1.2 runtime:rtx-4090-driver-580:1.3; do
  IFS=: read -r env machine release <<<"$target"
  "$matenv" install "$env" --profile gpu --cross --hardware "$(card "$machine")" "${mirrors[@]}"
  "$matenv" report "$env" --json >"$work/both.json"
  check "$work/both.json" "$crossed and $sound and versions['onnxruntime-gpu'].startswith('$release')"
  scripts/stub-proof.sh "$HOME/.matenv/envs/$env" "$matenv"
  ok "the test with a stub driver: $env for $machine"
  "$matenv" remove "$env"
done

finish
