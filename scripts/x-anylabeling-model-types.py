#!/usr/bin/env python3
"""Which of X-AnyLabeling's model types load in the environment that runs this.

    matenv run x-anylabeling -- python scripts/x-anylabeling-model-types.py [--json]

One line a type, sorted: the type, a tab, `loads` or `needs MODULE` (the first module that its class asks for and that
is not installed) or `fails: ERROR`. The last line counts. Each class is imported in a process of its own, so that a
module half imported by one type does not hide what the next one needs. Nothing is downloaded and no model is made:
a type that loads still needs its weights. Exit code 1 if a type fails in a way that no missing module explains.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile

# Some classes swallow a missing module and only complain when a model is made, so the importer notes each miss
# inside anylabeling's own files.
ONE = '''
import importlib, importlib.util, json, sys
kind = sys.argv[1]
missed = []
import builtins
real = builtins.__import__
def noting(name, globals=None, locals=None, fromlist=(), level=0):
    try:
        return real(name, globals, locals, fromlist, level)
    except ModuleNotFoundError as error:
        asking = (globals or {}).get("__name__", "")
        if asking.startswith("anylabeling.") and level == 0 and error.name:
            missed.append(error.name.partition(".")[0])
        raise
builtins.__import__ = noting
answer = {}
try:
    from anylabeling.services.auto_labeling.model_manager import _get_model_class
    missed.clear()
    answer["class"] = _get_model_class(kind).__name__
except ModuleNotFoundError as error:
    answer["missing"] = (error.name or str(error)).partition(".")[0]
except BaseException as error:
    answer["error"] = f"{type(error).__name__}: {error}"
answer["swallowed"] = sorted(set(missed))
print("\\n" + json.dumps(answer))
'''


def look(kind):
    """What importing the class of one type says."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "HOME": home, "USERPROFILE": home, "QT_QPA_PLATFORM": "offscreen"}
        done = subprocess.run(
            [sys.executable, "-c", ONE, kind], capture_output=True, text=True, env=environment, cwd=home
        )
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        answer = {"error": f"exit code {done.returncode}: {done.stderr.strip()[-200:]}"}
    if "missing" in answer:
        verdict = f"needs {answer['missing']}"
    elif "error" in answer and answer.get("swallowed"):
        verdict = f"needs {answer['swallowed'][0]}"
    elif "error" in answer:
        verdict = f"fails: {answer['error']}"
    elif answer["swallowed"]:
        verdict = f"loads, needs {' '.join(answer['swallowed'])} to run"
    else:
        verdict = "loads"
    return kind, verdict


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object, type to verdict")
    arguments = parser.parse_args()
    try:
        from anylabeling.services.auto_labeling import _CUSTOM_MODELS
    except ModuleNotFoundError as error:
        sys.exit(f"{error}: run it inside the environment, `matenv run x-anylabeling -- python {sys.argv[0]}`")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        verdicts = dict(sorted(pool.map(look, set(_CUSTOM_MODELS))))
    if arguments.json:
        print(json.dumps(verdicts, indent=1))
    else:
        for kind, verdict in verdicts.items():
            print(f"{kind}\t{verdict}")
        counts = collections.Counter(verdict for verdict in verdicts.values())
        print(f"{len(verdicts)} types:", ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()))
    sys.exit(any(verdict.startswith("fails") for verdict in verdicts.values()))


if __name__ == "__main__":
    main()
