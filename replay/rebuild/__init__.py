"""Rebuild: the image that steps run in, made for a record and brought back for a replay.

The order in a replay: local by digest, pulled by digest, from the archive, made again deterministically. Nothing is run
by tag; a tag only protects an image from pruning.

The names below are imported when they are first used: the settings alone need none of the machinery.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from replay.rebuild.archive import archived, keep_image, load_image
    from replay.rebuild.engine import EngineInfo, connect, engine_info, is_remote
    from replay.rebuild.images import describe_image, find_local
    from replay.rebuild.interface import BaseSpec, BootstrapSpec, EnvironmentSettings, Prepared, decode_settings
    from replay.rebuild.prepare import choose, locate, prepare_for_record, prepare_for_replay
    from replay.rebuild.start import start_engine

_HOMES = {
    "archive": ("archived", "keep_image", "load_image"),
    "engine": ("EngineInfo", "connect", "engine_info", "is_remote"),
    "images": ("describe_image", "find_local"),
    "interface": ("BaseSpec", "BootstrapSpec", "EnvironmentSettings", "Prepared", "decode_settings"),
    "prepare": ("choose", "locate", "prepare_for_record", "prepare_for_replay"),
    "start": ("start_engine",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "BaseSpec",
    "BootstrapSpec",
    "EngineInfo",
    "EnvironmentSettings",
    "Prepared",
    "archived",
    "choose",
    "connect",
    "decode_settings",
    "describe_image",
    "engine_info",
    "find_local",
    "is_remote",
    "keep_image",
    "load_image",
    "locate",
    "prepare_for_record",
    "prepare_for_replay",
    "start_engine",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
