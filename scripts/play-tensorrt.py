#!/usr/bin/env python3
"""Create a fake of NVIDIA's package index for tests: a folder to serve, with a wheel of `tensorrt-cu13-libs`.

    scripts/play-tensorrt.py FOLDER      then: python3 -m http.server --directory FOLDER

The libraries in the wheel are small ELF files that a C compiler creates. They have the sonames of TensorRT 10.16
and the functions that its Python bindings and torch-tensorrt are linked against, and they compute nothing. The
folder also has a wheel of TensorRT 11, which matenv must never install. Needs Python >= 3.11 and cc.
"""

import base64
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

VERSION = "10.16.1.11"
# Soname -> functions in the library.
LIBRARIES = {
    "libnvinfer.so.10": [
        "createInferBuilder_INTERNAL",
        "createInferRefitter_INTERNAL",
        "createInferRuntime_INTERNAL",
        "getBuilderPluginRegistry",
        "getPluginRegistry",
    ],
    "libnvinfer_plugin.so.10": ["initLibNvInferPlugins"],
    "libnvonnxparser.so.10": [
        "createNvOnnxParser_INTERNAL",
        "createNvOnnxParserRefitter_INTERNAL",
        "getNvOnnxParserVersion",
    ],
    f"libnvinfer_builder_resource.so.{VERSION.rsplit('.', 1)[0]}": [],
}
# An object whose methods all return 0: torch-tensorrt registers its plugins with one while it loads.
SOURCE = """
static long none(void) { return 0; }
static void *methods[64];
static void *object = methods;
static void *fake_object(void) {
  for (int at = 0; at < 64; at++) methods[at] = (void *)none;
  return &object;
}
void *matenv_fake_object(void) { return fake_object(); }
"""
OPENS = """import ctypes
from pathlib import Path

for name in %r:
    ctypes.CDLL(str(Path(__file__).parent / name), mode=ctypes.RTLD_GLOBAL)
"""


def library(folder, soname, functions):
    source = SOURCE + "".join(
        f"void *{name}(void) {{ return {'fake_object()' if 'Registry' in name else '0'}; }}\n" for name in functions
    )
    code, built = folder / "code.c", folder / soname
    code.write_text(source)
    subprocess.run(["cc", "-shared", "-fPIC", f"-Wl,-soname,{soname}", "-o", built, code], check=True)
    return built.read_bytes()


def wheel(folder, version, files):
    name = f"tensorrt_cu13_libs-{version}-py2.py3-none-manylinux_2_28_x86_64.whl"
    info = f"tensorrt_cu13_libs-{version}.dist-info"
    files = dict(files)
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: tensorrt_cu13_libs\nVersion: {version}\n".encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: play-tensorrt\nRoot-Is-Purelib: true\nTag: py2.py3-none-manylinux_2_28_x86_64\n"
    digest = lambda data: base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    record = [f"{path},sha256={digest(data)},{len(data)}" for path, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            # A fixed time, so that the bytes are always the same.
            archive.writestr(zipfile.ZipInfo(path, (2026, 1, 1, 0, 0, 0)), data)
    return name, hashlib.sha256((folder / name).read_bytes()).hexdigest()


def main(folder):
    page = folder / "tensorrt-cu13-libs"
    page.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        files = {f"tensorrt_libs/{soname}": library(Path(work), soname, names) for soname, names in LIBRARIES.items()}
    files["tensorrt_libs/__init__.py"] = (OPENS % list(LIBRARIES)).encode()
    wheels = [wheel(page, VERSION, files), wheel(page, "11.4.0.106", {"tensorrt_libs/__init__.py": b""})]
    links = "".join(f'<a href="{name}#sha256={digest}">{name}</a><br>\n' for name, digest in wheels)
    (page / "index.html").write_text(f"<!DOCTYPE html><html><body>\n{links}</body></html>\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: scripts/play-tensorrt.py FOLDER")
    main(Path(sys.argv[1]))
