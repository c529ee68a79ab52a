#!/usr/bin/env python3
"""Check which model types of X-AnyLabeling load in the environment that runs this script.

    matenv run x-anylabeling -- python scripts/x-anylabeling-model-types.py [--json]

Prints one line for each type, sorted: the type, a tab, and one of

    loads              its class can be imported, and all modules that its code imports are installed
    loads, lacks FILE  the same, but its code reads a file of X-AnyLabeling that the installed package does not contain
    needs MODULE...    these modules are missing: its class cannot be imported or does not work without them
    has no class       X-AnyLabeling lists the type but has no class for it
    fails: ERROR       any other error

The last line has the counts. The types come from the model list of X-AnyLabeling (its YAML files) and from its list of
custom models. The script downloads nothing and creates no model: a type that loads still needs its weights. Exit code 1
if a type fails.
"""

import argparse
import ast
import builtins
import collections
import importlib.util
import json
import re
import sys
from importlib.resources import files
from pathlib import Path

SERVICES = "anylabeling.services.auto_labeling"
# Optional helpers of many types: other detectors of SAHI and the device choice of the base class. Types work without the
# modules that these helpers cannot import.
OPTIONAL = (f"{SERVICES}.utils", f"{SERVICES}.model")


def installed(name):
    """Return whether the top-level module is installed."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def nodes(module):
    """Return all nodes of the syntax tree of the module's file."""
    with open(module.__file__, encoding="utf-8") as file:
        return list(ast.walk(ast.parse(file.read())))


def absent_imports(module):
    """Return the top-level modules that the module's file imports anywhere and that are not installed."""
    names = set()
    for node in nodes(module):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return {name for name in names if not installed(name)}


def reached(module, seen):
    """Return the module and the modules of its own package that it imports by name, without those of an `__init__`."""
    seen[module.__name__] = module
    for node in nodes(module):
        if isinstance(node, ast.ImportFrom) and node.level and node.module:
            name = ".".join(module.__name__.split(".")[: -node.level] + [node.module])
            if name in sys.modules and name not in seen and not hasattr(sys.modules[name], "__path__"):
                reached(sys.modules[name], seen)
    return seen


def absent_files(module):
    """Return the missing data files of `configs/` that the module's file names, in full or by their ending."""
    with open(module.__file__, encoding="utf-8") as file:
        if "configs" not in file.read():
            return set()
    folder = Path(importlib.util.find_spec(SERVICES).submodule_search_locations[0], "configs")
    there = [path.name for path in folder.rglob("*")]
    tree = nodes(module)
    temporary = {id(node.value) for node in tree if isinstance(node, ast.keyword) and node.arg == "suffix"}
    texts = {node.value for node in tree if isinstance(node, ast.Constant) and id(node) not in temporary}
    names = {Path(text).name for text in texts if isinstance(text, str) and re.fullmatch(r"[\w./-]+\.(txt|json)", text)}
    absent = {name for name in names if not any(found.endswith(name) for found in there)}
    return {f"*{name}" if name.startswith("_") else name for name in absent}


def check(kind, classes):
    """Import the class of one type and return the verdict."""
    # Import again for each type: a helper that an earlier type imported would hide the needs of this one.
    for name in [name for name in sys.modules if name.startswith(f"{SERVICES}.")]:
        if name != f"{SERVICES}.model_manager":
            del sys.modules[name]
    missed = set()
    real = builtins.__import__

    def recording(name, globals=None, locals=None, fromlist=(), level=0):
        try:
            return real(name, globals, locals, fromlist, level)
        except ModuleNotFoundError as error:
            importer = (globals or {}).get("__name__", "")
            if importer.startswith(f"{SERVICES}.") and not importer.startswith(OPTIONAL):
                missed.add((error.name or str(error)).partition(".")[0])
            raise

    builtins.__import__ = recording
    try:
        model = classes(kind)
    except ModuleNotFoundError as error:
        return "needs " + " ".join(sorted(missed | {(error.name or str(error)).partition(".")[0]}))
    except ValueError as error:
        return "has no class" if "nknown model type" in str(error) else f"fails: {error}"
    except Exception as error:
        return f"fails: {type(error).__name__}: {error}"
    finally:
        builtins.__import__ = real
    for parent in model.__mro__:
        if parent.__module__.startswith(f"{SERVICES}.") and not parent.__module__.startswith(OPTIONAL):
            missed |= absent_imports(sys.modules[parent.__module__])
    if missed:
        return "needs " + " ".join(sorted(missed))
    used = reached(sys.modules[model.__module__], {}).values()
    lacking = {name for module in used if not module.__name__.startswith(OPTIONAL) for name in absent_files(module)}
    return "loads, lacks " + " ".join(sorted(lacking)) if lacking else "loads"


def types():
    """Return every type that X-AnyLabeling lists."""
    from anylabeling.services import auto_labeling

    named = set(auto_labeling._CUSTOM_MODELS)
    for entry in files("anylabeling.configs").joinpath("auto_labeling").iterdir():
        if entry.name.endswith(".yaml"):
            named.update(re.findall(r"^type:\s*[\"']?(\w+)", entry.read_text(encoding="utf-8"), re.MULTILINE))
    return sorted(named)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object: type to verdict")
    arguments = parser.parse_args()
    if not installed("anylabeling"):
        sys.exit(f"X-AnyLabeling is not installed here; run: matenv run x-anylabeling -- python {sys.argv[0]}")
    from anylabeling.services.auto_labeling.model_manager import _get_model_class
    from anylabeling.views.labeling.logger import logger

    # CLIP logs its missing file for each type; the verdict already has it.
    logger.setLevel("CRITICAL")
    verdicts = {kind: check(kind, _get_model_class) for kind in types()}
    if arguments.json:
        print(json.dumps(verdicts, indent=1))
    else:
        for kind, verdict in verdicts.items():
            print(f"{kind}\t{verdict}")
        counts = collections.Counter(verdicts.values()).most_common()
        print(f"{len(verdicts)} types: " + ", ".join(f"{count} {verdict}" for verdict, count in counts))
    sys.exit(any(verdict.startswith("fails") for verdict in verdicts.values()))


if __name__ == "__main__":
    main()
