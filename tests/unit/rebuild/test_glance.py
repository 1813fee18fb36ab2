"""The quick question after an image, to engines that are sockets of our own."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from tests_support.recipes import a_recipe

from replay.rebuild.glance import has_image
from replay.recipe import Image

IMAGE = msgspec.structs.replace(a_recipe().environment.image, config="sha256:" + "a" * 64)
Answering = Callable[[bytes], list[bytes]]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Answering]:
    """Start an engine that gives one answer; the list holds what it was asked."""
    path = tmp_path / "engine.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    threads: list[threading.Thread] = []

    def start(answer: bytes) -> list[bytes]:
        asked: list[bytes] = []
        listener = socket.socket(socket.AF_UNIX)
        listener.settimeout(20)
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            with listener:
                connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(answer)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return asked

    yield start
    for thread in threads:
        thread.join()


def answer(status: str, document: object) -> bytes:
    return f"HTTP/1.0 {status}\r\nContent-Type: application/json\r\n\r\n{json.dumps(document)}".encode()


def test_an_image_that_is_here(engine: Answering) -> None:
    asked = engine(answer("200 OK", {"Id": IMAGE.config}))
    assert has_image(IMAGE)
    assert asked[0].startswith(f"GET /images/{IMAGE.config}/json HTTP/1.0\r\n".encode())


@pytest.mark.parametrize(
    "said",
    [
        answer("404 Not Found", {"message": "No such image"}),
        answer("404 Not Found", {"Id": IMAGE.config}),
        answer("200 OK", {"Id": "sha256:" + "b" * 64}),
        answer("200 OK", [IMAGE.config]),
        b"HTTP/1.0 200 OK\r\n\r\nno JSON",
        b"",
    ],
)
def test_any_other_answer_is_no(engine: Answering, said: bytes) -> None:
    engine(said)
    assert not has_image(IMAGE)


@pytest.mark.parametrize("host", ["tcp://127.0.0.1:1", "unix:///nowhere/engine.sock", "ssh://nowhere"])
def test_engines_that_are_elsewhere_or_silent(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    assert not has_image(IMAGE)


@pytest.mark.parametrize("config", ["sha256:a\r\nX: y", "../containers", "", "a tag"])
def test_what_is_no_digest_is_not_asked_for(engine: Answering, config: str) -> None:
    asked = engine(answer("200 OK", {"Id": config}))
    strange: Image = msgspec.structs.replace(IMAGE, config=config)
    assert not has_image(strange)
    assert not asked
    has_image(IMAGE)  # lets the engine end
