"""Run statements one by one, and report the result of each and the files that are loaded at the end."""

import sys

statements = sys.argv[1:]

# The same calls as a program that selects CUDA in ONNX Runtime; an import alone does not open that library.
NAMED = {
    "load onnxruntime's CUDA provider": """
import ctypes, os, onnxruntime
folder = os.path.join(os.path.dirname(onnxruntime.__file__), "capi")
for name, mode in (("shared", ctypes.RTLD_GLOBAL), ("cuda", ctypes.RTLD_LOCAL)):
    ctypes.CDLL(os.path.join(folder, "libonnxruntime_providers_%s.so" % name), mode)
"""
}


def tell(kind, *words):
    # The mark separates these lines from the output of the modules.
    sys.stdout.write("\n" + "\t".join(("matenv", kind) + tuple(word.replace("\n", " ").replace("\t", " ") for word in words)) + "\n")
    sys.stdout.flush()


def last_line(words):
    # Some errors are a page of advice, with the cause at the end.
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return lines[-1] if lines else ""


tell("prefix", sys.prefix)
for statement in statements:
    tell("start", statement)
    try:
        exec(NAMED.get(statement, statement), {"__name__": "matenv_trial"})
    except BaseException as error:
        tell("failed", statement, type(error).__name__ + ": " + last_line(str(error)))
    else:
        tell("done", statement)
try:
    with open("/proc/self/maps") as maps:
        files = {line.split(None, 5)[5].rstrip("\n") for line in maps if line.count("/")}
except (OSError, IndexError):
    files = set()
for file in sorted(files):
    if file.startswith("/"):
        tell("mapped", file)
tell("end")
sys.stdout.flush()
# Threads and exit handlers of the imported modules are not part of the trial.
import os

os._exit(0)
