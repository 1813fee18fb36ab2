"""The hook in a Python of its own, with the real Hydra and the real numpy of this installation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from replay.execute import staging
from replay.execute.configs import read_configs

HOOK = Path(staging.__file__).with_name("hook")
MAIN = """
import hydra
@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def main(cfg):
    print(cfg.a)
main()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("a: 1\nb: ${oc.env:SECRET_OF_NONE,fallback}\n")
    (tmp_path / "main.py").write_text(MAIN)
    return tmp_path


def python(project: Path, *arguments: str, hook: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    path = environment.pop("PYTHONPATH", "")
    own = os.pathsep.join(filter(None, [str(HOOK) if hook else "", path]))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV"))}
    env = {**kept, "PYTHONPATH": own, "REPLAY_HOOK_OUT": str(project / "out"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, env=env | environment)


def test_a_step_without_hydra_sees_the_same_with_and_without(project: Path) -> None:
    code = "import sys; print(sys.path, '_replay_capture' in sys.modules, 'hydra' in sys.modules)"
    seen = python(project, "-c", code)
    assert (seen.returncode, seen.stderr) == (0, "")
    plain = python(project, "-c", code, hook=False)
    assert seen.stdout == plain.stdout
    assert list((project / "out").iterdir()) == []


def test_hydra_main_is_captured(project: Path) -> None:
    seen = python(project, "main.py", "a=2", "hydra.run.dir=.", "hydra.output_subdir=null")
    assert (seen.returncode, seen.stdout, seen.stderr) == (0, "2\n", "")
    (config,), notes = read_configs(project / "out")
    assert notes == ()
    assert (config.name, config.overrides) == ("config", ("a=2",))
    assert config.resolved == "a: 2\nb: fallback\n"
    assert (config.interpolations[0].variable, config.interpolations[0].value) == ("SECRET_OF_NONE", "fallback")


def test_a_multirun_is_captured_job_by_job(project: Path) -> None:
    seen = python(project, "main.py", "-m", "a=1,2", "hydra.sweep.dir=sweep", "hydra.output_subdir=null")
    assert seen.returncode == 0, seen.stderr
    configs, _ = read_configs(project / "out")
    assert {c.resolved.splitlines()[0] for c in configs} >= {"a: 1", "a: 2"}


def test_where_nothing_can_be_written_the_step_goes_on(project: Path) -> None:
    seen = python(project, "main.py", "hydra.run.dir=.", REPLAY_HOOK_OUT="/nowhere/at/all")
    assert (seen.returncode, seen.stdout, seen.stderr) == (0, "1\n", "")


def test_a_resolver_that_never_ends_is_left_behind(project: Path) -> None:
    slow = MAIN.replace("import hydra", "import hydra, time, omegaconf\nomegaconf.OmegaConf.register_new_resolver("
                        "'slow', lambda: time.sleep(600))")  # fmt: skip
    (project / "main.py").write_text(slow)
    (project / "conf" / "config.yaml").write_text("a: 1\nb: ${slow:}\n")
    hook = project / "hook"
    hook.mkdir()
    for file in HOOK.glob("*.py"):
        (hook / file.name).write_text(file.read_text().replace("_SECONDS = 20", "_SECONDS = 0.5"))
    seen = python(project, "main.py", "hydra.run.dir=.", hook=False, PYTHONPATH=str(hook))
    assert (seen.returncode, seen.stdout) == (0, "1\n")
    configs, notes = read_configs(project / "out")
    assert configs == ()
    assert len(notes) == 1
    assert "resolving took more than" in notes[0]


def test_another_sitecustomize_runs_in_its_place(project: Path) -> None:
    (project / "site").mkdir()
    (project / "site" / "sitecustomize.py").write_text("import builtins; builtins.seen = __file__\nMARK = 1\n")
    code = "import sitecustomize; print(sitecustomize.MARK, seen)"
    seen = python(project, "-c", code, PYTHONPATH=str(project / "site"))
    assert seen.stdout == f"1 {project}/site/sitecustomize.py\n"
    (project / "site" / "sitecustomize.py").write_text("raise RuntimeError('theirs')")
    path = str(project / "site")
    with_hook, without = (python(project, "-c", "print(1)", PYTHONPATH=path, hook=hook) for hook in (True, False))
    assert with_hook.stdout == without.stdout == "1\n"
    assert "RuntimeError: theirs" in with_hook.stderr
    assert "RuntimeError: theirs" in without.stderr


def test_feature_names_of_other_numpy_versions_break_no_strict_step(project: Path) -> None:
    both = {"NPY_DISABLE_CPU_FEATURES": "AVX512F X86_V4"}  # each numpy knows one of the two
    strict = python(project, "-W", "error", "-c", "import numpy; print(1)", hook=False, **both)
    assert "ImportWarning" in strict.stderr
    seen = python(project, "-W", "error", "-c", "import numpy, warnings; warnings.warn('mine')", **both)
    assert seen.stderr.endswith("UserWarning: mine\n")
    assert "ImportWarning" not in seen.stderr
