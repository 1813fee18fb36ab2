from __future__ import annotations

import os
import subprocess
import sys

import pytest

from replay.errors import ExecuteError
from replay.execute.probe import command, decode, facts_of, host_facts, without_python
from replay.recipe import Machine


def ask(**environment: str) -> Machine:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment}
    ran = subprocess.run(command(sys.executable), capture_output=True, env=environment, check=False)
    return decode(ran.returncode, ran.stdout)


def test_the_script_reports_this_machine() -> None:
    machine = ask()
    host = host_facts()
    assert (machine.cpu_model, machine.cpu_flags, machine.kernel) == (host.cpu_model, host.cpu_flags, host.kernel)
    assert (machine.memory_bytes, machine.cpus) == (host.memory_bytes, host.cpus)
    assert machine.python == ".".join(map(str, sys.version_info[:3]))
    (blas,) = [pool for pool in machine.blas if pool.library == "openblas"]
    assert blas.threads == 1
    assert blas.architecture
    assert machine.numpy
    assert machine.numpy_dispatch


def test_features_that_are_switched_off_are_not_reported() -> None:
    *kept, last = ask().numpy_dispatch
    assert ask(NPY_DISABLE_CPU_FEATURES=last).numpy_dispatch == tuple(kept)


def test_the_command_fits_into_one_argument() -> None:
    assert max(len(part) for part in command("python3")) < 100_000  # Linux allows 131,072


@pytest.mark.parametrize(
    ("code", "out"),
    [(1, b"Traceback \x1b[2J"), (0, b""), (0, b"replay-probe:{}"), (0, b"replay-probe:" + b"[" * 100_000),
     (0, b'replay-probe:{"cpu_model": "x", "evil": 1}')],
)  # fmt: skip
def test_nonsense_is_refused(code: int, out: bytes) -> None:
    with pytest.raises(ExecuteError, match="the probe inside the image") as caught:
        decode(code, out)
    assert "\x1b" not in str(caught.value)


def test_facts_travel_both_ways() -> None:
    host = host_facts()
    machine = without_python(host, 1)
    assert (machine.python, machine.blas, machine.cpus) == ("", (), 1)
    assert facts_of(machine, host.architecture, host.cpus) == host
