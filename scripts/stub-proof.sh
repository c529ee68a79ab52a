#!/usr/bin/env bash
# Check on a machine without a GPU that the plain `bin/python` of a GPU environment finds CUDA's libraries. With a
# stub of the driver's libcuda.so.1, a CUDA session must fail with a CUDA error (no device), not with `Failed to
# load library`.
#
#   scripts/stub-proof.sh PREFIX MATENV [--without]
#
# Each check runs in its own process, once with a plain LD_LIBRARY_PATH and once with invalid CUDA libraries of the
# same names on it. `--without` disables the preload hook during the test, which must fail then. Needs cc and nm.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: scripts/stub-proof.sh PREFIX MATENV [--without]" >&2; exit 2; }
prefix=$(cd "$1" && pwd) matenv=$(realpath "$2") without=${3:-}
cd "$(dirname "$0")/.."
python=$prefix/bin/python
work=$(mktemp -d "${TMPDIR:-/tmp}/matenv-proof.XXXXXX")
unset LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH PYTHONHOME
export HOME=$work ORT_DISABLE_TELEMETRY=1 PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1

site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
pth=$site/matenv_preload.pth
trap 'rm -rf "$work"; if [ -e "$pth.off" ]; then mv "$pth.off" "$pth"; fi' EXIT
list=$site/matenv_preload/libraries.txt
if [ "$without" = --without ]; then
  mv "$pth" "$pth.off"
  list=/dev/null
fi
cuda=$(find "$site/nvidia" -name 'libcudart.so.*' -printf '%f\n' | head -n 1)
cuda=${cuda#libcudart.so.}

# The driver: it exports each function that a library needs. Each returns "no device" (100).
mkdir "$work/stub" "$work/invalid"
find "$site/onnxruntime" "$site/nvidia" "$site/torch/lib" -name '*.so*' -type f 2>/dev/null |
  xargs nm -D --undefined-only 2>/dev/null | grep -oE '\bcu[A-Z][A-Za-z0-9_]*' | sort -u |
  grep -vE '^(cuInit|cuDriverGetVersion|cuGetErrorString|cuGetErrorName|cuGetProcAddress(_v2)?)$' >"$work/symbols" || true
{
  cat <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
static int no_device(void) { return 100; }
int cuInit(unsigned flags) { return 100; }
int cuDriverGetVersion(int *version) { *version = 13030; return 0; }
int cuGetErrorString(int error, const char **text) { *text = "a stub's error"; return 0; }
int cuGetErrorName(int error, const char **text) { *text = "CUDA_ERROR_STUB"; return 0; }
static int find(const char *symbol, void **found) {
  Dl_info self;
  void *library = dladdr((void *)&cuInit, &self) ? dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD) : 0;
  *found = library ? dlsym(library, symbol) : 0;
  if (!*found) *found = (void *)&no_device;
  return 0;
}
int cuGetProcAddress(const char *symbol, void **found, int version, unsigned long flags) { return find(symbol, found); }
int cuGetProcAddress_v2(const char *symbol, void **found, int version, unsigned long flags, int *status) {
  if (status) *status = 0;
  return find(symbol, found);
}
C
  sed 's/.*/int &(void) { return 100; }/' "$work/symbols"
} >"$work/cuda.c"
cc -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$work/stub/libcuda.so.1" "$work/cuda.c" -ldl
echo 'int matenv_invalid;' >"$work/invalid.c"
for soname in "libcudart.so.$cuda" "libcublas.so.$cuda" "libcublasLt.so.$cuda" libcudnn.so.9 libcudnn_graph.so.9; do
  cc -shared -fPIC -Wl,-soname,"$soname" -o "$work/invalid/$soname" "$work/invalid.c"
done

cat >"$work/check.py" <<'PY'
import ctypes, json, os, subprocess, sys

name, model, cuda, listed, matenv = sys.argv[1:]


def session():
    import onnxruntime

    onnxruntime.InferenceSession(model, providers=["CUDAExecutionProvider"])


if name == "onnxruntime":
    session()
elif name == "onnxruntime, then torch":
    import onnxruntime, torch

    session()
elif name == "torch, then onnxruntime":
    import torch

    session()
elif name == "cudnnCreate":
    import onnxruntime

    print("returned", ctypes.CDLL("libcudnn.so.9").cudnnCreate(ctypes.byref(ctypes.c_void_p())))
elif name == "nvrtc":
    import onnxruntime

    nvrtc, program, size = ctypes.CDLL("libnvrtc.so." + cuda), ctypes.c_void_p(), ctypes.c_size_t()
    source = b'extern "C" __global__ void add(float *x) { x[threadIdx.x] += 1; }'
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"add.cu", 0, None, None) == 0
    error = nvrtc.nvrtcCompileProgram(program, 0, None)
    nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
    print("returned", error, "with", size.value, "bytes of PTX")
elif name == "matenv's worker":
    site = os.path.dirname(os.path.dirname(listed))
    capi = next(f for f in sys.path if os.path.isdir(f + "/onnxruntime")) + "/onnxruntime/capi"
    library = next(f for f in sorted(os.listdir(capi)) if f.startswith("libonnxruntime.so."))
    request = {
        "library": f"{capi}/{library}", "preload": [f"{site}/{line}" for line in open(listed).read().splitlines()],
        "model": model, "reference": None, "provider": "CUDAExecutionProvider", "shapes": {}, "batches": [1],
        "seconds": 0.1, "work": os.environ["HOME"],
    }
    path = os.environ["HOME"] + "/request.json"
    with open(path, "w") as file:
        json.dump(request, file)
    sys.exit(subprocess.run([matenv, "bench-worker", path]).returncode)
PY

failed=0 unloaded=0
# check NAME PATTERN: passes if the output matches PATTERN and has no load error, and no signal killed the process.
check() {
  local output
  output=$("$python" "$work/check.py" "$1" "$PWD/assets/bench/unet.onnx" "$cuda" "$list" "$matenv" 2>&1) ||
    [ $? -lt 128 ] || output="$output (killed by a signal)"
  local result=ok
  if grep -qE "$2" <<<"$output" && ! grep -qE 'Failed to load|killed by a signal' <<<"$output"; then
    output=$(grep -oE "$2" <<<"$output" | head -n 1)
  else
    result=FAILED failed=$((failed + 1))
    if [ "$1" = onnxruntime ] && grep -q 'Failed to load' <<<"$output"; then unloaded=1; fi
    output=$(grep -E 'Failed to load|signal' <<<"$output" || tail -n 1 <<<"$output")
    output=${output##*with error: } output=${output%%\\n*}
  fi
  echo "$result: $place: $1: $output"
}
no_device='CUDA (failure|error):? ?(35|100)[^;"]*'
for place in "plain LD_LIBRARY_PATH" "invalid libraries on LD_LIBRARY_PATH"; do
  export LD_LIBRARY_PATH=$work/stub
  if [ "$place" != "plain LD_LIBRARY_PATH" ]; then LD_LIBRARY_PATH=$work/invalid:$work/stub; fi
  check onnxruntime "$no_device"
  if [ -d "$site/torch" ]; then
    check "onnxruntime, then torch" "$no_device"
    check "torch, then onnxruntime" "$no_device"
  else
    echo "skipped: $place: torch is not installed"
  fi
  check "matenv's worker" "$no_device"
  check cudnnCreate 'returned [1-9][0-9]*'
  check nvrtc 'returned 0 with [0-9]{3,} bytes of PTX'
done
if [ "$without" = --without ]; then
  [ "$unloaded" = 1 ] || { echo "FAILED: onnxruntime loads its libraries even without the hook"; exit 1; }
  echo "ok: without the hook $failed checks fail, including the one of onnxruntime"
else
  exit $((failed > 0))
fi
