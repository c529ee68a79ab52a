#!/usr/bin/env python3
"""Read the versions of the GPU stacks from the published wheels and show differences to profiles/stacks.toml.

Reads only metadata (the `.metadata` file of each wheel, or the end of the wheel), so it takes half a minute. With
`--wheels` it also downloads wheels of onnxruntime-gpu (250 MB each) and reads the dependencies and the GPU code of
their libraries with `cargo run --example fatbin`. The index is the one that pip is configured for. Needs Python >=
3.11 and pip.

    scripts/stacks.py                      versions in stacks.toml, and newer ones
    scripts/stacks.py --json               the same as one JSON document
    scripts/stacks.py --wheels 1.31.1      also the wheel of this release; without a version, of the newest

Exit code 1 if a value differs from the file.
"""

import argparse
import io
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import tomllib
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The number of newest releases that are read in addition to those in the file.
NEWEST = 8
PACKAGES = ["torch", "torchvision", "torch-tensorrt", "tensorrt-cu13", "onnxruntime-gpu"]
# Package -> name of a value -> its pattern in the requirements of the package for this platform.
FACTS = {
    "torch": {
        "cuda": r"(?:cuda-toolkit|nvidia-cuda-runtime)\S*?==(\d+\.\d+)",
        "nccl": r"(nvidia-nccl-cu\d+==[^;\s]+)",
        "cudnn": r"(nvidia-cudnn-cu\d+==[^;\s]+)",
        "curand": r"\b(curand)\b",
    },
    "torchvision": {"torch": r"^torch\s*\(?([=<>!~][^;)]+)"},
    "torch-tensorrt": {"torch": r"^torch\s*\(?([=<>!~][^;)]+)", "tensorrt": r"^(tensorrt\S*\s*\(?[=<>!~][^;)]+)"},
    "onnxruntime-gpu": {"extras": r"^(nvidia-[^;\s]+)"},
}


def index_url():
    """Return the index of pip, from its variable, its configuration or its default."""
    default = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    ask = lambda *arguments: subprocess.run([sys.executable, *arguments], capture_output=True, text=True).stdout.strip()
    asked = os.environ.get("PIP_INDEX_URL") or ask("-m", "pip", "config", "get", "global.index-url")
    return (asked or ask("-c", default)).rstrip("/")


def get(url, **headers):
    context = ssl.create_default_context(cafile=os.environ.get("PIP_CERT") or None)
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, context=context, timeout=60) as answer:
        return answer.read()


def number(version):
    return tuple(int(part) for part in re.findall(r"\d+", version))


def releases(index, package):
    """Return version -> wheel with the metadata, or `None` for a release without a wheel. Prereleases are left out."""
    page = json.loads(get(f"{index}/{package}/", Accept="application/vnd.pypi.simple.v1+json"))
    found = {}
    for file in page["files"]:
        name = re.match(r"[^-]+-(?:[a-z]\w*-)*(\d[\w.]*?)(?:-|\.tar\.gz$|\.zip$)", file["filename"])
        if not name or file.get("yanked") or re.search(r"\d(a|b|rc|\.dev)\d", name[1]):
            continue
        found.setdefault(name[1], None)
        if file["filename"].endswith(".whl") and re.search(r"linux.*x86_64|any\.whl", file["filename"]):
            # The wheel for the newest Python is the last one.
            found[name[1]] = file
    return dict(sorted(found.items(), key=lambda row: number(row[0]), reverse=True))


class Remote(io.RawIOBase):
    """A file on a server. Only the parts that are read are downloaded."""

    def __init__(self, url, size):
        self.url, self.size, self.at = url, size, 0

    seekable = lambda self: True

    def seek(self, offset, whence=io.SEEK_SET):
        self.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence]
        return self.at

    tell = lambda self: self.at

    def read(self, length=-1):
        end = self.size if length < 0 else min(self.size, self.at + length)
        found = get(self.url, Range=f"bytes={self.at}-{end - 1}") if end > self.at else b""
        self.at += len(found)
        return found


def requirements(index, file):
    url = urllib.parse.urljoin(f"{index}/x/", file["url"]).split("#")[0]
    try:
        metadata = get(url + ".metadata")
    except urllib.error.HTTPError:
        # Some mirrors do not have this file. The wheel contains a copy, in the last few kB.
        with zipfile.ZipFile(Remote(url, file["size"])) as wheel:
            [name] = [name for name in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
            metadata = wheel.read(name)
    lines = metadata.decode().splitlines()
    return [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]


def facts(package, needs):
    found = {}
    for word, pattern in FACTS.get(package, {}).items():
        hits = [hit[1].strip() for need in needs if (hit := re.search(pattern, need))]
        found[word] = sorted(set(hits)) if word == "extras" else (hits[0] if hits else None)
    return found


def code(version):
    """Return the dependencies and the GPU code of the libraries in a wheel of onnxruntime-gpu."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--no-deps", "--only-binary", ":all:", "--python-version", "3.12"]
        platforms = [part for tag in ("2_27", "2_28", "2_34") for part in ("--platform", f"manylinux_{tag}_x86_64")]
        wanted = ["-d", folder, f"onnxruntime-gpu=={version}"]
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", *options, *platforms, *wanted], check=True)
        [wheel] = Path(folder).glob("*.whl")
        found = {}
        with zipfile.ZipFile(wheel) as files:
            for name in files.namelist():
                if re.search(r"/libonnxruntime_providers_(cuda|tensorrt)\.so$", name):
                    path = files.extract(name, folder)
                    run = ["cargo", "run", "-q", "--example", "fatbin", "--", "--json", path]
                    report = json.loads(subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
                    found[Path(name).name] = {word: report[word] for word in ("needed", "sass", "ptx")}
        return found


def named(stacks, package):
    """Return the versions of a package in the file."""
    rows = stacks.get(package, []) if isinstance(stacks.get(package), list) else []
    versions = {row.get("version") for row in rows}
    for row in stacks.get("code", []):
        versions |= set(row.get("read", [])) if row.get("package") == package else set()
    return {version for version in versions if version}


def differences(stacks, measured):
    """Yield a sentence for each value that differs between the file and the wheels."""
    for package, rows in measured.items():
        for row in stacks.get(package, []) if isinstance(stacks.get(package), list) else []:
            read = rows.get(row.get("version"), {})
            for word, value in read.items():
                kept = row.get(word)
                # The file may have only the version of `nvidia-nccl-cu13==2.29.7`.
                if isinstance(kept, str) and isinstance(value, str) and not value.endswith(kept):
                    yield f"{package} {row['version']}: {word} is {value}, the file says {kept}"
    for row in stacks.get("code", []):
        for version in row.get("read", []):
            libraries = measured.get(row.get("package"), {}).get(version, {}).get("libraries", {})
            library = libraries.get(row.get("library", "libonnxruntime_providers_cuda.so"))
            for word in ("sass", "ptx"):
                if library and word in row and library[word] != row[word]:
                    yield f"{row['package']} {version}: {word} is {library[word]}, the file says {row[word]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--wheels", nargs="*", metavar="VERSION", help="also read these wheels of onnxruntime-gpu")
    arguments = parser.parse_args()
    file = ROOT / "profiles" / "stacks.toml"
    stacks = tomllib.loads(file.read_text()) if file.exists() else {}
    index = index_url()
    measured = {}
    for package in PACKAGES:
        there = releases(index, package)
        wanted = named(stacks, package) | set(list(there)[:NEWEST])
        measured[package] = {}
        for version in sorted(wanted & there.keys(), key=number):
            wheel = there[version] if package in FACTS else None
            measured[package][version] = facts(package, requirements(index, wheel)) if wheel else {}
    if arguments.wheels is not None:
        newest = max(measured["onnxruntime-gpu"], key=number)
        for version in arguments.wheels or [newest]:
            measured["onnxruntime-gpu"].setdefault(version, {})["libraries"] = code(version)
    changed = list(differences(stacks, measured))
    if arguments.json:
        print(json.dumps({"measured": measured, "changed": changed}, indent=2))
    else:
        for package, rows in measured.items():
            known = named(stacks, package)
            print(package)
            for version, row in rows.items():
                new = "" if version in known or not stacks else " (new)"
                print(f"  {version}{new}: " + ", ".join(f"{word} {value}" for word, value in row.items()))
        print("\n".join(changed) or ("no difference to profiles/stacks.toml" if stacks else "profiles/stacks.toml is missing"))
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
