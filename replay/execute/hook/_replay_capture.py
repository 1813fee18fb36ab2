"""Writes down every configuration that Hydra composes. Loaded by sitecustomize when Hydra is imported."""
# Written for Python 3.6 in other people's images: hence no annotations, no pathlib, old formatting.
# ruff: noqa: B905, PTH104, PTH118, PTH123, UP031
# mypy: ignore-errors

import json
import os
import re
import signal
import sys
import time

_SECONDS = 20
_INTERPOLATION = re.compile(r"\$\{([A-Za-z_][\w.]*)\s*:")
_ENVIRONMENT = ("oc.env", "env")
_count = [0]


def install(module, report):
    """Wrap the loader's one entry, which both hydra.main and compose go through."""
    loader = module.ConfigLoaderImpl
    # Hydra 1.4's hydra.main enters one level deeper than compose; 1.3 has only the outer one.
    entry = "_load_configuration" if hasattr(loader, "_load_configuration") else "load_configuration"
    original = getattr(loader, entry)

    def load_configuration(self, *args, **kwargs):
        config = original(self, *args, **kwargs)
        try:
            name = kwargs["config_name"] if "config_name" in kwargs else args[0] if args else None
            _record(config, name, report)
        except Exception as error:
            report("capturing", error)
        return config

    setattr(loader, entry, load_configuration)


def _record(config, name, report):
    """Resolve and write in a forked child: resolvers may have side effects, and the step must not see them twice."""
    _count[0] += 1
    place = os.path.join(os.environ.get("REPLAY_HOOK_OUT", "/replay/out"), "config-%d-%d" % (os.getpid(), _count[0]))
    sys.stdout.flush()
    sys.stderr.flush()
    child = _fork()
    if child == 0:
        code = 1
        try:
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            _write(place, _snapshot(config, name))
            code = 0
        except BaseException as error:  # a child must never go on as the step
            report("capturing", error)
        finally:
            os._exit(code)
    deadline = time.time() + _SECONDS
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if time.time() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise RuntimeError("resolving took more than %d s" % _SECONDS)
        time.sleep(0.002)


def _fork():
    import warnings

    with warnings.catch_warnings():  # Python 3.12 warns about threads; this child touches none
        warnings.simplefilter("ignore")
        return os.fork()


def _write(place, snapshot):
    with open(place + ".part", "w", encoding="utf-8") as file:
        json.dump(snapshot, file)
    os.rename(place + ".part", place + ".json")


def _snapshot(config, name):
    hydra = config.get("hydra")
    unresolved = _yaml(_plain(config, False))
    _set_hydra_config(config)
    calls = _watch_resolvers()
    resolved = _yaml(_plain(config, True))
    return {
        "name": str(name or ""),
        "overrides": [str(o) for o in hydra.overrides.task] if hydra is not None else [],
        "choices": {str(k): str(v) for k, v in hydra.runtime.choices.items()} if hydra is not None else {},
        "unresolved": unresolved,
        "resolved": resolved,
        "interpolations": _interpolations(unresolved, calls),
    }


def _set_hydra_config(config):
    """So that ${hydra:…} resolves as it will in the step; only this child sees it."""
    try:
        from importlib import import_module

        import_module("hydra.core.hydra_config").HydraConfig.instance().set_config(config)
    except Exception:  # then these interpolations show as unresolved
        return


def _plain(config, resolve):
    omega = sys.modules["omegaconf"].OmegaConf
    made = {}
    for key in config:
        if key != "hydra":
            made[key if isinstance(key, (str, int)) else str(key)] = _value(omega, config, key, resolve)
    return made


def _value(omega, config, key, resolve):
    node = config._get_node(key)
    if omega.is_config(node) and not omega.is_interpolation(config, key) and not omega.is_missing(config, key):
        try:
            return omega.to_container(node, resolve=resolve, enum_to_str=True)
        except Exception:  # one value that does not resolve must not hide the others
            keys = range(len(node)) if omega.is_list(node) else list(node)
            values = [_value(omega, node, k, resolve) for k in keys]
            return values if omega.is_list(node) else dict(zip([str(k) for k in keys], values))
    if omega.is_missing(config, key):
        return "???"
    if not resolve:
        return _scalar(node._value())
    try:
        value = config[key]
    except Exception as error:
        return "<unresolved: %s>" % type(error).__name__
    return omega.to_container(value, resolve=True, enum_to_str=True) if omega.is_config(value) else _scalar(value)


def _scalar(value):
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return getattr(value, "name", None) or str(value)


def _yaml(plain):
    import yaml

    return yaml.safe_dump(plain, default_flow_style=False, allow_unicode=True, sort_keys=False, width=1 << 20)


def _watch_resolvers():
    """Note each call of a resolver with what it gave; quietly nothing in versions of omegaconf that call otherwise."""
    calls = []
    base = sys.modules.get("omegaconf.base")
    original = getattr(getattr(base, "Container", None), "_evaluate_custom_resolver", None)
    if original is None:
        return calls

    def evaluate(self, key, node, inter_type, inter_args, inter_args_str):
        made = original(self, key, node, inter_type, inter_args, inter_args_str)
        value = made._value() if hasattr(made, "_value") else made
        calls.append((str(inter_type), [str(a) for a in inter_args], [str(a) for a in inter_args_str], str(value)))
        return made

    base.Container._evaluate_custom_resolver = evaluate
    return calls


def _interpolations(unresolved, calls):
    found = {}
    for resolver, args, texts, value in calls:
        expression = "${%s:%s}" % (resolver, ",".join(texts))
        variable = args[0] if resolver in _ENVIRONMENT and args else None
        found[expression] = _interpolation(expression, resolver, variable, value)
    called = {_bare(expression) for expression in found}
    for expression, resolver in _written(unresolved):
        if _bare(expression) not in called:
            inner = expression[2:-1].partition(":")[2].partition(",")[0].strip()
            variable = inner if resolver in _ENVIRONMENT and "${" not in inner else None
            found[expression] = _interpolation(expression, resolver, variable, None)
    return [found[key] for key in sorted(found)]


def _interpolation(expression, resolver, variable, value):
    return {"expression": expression, "resolver": resolver, "variable": variable, "value": value}


def _bare(expression):
    return re.sub(r"[\s'\"]", "", expression)


def _written(text):
    """The ${resolver:…} in a text, to their matching brace."""
    for match in _INTERPOLATION.finditer(text):
        depth = 0
        for end in range(match.start(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if depth == 0 and text[end] == "}":
                yield text[match.start() : end + 1], match.group(1)
                break
