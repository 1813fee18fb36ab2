import builtins
import importlib
import pkgutil

import replay
from replay.errors import ReplayError


def every_exception():
    found = set()
    for module in pkgutil.walk_packages(replay.__path__, "replay."):
        if ".hook" in module.name or module.name.endswith(("__main__", "_script")):  # these run elsewhere
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, BaseException) and value.__module__.startswith("replay"):
                found.add(value)
    return found


def test_every_public_exception_hangs_on_the_one_root_and_lives_in_errors():
    public = {e for e in every_exception() if not e.__name__.startswith("_")}
    stray = {e for e in public if not issubclass(e, ReplayError)}
    assert {e.__name__ for e in stray} == {"Terminated"}  # a signal, not an error
    refinements = {e.__name__ for e in public - stray if e.__module__ != "replay.errors"}
    assert refinements == {"UnreadableError", "NoWheelError"}  # of one verb, told apart by that verb alone
    assert all(e.__name__.endswith("Error") for e in public - stray)
    assert not {e.__name__ for e in public} & set(dir(builtins))


def test_the_tree_in_the_docstring_names_every_error():
    from replay import errors

    named = {name for name in vars(errors) if name.endswith("Error")}
    assert named
    assert all(name in errors.__doc__ for name in named)


def test_the_hint_is_a_field():
    error = ReplayError("got 1, expected 2", hint="try 2")
    assert (str(error), error.hint) == ("got 1, expected 2", "try 2")
