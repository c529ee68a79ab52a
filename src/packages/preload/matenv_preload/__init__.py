"""Opens CUDA's libraries by path just before onnxruntime or tensorrt is loaded, which cannot find them by name.

This file was written by matenv. matenv_preload.pth imports it whenever Python starts, so it must be fast. Errors are
ignored here: the program that needs a missing or broken library reports it.
"""

import sys
from _thread import allocate_lock


class _Finder:
    """Lets the other finders find the module, and hooks into its loader.

    It stays in sys.meta_path afterwards: removing it would shift the list while another thread iterates over it.
    """

    def __init__(self):
        self.lock = allocate_lock()
        self.done = False

    def find_spec(self, name, path=None, target=None):
        if self.done or name not in ("onnxruntime", "tensorrt"):
            return None
        try:
            return self.hooked(name, path, target)
        except Exception:
            return None

    def hooked(self, name, path, target):
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                break
        else:
            return None
        loader = spec.loader
        create = loader.create_module

        # Not in find_spec, because importlib.util.find_spec calls it too; not in exec_module, to stay out of
        # tracebacks.
        def create_module(spec):
            loader.__dict__.pop("create_module", None)
            self.preload()
            return create(spec)

        loader.create_module = create_module
        return spec

    def preload(self):
        with self.lock:
            if not self.done:
                try:
                    from matenv_preload.libraries import open_all

                    open_all()
                except Exception:
                    pass
                self.done = True


sys.meta_path.insert(0, _Finder())
