"""Whether a local engine has an image, asked without docker-py, whose import takes longer than the rest of a plan."""

from __future__ import annotations

import json
import os
import re
import socket

from replay.recipe import Image

LOCAL = "local by digest"
"""How an image is obtained that the engine has."""

_SOCKET = "/var/run/docker.sock"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SECONDS = 10
_MAX_BYTES = 8 << 20


def has_image(image: Image) -> bool:
    """Whether the engine behind a local socket surely has ``image`` under its config digest.

    False says nothing: the engine may be elsewhere, silent, absent, or call its images by other digests; then ask
    `locate` with a client.
    """
    host = os.environ.get("DOCKER_HOST") or f"unix://{_SOCKET}"
    if not host.startswith("unix://") or not _DIGEST.fullmatch(image.config):
        return False
    try:
        answer = _get(host.removeprefix("unix://"), f"/images/{image.config}/json")
        return isinstance(answer, dict) and answer.get("Id") == image.config
    except (OSError, ValueError):  # whoever asks with a client is told what is wrong
        return False


def _get(path: str, target: str) -> object:
    """The JSON document that the engine answers, or ``None`` when it refuses. HTTP/1.0: one answer, then the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_SECONDS)
        connection.connect(path)
        connection.sendall(f"GET {target} HTTP/1.0\r\nHost: docker\r\nAccept: application/json\r\n\r\n".encode())
        answer = bytearray()
        while chunk := connection.recv(1 << 16):
            answer += chunk
            if len(answer) > _MAX_BYTES:
                raise ValueError(f"got more than {_MAX_BYTES} bytes")
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    status = head.split(b"\r\n", 1)[0].split()
    return json.loads(body) if status[1:2] == [b"200"] else None
