"""The engine that answers, the one that is started, and the base that is made without a registry."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from replay.errors import EngineUnavailableError
from replay.progress import Silent
from replay.rebuild import connect, describe_image, engine_info, start_engine
from replay.rebuild.base import architecture, pull
from replay.rebuild.bootstrap import bootstrap
from replay.rebuild.interface import BootstrapSpec

pytestmark = pytest.mark.docker


def test_the_engine_tells_what_it_is():
    with closing(connect()) as client:
        info = engine_info(client)
    assert info.version
    assert info.api
    assert info.runc
    assert info.cpus >= 1
    assert info.address.startswith(("unix://", "http", "ssh", "npipe"))


def test_an_answering_engine_is_used_as_it_is(tmp_path):
    log = tmp_path / "log"
    assert "answers already; nothing was changed" in start_engine(Silent(), log=log)
    assert not log.exists()


def test_nobody_at_a_socket_is_said_with_a_hint(tmp_path):
    with pytest.raises(EngineUnavailableError, match="no such socket") as caught:
        connect(f"unix://{tmp_path}/none.sock")
    assert "doctor --fix" in (caught.value.hint or "")


def test_a_registry_that_never_speaks_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent, closing(connect()) as client:
        said = pull(client, f"127.0.0.1:{silent.getsockname()[1]}/silent:1", 1, Silent())
    assert said == "the registry said nothing for 1 s"


def test_two_bootstraps_of_the_same_packages_are_the_same_image():
    spec = BootstrapSpec(suite="bookworm", packages=("python3-minimal",))  # byte code is part of it
    with closing(connect()) as client:
        found = []
        for _ in range(2):
            reference = bootstrap(client, spec, architecture(client), Silent())
            found.append(describe_image(client, reference, spec.origin))
            client.api.remove_image(reference, force=True)
    assert found[0] == found[1]
