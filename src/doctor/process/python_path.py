"""Report the modules of some folders that shadow modules of the environment, with both files."""

import sys

foreign = sys.argv[1:]
path = list(sys.path)
# The modules that this script imports must not come from those folders.
sys.path[:] = [folder for folder in path if folder not in foreign]
own = list(sys.path)

import importlib.machinery
import os
import pkgutil


def place(name, folders):
    spec = importlib.machinery.PathFinder.find_spec(name, folders)
    return spec and spec.origin and os.path.realpath(spec.origin)


sys.stdout.write("prefix\t%s\n" % sys.prefix)
for folder in foreign:
    if folder not in path:
        continue
    for module in pkgutil.iter_modules([folder]):
        theirs, ours = place(module.name, path), place(module.name, own)
        # Python finds modules inside the interpreter before any file.
        inside = module.name in sys.builtin_module_names or importlib.machinery.FrozenImporter.find_spec(module.name)
        if inside or not theirs or not ours or theirs == ours:
            continue
        if theirs.startswith(os.path.realpath(folder) + os.sep):
            sys.stdout.write("shadowed\t%s\t%s\t%s\n" % (module.name, theirs, ours))
