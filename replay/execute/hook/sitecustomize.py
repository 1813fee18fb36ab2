"""First on PYTHONPATH inside a step's container; Python 3.6 or newer, no dependency.

Watches for two imports, Hydra's configuration loader and numpy's core, and otherwise makes itself invisible: another
``sitecustomize`` on the path runs as if this one were not there. Nothing in here may break the step.
"""
# Written for Python 3.6 in other people's images: hence no annotations, no pathlib, old formatting.
# ruff: noqa: PTH100, PTH118, PTH120, PTH123, UP031
# mypy: ignore-errors

import importlib.machinery
import importlib.util
import os
import sys
import warnings

_HERE = os.path.dirname(os.path.abspath(__file__))
_HYDRA = "hydra._internal.config_loader_impl"
_NUMPY = ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath")


def _report(where, error):
    try:
        out = os.environ.get("REPLAY_HOOK_OUT", "/replay/out")
        with open(os.path.join(out, "hook-%d.txt" % os.getpid()), "a") as file:
            file.write("%s: %s: %s\n" % (where, type(error).__name__, error))
    except OSError:  # there is nowhere left to say it
        return


def _capture():
    spec = importlib.util.spec_from_file_location("_replay_capture", os.path.join(_HERE, "_replay_capture.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _wrap_hydra(loader):
    execute = loader.exec_module

    def exec_module(module):
        execute(module)
        try:
            _capture().install(module, _report)
        except Exception as error:
            _report("installing", error)

    loader.exec_module = exec_module


def _wrap_numpy(loader):
    # NPY_DISABLE_CPU_FEATURES names the features of all numpy versions; a step that turns warnings into errors must
    # not fail on the names that its own version does not know.
    for name in ("create_module", "exec_module"):
        setattr(loader, name, _quiet(getattr(loader, name)))


def _quiet(function):
    def call(argument):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "During parsing environment variable", ImportWarning)
            return function(argument)

    return call


class _Finder:
    """Lets the other finders find, and wraps the loader of the modules that it waits for."""

    def __init__(self):
        self._waiting = {_HYDRA: _wrap_hydra}
        if os.environ.get("NPY_DISABLE_CPU_FEATURES"):
            self._waiting.update(dict.fromkeys(_NUMPY, _wrap_numpy))

    def find_spec(self, name, path=None, target=None):
        wrap = self._waiting.pop(name, None)
        if wrap is None:
            return None
        spec = importlib.util.find_spec(name) if path is None else _found(name, path, target)
        try:
            if spec is not None and spec.loader is not None:
                wrap(spec.loader)
        except Exception as error:
            _report("wrapping " + name, error)
        return spec


def _found(name, path, target):
    for finder in sys.meta_path:
        if not isinstance(finder, _Finder):
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                return spec
    return None


def _chain():
    """Run the sitecustomize that this one hides; what it raises is raised here too, as without us."""
    path = [place for place in sys.path if os.path.abspath(place) != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", path)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


try:
    sys.meta_path.insert(0, _Finder())
    sys.path[:] = [place for place in sys.path if os.path.abspath(place) != _HERE]
except Exception as error:
    _report("starting", error)
_chain()
