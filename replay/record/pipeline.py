"""What is to be executed: the stages of a DVC pipeline, or one ad-hoc command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from replay.errors import RecordError, UsageError
from replay.record.recorded import Definition


class PlannedOutput(msgspec.Struct, frozen=True, kw_only=True):
    """A declared output; ``cache`` says that DVC keeps it."""

    path: str
    cache: bool = False
    metric: bool = False
    plot: bool = False


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step before it ran. Paths are relative to the workflow's directory."""

    name: str
    command: tuple[str, ...]
    directory: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[PlannedOutput, ...] = ()
    parameters: dict[str, str] = {}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The steps in dependency order, and the model artifact they are run for."""

    steps: tuple[PlannedStep, ...]
    model_name: str
    model: str
    dvc: bool

    @property
    def directories(self) -> dict[str, str]:
        """The working directory of each step that has one of its own."""
        return {step.name: step.directory for step in self.steps if step.directory}


class _Output(msgspec.Struct):
    path: str
    cache: bool
    metric: bool
    plot: bool


class _Stage(msgspec.Struct):
    name: str
    commands: list[str]
    directory: str
    inputs: list[str]
    parameters: dict[str, str]
    frozen: bool
    outputs: list[_Output]


class _Artifact(msgspec.Struct):
    name: str
    path: str
    type: str | None = None


class _Answer(msgspec.Struct):
    stages: list[_Stage] = []
    artifacts: list[_Artifact] = []
    error: str | None = None


def dvc_plan(project: Path, *, name: str | None, artifact: str | None) -> Plan:
    """The DVC pipeline in ``project``.

    Raises:
        UsageError: There is no pipeline, or it does not say which output is the model.
        RecordError: DVC cannot read it, or a path leaves the project.
    """
    if not (project / "dvc.yaml").is_file():
        raise UsageError(
            f"no command was given and {project} has no dvc.yaml",
            hint="write `replay record -i INPUT -o OUTPUT -- CMD …` for a single command",
        )
    answer = _ask_dvc(project)
    if not answer.stages:
        raise UsageError("dvc.yaml has no stage with a command")
    steps = tuple(_planned(stage) for stage in answer.stages)
    model_name, model = _choose_model(answer, steps, name, artifact, project)
    return Plan(steps=steps, model_name=model_name, model=model, dvc=True)


def command_plan(
    command: Sequence[str], *, inputs: Sequence[str], outputs: Sequence[str], name: str, artifact: str | None
) -> Plan:
    """One ad-hoc command with its declared inputs and outputs.

    Raises:
        UsageError: No output is declared, or it is not clear which one is the model.
    """
    if not outputs:
        raise UsageError("no output is declared", hint="name what the command writes with -o PATH")
    if artifact is None and len(outputs) > 1:
        raise UsageError(
            f"{len(outputs)} outputs are declared, expected to know which one is the model",
            hint=f"add --artifact PATH, e.g. --artifact {outputs[0]}",
        )
    model = artifact or outputs[0]
    if model not in outputs:
        raise UsageError(f"the model {model!r} is not among the outputs {list(outputs)}", hint="declare it with -o")
    step = PlannedStep(
        name="main",
        command=tuple(command),
        inputs=tuple(sorted(set(inputs))),
        outputs=tuple(PlannedOutput(path=path) for path in dict.fromkeys(outputs)),
    )
    return Plan(steps=(step,), model_name=name, model=model, dvc=False)


def definition_of(plan: Plan) -> Definition:
    """What is recorded of a plan: its steps as declared, without the values of parameters, which belong to the run."""
    steps = [msgspec.to_builtins(msgspec.structs.replace(step, parameters={})) for step in plan.steps]
    names = [sorted(step.parameters) for step in plan.steps]
    return Definition(
        steps=tuple({**step, "parameters": keys} for step, keys in zip(steps, names, strict=True)), model=plan.model
    )


def commit_to_dvc(project: Path) -> None:
    """Let DVC take the outputs in the workspace into its cache and ``dvc.lock``.

    Raises:
        RecordError: DVC refused.
    """
    done = _dvc(project, [sys.executable, "-m", "dvc", "commit", "--force", "--quiet"])
    if done.returncode != 0:
        raise RecordError(f"dvc commit failed: {done.stderr.strip() or done.stdout.strip()}")


def _ask_dvc(project: Path) -> _Answer:
    done = _dvc(project, [sys.executable, "-m", "replay.record.dvc_stages"])
    try:
        answer = msgspec.json.decode(done.stdout, type=_Answer)
    except msgspec.DecodeError as error:
        raise RecordError(f"DVC could not read the pipeline: {done.stderr.strip()[-500:] or error}") from error
    if answer.error:
        raise RecordError(f"DVC could not read the pipeline: {answer.error}", hint="`dvc stage list` shows the same")
    return answer


def _dvc(project: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    quiet = {"DVC_NO_ANALYTICS": "1", "PYTHONWARNINGS": "ignore", "PYTHONSAFEPATH": "1"}
    return subprocess.run(command, cwd=project, env=os.environ | quiet, capture_output=True, text=True, check=False)


def _planned(stage: _Stage) -> PlannedStep:
    for path in [stage.directory, *stage.inputs, *(o.path for o in stage.outputs)]:
        if path.startswith(("../", "/")) or path == "..":
            raise RecordError(
                f"stage {stage.name}: the path {path!r} leaves the workflow's directory",
                hint="record from the directory that holds every dependency and output",
            )
    return PlannedStep(
        name=stage.name,
        command=shell_command(stage.commands),
        directory=stage.directory,
        inputs=tuple(stage.inputs),
        outputs=tuple(PlannedOutput(path=o.path, cache=o.cache, metric=o.metric, plot=o.plot) for o in stage.outputs),
        parameters=stage.parameters,
    )


def shell_command(commands: Sequence[str]) -> tuple[str, ...]:
    """The argument vector that runs the commands of a DVC stage."""
    script = "\n".join(commands) if len(commands) == 1 else "set -e\n" + "\n".join(commands)
    return "/bin/sh", "-c", script


def _choose_model(
    answer: _Answer, steps: tuple[PlannedStep, ...], name: str | None, artifact: str | None, project: Path
) -> tuple[str, str]:
    """The model's name and path: ``--artifact``, else DVC's ``artifacts:`` entry of type ``model``."""
    outputs = [output.path for step in steps for output in step.outputs]
    declared = [a for a in answer.artifacts if a.type == "model"]
    matching = [a for a in declared if a.name == name] or declared
    if artifact is None and len(matching) == 1:
        name, artifact = name or matching[0].name, matching[0].path
    if artifact is None:
        raise UsageError(
            f"dvc.yaml declares {len(declared)} artifacts of type model, expected one",
            hint="declare it under `artifacts:` in dvc.yaml, or name it with --artifact PATH",
        )
    if artifact not in outputs:
        raise UsageError(f"the model {artifact!r} is no output of any stage; the outputs are {outputs}")
    return name or project.resolve().name.lower(), artifact
