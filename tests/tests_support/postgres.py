"""PostgreSQL for tests: a cluster of our own on loopback, or the server that REPLAY_TEST_POSTGRES names."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from tests_support.folders import quick_folder

from replay.store.migrating import upgrade_postgres

PASSWORD = "the s3cret"
"""Of the role ``locked`` in a cluster of ours; every other role needs none."""

_CONFIG = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 150
shared_buffers = 64MB
autovacuum = off
dynamic_shared_memory_type = mmap
min_wal_size = 32MB
max_wal_size = 128MB
"""
_FORGETFUL = "fsync = off\nfull_page_writes = off\n"
_ACCESS = """
host all locked 127.0.0.1/32 scram-sha-256
host all all    127.0.0.1/32 trust
"""
_START_SECONDS = 60
_PREFIX = "replay-postgres-"
_AGE_SECONDS = 600


def _programs() -> Path:
    """Where initdb and its companions are."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        pytest.fail(
            "no initdb here: `make test` installs PostgreSQL on Debian as root; elsewhere install it, or let "
            "REPLAY_TEST_POSTGRES hold the URL of a server where databases can be made",
            pytrace=False,
        )
    return found[-1].parent if found else Path(str(on_path)).resolve().parent


def _unprivileged() -> list[str]:
    """How to run a server's program: never as root, which it refuses."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def _sweep(home: Path) -> None:
    """Remove what killed processes left; their servers ended with them."""
    for folder in home.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), (folder / "owner").open() as owner:  # locked, or another one sweeps
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - Path(owner.name).stat().st_mtime > _AGE_SECONDS:  # else it may be about to be locked
                shutil.rmtree(folder, ignore_errors=True)


class Cluster:
    """A server of our own, empty, with the superuser ``replay``.

    Attributes:
        port: Where it listens on 127.0.0.1.
    """

    def __init__(self, *, durable: bool) -> None:
        """Make it and start it.

        Args:
            durable: What is committed survives a crash of the machine; without, it is faster.
        """
        self._programs = _programs()
        home = Path(tempfile.gettempdir()) if durable else quick_folder() or Path(tempfile.gettempdir())
        _sweep(home)
        self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=home))
        self._owner = (self._folder / "owner").open("w")  # locked for as long as we live
        fcntl.flock(self._owner, fcntl.LOCK_EX)
        self._data = self._folder / "data"
        self._server: subprocess.Popen[bytes] | None = None
        self.port = 0
        try:
            if os.geteuid() == 0:
                os.chown(self._folder, pwd.getpwnam("postgres").pw_uid, -1)
            options = ["--username=replay", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions"]
            self._run("initdb", f"--pgdata={self._data}", *options, *([] if durable else ["--no-sync"]))
            with (self._data / "postgresql.conf").open("a") as config:
                config.write(_CONFIG if durable else _CONFIG + _FORGETFUL)
            (self._data / "pg_hba.conf").write_text(_ACCESS)
            self.start()
        except BaseException:
            self.close()
            raise

    def url(self, database: str = "postgres", *, user: str = "replay") -> str:
        """The address of one of its databases."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, at the first time on a port that is free; its databases are as they were."""
        for _ in range(5):
            self.port = self.port or _free_port()
            # It is to end with us, even when we are killed: then a signal tells it to.
            command = ["setpriv", "--pdeathsig=INT", *_unprivileged()[1:], self._programs / "postgres"]
            with (self._folder / "log").open("ab") as log:
                self._server = subprocess.Popen(
                    [*command, "-D", self._data, "-p", str(self.port)], stdout=log, stderr=log, cwd=self._folder
                )
            if self._answers():
                return
            self.port = 0  # another process was faster
        pytest.fail(f"PostgreSQL did not start:\n{(self._folder / 'log').read_text()[-2000:]}", pytrace=False)

    def stop(self, mode: str = "fast") -> None:
        """Stop it: ``fast`` ends all sessions, ``immediate`` is a crash."""
        if self._server is not None:
            if self._server.poll() is None:
                self._run("pg_ctl", "stop", f"--pgdata={self._data}", f"--mode={mode}", "--no-wait")
            self._server.wait(_START_SECONDS)
            self._server = None

    def close(self) -> None:
        """Stop it and remove everything."""
        try:
            self.stop("immediate")
        finally:
            self._owner.close()
            shutil.rmtree(self._folder)

    def _answers(self) -> bool:
        end = time.monotonic() + _START_SECONDS
        while self._server is not None and self._server.poll() is None and time.monotonic() < end:
            with contextlib.suppress(psycopg.OperationalError), contextlib.closing(psycopg.connect(self.url())):
                return True
            time.sleep(0.02)
        return False

    def _run(self, program: str, *args: str) -> None:
        command = [*_unprivileged(), self._programs / program, *args]
        done = subprocess.run(command, cwd=self._folder, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(f"{program} failed:\n{done.stdout}{done.stderr}", pytrace=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A server that gives each test a database of its own.

    Attributes:
        url: The address of its maintenance database, where databases can be made.
    """

    def __init__(self, url: str, *, own: bool) -> None:
        self.url = url
        self._name = f"replay_{os.getpid()}_{secrets.token_hex(3)}"  # other processes may use the same server
        self._numbers = itertools.count(1)
        self._admin = psycopg.connect(url, autocommit=True)
        self._template = f"{self._name}_template"
        # Half the time, where a checkpoint costs nothing. Before 15 there was no other way.
        self._how = "STRATEGY FILE_COPY" if own and self._admin.info.server_version >= 150000 else ""
        try:
            self._admin.execute(f"CREATE DATABASE {self._template} TEMPLATE template0 ENCODING 'UTF8'")
            upgrade_postgres(self.at(self._template))
        except BaseException:
            self.close()
            raise

    def at(self, database: str) -> str:
        """The address of one of its databases."""
        return urlsplit(self.url)._replace(path=f"/{database}").geturl()

    @contextlib.contextmanager
    def database(self, *, tables: bool = True, like: str = "") -> Iterator[str]:
        """The address of a new database; it is dropped at the end.

        Args:
            tables: With the tables of the lineage; else with none.
            like: The address of one of these, which nobody is connected to: a copy of it.
        """
        name = f"{self._name}_{next(self._numbers)}"
        template = urlsplit(like).path[1:] if like else self._template if tables else "template0"
        self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} {self._how}")
        try:
            yield self.at(name)
        finally:
            self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        """Leave nothing behind."""
        with self._admin:
            self._admin.execute(f"DROP DATABASE IF EXISTS {self._template} WITH (FORCE)")


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """The server for the tests of this process."""
    with contextlib.ExitStack() as stack:
        url = os.environ.get("REPLAY_TEST_POSTGRES", "")
        own = stack.enter_context(contextlib.closing(Cluster(durable=False))) if not url else None
        yield stack.enter_context(contextlib.closing(Server(own.url() if own else url, own=own is not None)))
