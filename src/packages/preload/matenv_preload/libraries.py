"""Opens the files that libraries.txt lists, in this order. Skips files that are missing or cannot be opened."""

import ctypes
import os


def open_all():
    try:
        # cuDNN needs libz.so.1 but cannot find it. conda's Python finds it in its own folder.
        import zlib  # noqa: F401
    except ImportError:
        pass
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "libraries.txt"), encoding="utf-8") as lines:
        paths = [os.path.join(os.path.dirname(here), *line.split("/")) for line in lines.read().splitlines()]
    if os.name == "nt":
        mode = ctypes.DEFAULT_MODE
        for folder in dict.fromkeys(map(os.path.dirname, paths)):
            try:
                os.add_dll_directory(folder)
            except OSError:
                pass
    else:
        mode = os.RTLD_NOW | os.RTLD_GLOBAL
    for path in paths:
        try:
            ctypes.CDLL(path, mode)
        except OSError:
            pass
