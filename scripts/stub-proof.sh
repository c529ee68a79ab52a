#!/usr/bin/env bash
# That a plain `bin/python` of a GPU environment finds CUDA's libraries, on a machine without a GPU: with a stub of the
# driver's libcuda.so.1 a CUDA session must end with an error of CUDA (no device), and not with `Failed to load library`.
#
#   scripts/stub-proof.sh PREFIX MATENV [--without]
#
# Each check is a process of its own, once in peace and once with CUDA libraries of the same sonames on LD_LIBRARY_PATH that
# cannot work. `--without` takes the hook away for the time of the proof, which then has to fail. Needs cc and nm.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '5p' "$0" >&2; exit 2; }
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

# The driver: whatever is asked for is there, and says that there is no device (100).
mkdir "$work/stub" "$work/hostile"
find "$site/onnxruntime" "$site/nvidia" "$site/torch/lib" -name '*.so*' -type f 2>/dev/null |
  xargs nm -D --undefined-only 2>/dev/null | grep -oE '\bcu[A-Z][A-Za-z0-9_]*' | sort -u |
  grep -vE '^(cuInit|cuDriverGetVersion|cuGetErrorString|cuGetErrorName|cuGetProcAddress(_v2)?)$' >"$work/symbols" || true
{
  cat <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
static int nothing(void) { return 100; }
int cuInit(unsigned flags) { return 100; }
int cuDriverGetVersion(int *version) { *version = 13030; return 0; }
int cuGetErrorString(int error, const char **text) { *text = "a stub's error"; return 0; }
int cuGetErrorName(int error, const char **text) { *text = "CUDA_ERROR_STUB"; return 0; }
static int find(const char *symbol, void **found) {
  Dl_info self;
  void *library = dladdr((void *)&cuInit, &self) ? dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD) : 0;
  *found = library ? dlsym(library, symbol) : 0;
  if (!*found) *found = (void *)&nothing;
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
echo 'int matenv_hostile;' >"$work/hostile.c"
for soname in "libcudart.so.$cuda" "libcublas.so.$cuda" "libcublasLt.so.$cuda" libcudnn.so.9 libcudnn_graph.so.9; do
  cc -shared -fPIC -Wl,-soname,"$soname" -o "$work/hostile/$soname" "$work/hostile.c"
done

cat >"$work/check.py" <<'PY'
import ctypes, json, os, subprocess, sys

what, model, cuda, listed, matenv = sys.argv[1:]


def session():
    import onnxruntime

    onnxruntime.InferenceSession(model, providers=["CUDAExecutionProvider"])


if what == "onnxruntime":
    session()
elif what == "onnxruntime, then torch":
    import onnxruntime, torch

    session()
elif what == "torch, then onnxruntime":
    import torch

    session()
elif what == "cudnnCreate":
    import onnxruntime

    print("returned", ctypes.CDLL("libcudnn.so.9").cudnnCreate(ctypes.byref(ctypes.c_void_p())))
elif what == "nvrtc":
    import onnxruntime

    nvrtc, program, size = ctypes.CDLL("libnvrtc.so." + cuda), ctypes.c_void_p(), ctypes.c_size_t()
    source = b'extern "C" __global__ void add(float *x) { x[threadIdx.x] += 1; }'
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"add.cu", 0, None, None) == 0
    error = nvrtc.nvrtcCompileProgram(program, 0, None)
    nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
    print("returned", error, "with", size.value, "bytes of PTX")
elif what == "matenv's worker":
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
check() { # WHAT, GOOD WORDS; a process that is killed says neither
  local said
  said=$("$python" "$work/check.py" "$1" "$PWD/assets/bench/unet.onnx" "$cuda" "$list" "$matenv" 2>&1) ||
    [ $? -lt 128 ] || said="$said (killed by a signal)"
  local word=ok
  if grep -qE "$2" <<<"$said" && ! grep -qE 'Failed to load|killed by a signal' <<<"$said"; then
    said=$(grep -oE "$2" <<<"$said" | head -n 1)
  else
    word=FAILED failed=$((failed + 1))
    if [ "$1" = onnxruntime ] && grep -q 'Failed to load' <<<"$said"; then unloaded=1; fi
    said=$(grep -E 'Failed to load|signal' <<<"$said" || tail -n 1 <<<"$said")
    said=${said##*with error: } said=${said%%\\n*}
  fi
  echo "$word: $place: $1: $said"
}
no_device='CUDA (failure|error):? ?(35|100)[^;"]*'
for place in "in peace" "hostile LD_LIBRARY_PATH"; do
  export LD_LIBRARY_PATH=$work/stub
  if [ "$place" != "in peace" ]; then LD_LIBRARY_PATH=$work/hostile:$work/stub; fi
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
  [ "$unloaded" = 1 ] || { echo "FAILED: without the hook onnxruntime loads its libraries all the same"; exit 1; }
  echo "ok: without the hook $failed checks fail, onnxruntime's among them"
else
  exit $((failed > 0))
fi
