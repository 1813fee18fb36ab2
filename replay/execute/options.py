"""The hermetic options of a container. Pure: what docker-py is told, nothing of how."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from replay.errors import UsageError
from replay.execute.determinism import HOME
from replay.recipe import Resources

USER = "65534:65534"
HOOK = "/replay/hook"
_IMAGE = re.compile(r"sha256:[0-9a-f]{64}")
_MIB = 1 << 20


def check_image(image: str) -> str:
    """``image`` when it is called by its content.

    Raises:
        UsageError: It is a tag or anything else that can move.
    """
    if not _IMAGE.fullmatch(image):
        raise UsageError(f"got the image {image!r}, expected sha256:… (a tag may move)")
    return image


def environment(
    recorded: Mapping[str, str], restored: Mapping[str, str], image: Sequence[str], *, hook: bool
) -> dict[str, str]:
    """What the step sees beyond the image's own variables; what was recorded wins over what is restored.

    The hook goes first on ``PYTHONPATH``, before the step's own path or, without one, the image's.
    """
    made = {**restored, **recorded}
    if hook:
        own = made.get("PYTHONPATH") or dict(v.partition("=")[::2] for v in image).get("PYTHONPATH")
        made["PYTHONPATH"] = f"{HOOK}:{own}" if own else HOOK
    return made


def hermetic(resources: Resources, cpuset: str) -> dict[str, Any]:
    """Keyword arguments of ``containers.create`` that every container of ours gets.

    No network, no capability, no new privilege, nothing writable but its own temporary file systems, and limits on
    everything that can be limited without changing results.
    """
    from docker.types import LogConfig, Ulimit

    temporary = max(64 * _MIB, resources.memory_bytes // 2)
    tmpfs = f"rw,exec,nosuid,nodev,size={temporary},mode=1777"
    return {
        "entrypoint": [],
        "detach": True,
        "network_mode": "none",
        "read_only": True,
        "tmpfs": {"/tmp": tmpfs, HOME: tmpfs},
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "user": USER,
        "pids_limit": resources.pids,
        "mem_limit": resources.memory_bytes,
        "memswap_limit": resources.memory_bytes,
        "shm_size": resources.shm_bytes,
        "cpuset_cpus": cpuset,
        "ulimits": [
            Ulimit(name="nofile", soft=4096, hard=4096),
            Ulimit(name="core", soft=0, hard=0),
            Ulimit(name="fsize", soft=resources.file_bytes, hard=resources.file_bytes),
        ],
        "ipc_mode": "private",
        "hostname": "replay",
        "init": True,
        "stop_signal": "SIGKILL",
        "healthcheck": {"test": ["NONE"]},
        "log_config": LogConfig(type="none", config={}),
    }
