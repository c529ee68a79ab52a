#!/usr/bin/env python3
"""Which of X-AnyLabeling's model types load in the environment that runs this.

    matenv run x-anylabeling -- python scripts/x-anylabeling-model-types.py [--json]

One line a type, sorted: the type, a tab, and one of

    loads              its class imports, and its own code imports nothing that is not installed
    loads, lacks FILE  the same, but its code reads a file of X-AnyLabeling's own that the installed package lacks
    needs MODULE...    its class does not import, or imports and then refuses to work, without these modules
    has no class       X-AnyLabeling lists the type but has no class for it
    fails: ERROR       anything else

The last line counts. The types are those of the model list that X-AnyLabeling ships (its YAML files) and of its list
of custom models. Nothing is downloaded and no model is made: a type that loads still needs its weights. Exit code 1 if
a type fails.
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
# Optional helpers shared by many types: SAHI's other detectors and the device choice of the base class. What these
# cannot import, the types that use them do without.
OPTIONAL = (f"{SERVICES}.utils", f"{SERVICES}.model")


def installed(name):
    """Whether the top-level module is there."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def nodes(module):
    """The syntax tree of the module's file, flat."""
    with open(module.__file__, encoding="utf-8") as file:
        return list(ast.walk(ast.parse(file.read())))


def absent_imports(module):
    """Top-level modules that the module's file imports anywhere and that are not installed."""
    names = set()
    for node in nodes(module):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return {name for name in names if not installed(name)}


def reached(module, seen):
    """The module and what it imports of its own package by name; what a package's `__init__` pulls in is left out."""
    seen[module.__name__] = module
    for node in nodes(module):
        if isinstance(node, ast.ImportFrom) and node.level and node.module:
            name = ".".join(module.__name__.split(".")[: -node.level] + [node.module])
            if name in sys.modules and name not in seen and not hasattr(sys.modules[name], "__path__"):
                reached(sys.modules[name], seen)
    return seen


def absent_files(module):
    """Data files of `configs/` that the module's file names, whole or by their ending, and that are not there."""
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


def look(kind, classes):
    """What importing the class of one type says."""
    # Afresh for each type, or a helper that an earlier type has imported would hide what this one needs.
    for name in [name for name in sys.modules if name.startswith(f"{SERVICES}.")]:
        if name != f"{SERVICES}.model_manager":
            del sys.modules[name]
    missed = set()
    real = builtins.__import__

    def noting(name, globals=None, locals=None, fromlist=(), level=0):
        try:
            return real(name, globals, locals, fromlist, level)
        except ModuleNotFoundError as error:
            asking = (globals or {}).get("__name__", "")
            if asking.startswith(f"{SERVICES}.") and not asking.startswith(OPTIONAL):
                missed.add((error.name or str(error)).partition(".")[0])
            raise

    builtins.__import__ = noting
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
    """Every type that X-AnyLabeling names."""
    from anylabeling.services import auto_labeling

    named = set(auto_labeling._CUSTOM_MODELS)
    for entry in files("anylabeling.configs").joinpath("auto_labeling").iterdir():
        if entry.name.endswith(".yaml"):
            named.update(re.findall(r"^type:\s*[\"']?(\w+)", entry.read_text(encoding="utf-8"), re.MULTILINE))
    return sorted(named)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object, type to verdict")
    arguments = parser.parse_args()
    if not installed("anylabeling"):
        sys.exit(f"X-AnyLabeling is not here: `matenv run x-anylabeling -- python {sys.argv[0]}`")
    from anylabeling.services.auto_labeling.model_manager import _get_model_class
    from anylabeling.views.labeling.logger import logger

    # CLIP complains at import about the file that it lacks, once a type; the verdict says it.
    logger.setLevel("CRITICAL")
    verdicts = {kind: look(kind, _get_model_class) for kind in types()}
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
