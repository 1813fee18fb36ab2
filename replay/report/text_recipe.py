"""A recipe, a plan and the list of models on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from replay.outcome import Verdict
from replay.recipe import Artifact, Environment, Grade, Machine, Recipe, Step
from replay.report.ink import Ink
from replay.report.plan import Availability, Plan
from replay.report.standing import tolerance_text
from replay.report.text import render_deviations, render_gaps
from replay.report.words import GRADES, STATUSES, STYLES, VERDICTS, Badge, command_text, plural, size, utc

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

AVAILABLE = {
    Availability.HERE: Badge("✓", "ok", "here", "ok"),
    Availability.REMOTE: Badge("↓", "v", "to fetch", "near"),
    Availability.REBUILD: Badge("⟳", "@", "to rebuild", "near"),
    Availability.MISSING: Badge("∅", "-", "missing", "bad"),
    Availability.UNKNOWN: Badge("?", "?", "unknown", "warn"),
}


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded model version in the list of models."""

    model_id: str
    recorded: str
    """UTC, ISO 8601."""
    commit: str
    grade: Grade | None = None
    aliases: tuple[str, ...] = ()
    verdict: Verdict | None = None
    """Of the last replay."""
    replayed: str = ""
    """When that was; empty for never."""
    status: str = ""
    """``approved``, ``rejected``, or whatever else was said of it."""
    stage: str = ""
    deployed: tuple[str, ...] = ()
    """Where it runs now."""


def render_models(rows: Sequence[ModelRow], console: Console) -> None:
    """Print one line per model version; what is not known is called so."""
    ink = Ink(console)
    if not rows:
        ink.line("no model is recorded yet; `replay record --model NAME` records one")
        return
    table = ink.table("model", "status", "deployed", "grade", "last replay", "recorded", "commit")
    for row in rows:
        last = ink.badge(VERDICTS[row.verdict]) if row.verdict else ink.text("never replayed")
        if row.replayed:
            last.append("\n").append(ink.text(utc(row.replayed)))
        name = ink.join(ink.text(row.model_id, "bold"), *(f" @{alias}" for alias in row.aliases))
        grade = row.grade.value if row.grade else "unknown"
        commit = ink.text(row.commit[:12] or "unknown")
        table.add_row(
            name, _status(ink, row), _deployed(ink, row), ink.text(grade), last, ink.text(utc(row.recorded)), commit
        )
    console.print(table, highlight=False)


def _status(ink: Ink, row: ModelRow) -> Text:
    status = ink.badge(STATUSES[row.status]) if row.status in STATUSES else ink.text(row.status or "undecided")
    return status.append("\n").append(ink.text(row.stage)) if row.stage else status


def _deployed(ink: Ink, row: ModelRow) -> Text:
    tone = "" if row.status == "approved" or not row.deployed else STYLES["bad" if row.status == "rejected" else "warn"]
    return ink.text(", ".join(row.deployed) or "nowhere", tone)


def render_plan(plan: Plan, console: Console) -> None:
    """Print what a replay would fetch, build and run, from where, and what stands in its way."""
    ink = Ink(console)
    ink.line(ink.text(plan.model_id, "bold"), f"  grade {plan.grade.value}: {GRADES[plan.grade]}")
    missing = plural(len(plan.missing), "thing") + " missing" if plan.missing else "nothing known to be missing"
    ink.facts(
        [
            ("recipe", plan.recipe_id),
            ("profile", plan.profile or "unknown"),
            ("image", plan.image),
            ("", plan.image_how),
            ("to fetch", f"{size(plan.fetch_bytes)}; {missing}"),
        ]
    )
    _plan_items(ink, plan)
    _plan_steps(ink, plan)
    render_gaps(ink, plan.gaps)
    render_deviations(ink, "What this machine cannot restore", plan.cannot_restore)
    console.print()
    ink.line("Nothing was fetched, built or run.")


def _plan_items(ink: Ink, plan: Plan) -> None:
    if not plan.items:
        return
    table = ink.table("what", "available", "size", "source")
    for item in plan.items:
        amount = ink.text("unknown" if item.bytes is None else size(item.bytes))
        table.add_row(ink.text(item.what), ink.badge(AVAILABLE[item.available]), amount, ink.text(item.source))
    ink.heading("Needed")
    ink.console.print(table, highlight=False)


def _plan_steps(ink: Ink, plan: Plan) -> None:
    if plan.steps:
        ink.heading("Steps")
    for step in plan.steps:
        ink.bullet(ink.text(step.name, "bold"), f"  {plural(step.inputs, 'input')}, {plural(step.outputs, 'output')}")
        for line in command_text(step.command).split("\n"):
            ink.whole(line, indent=4)


def render_recipe(recipe: Recipe, console: Console) -> None:
    """Print everything that a recipe pins, and what it does not."""
    ink = Ink(console)
    ink.line(ink.text(recipe.model_id, "bold"), f"  grade {recipe.grade.value}: {GRADES[recipe.grade]}")
    code = recipe.code
    ink.facts(
        [
            ("recipe", recipe.recipe_id),
            ("model", recipe.model),
            ("profile", recipe.profile or "unknown"),
            ("commit", code.commit),
            ("tree", code.tree),
            ("remote", code.url or "unknown"),
            ("directory", code.directory or "the repository's root"),
            ("uncommitted", f"a diff with sha256 {code.patch}" if code.patch else "nothing"),
            *environment_facts(recipe.environment),
            *machine_facts(recipe.machine),
        ]
    )
    for step in recipe.steps:
        _step(ink, step)
    render_gaps(ink, recipe.gaps)


def machine_facts(machine: Machine) -> list[tuple[str, str]]:
    """The machine of the record in two lines."""
    if machine.cpus == 0:
        return [("machine", "unknown: nobody watched the run")]
    cpus = f"{machine.cpu_model or 'unknown CPU'}, {plural(machine.cpus, 'CPU')}, {size(machine.memory_bytes)}"
    pools = (" ".join(filter(None, (b.library, b.version, b.architecture, f"x {b.threads}"))) for b in machine.blas)
    return [("machine", cpus), ("BLAS", ", ".join(pools) or "unknown")]


def environment_facts(environment: Environment) -> list[tuple[str, str]]:
    """What is known of an environment, as labels with values."""
    python = sum(package.system == "python" for package in environment.packages)
    image = environment.image
    about = f"({image.platform or 'unknown platform'}, {plural(len(image.layers), 'layer')})"
    facts = [("image", f"{image.config} {about}"), ("made by", environment.kind.value)]
    facts += [("base", environment.base.config)] if environment.base else []
    facts += [("lock", f"{environment.lock} sha256 {environment.lock_sha256 or 'unknown'}")] if environment.lock else []
    facts += [("installer", environment.installer)] if environment.installer else []
    facts += [("Dockerfile", environment.dockerfile)] if environment.dockerfile else []
    return [*facts, ("packages", f"{python} of Python, {len(environment.packages) - python} of the system")]


def _step(ink: Ink, step: Step) -> None:
    ink.heading(f"Step {step.name}")
    for line in command_text(step.command).split("\n"):
        ink.whole(line, indent=2)
    seeds = ", ".join(f"{seed.name} = {seed.value} ({seed.place})" for seed in step.seeds)
    ink.facts(
        [
            ("seeds", seeds or "none found"),
            *([("seeds missing", ", ".join(step.seeds_missing))] if step.seeds_missing else []),
            *((f"config {c.name}", " ".join(c.overrides) or "no overrides") for c in step.configs),
        ]
    )
    table = ink.table("path", "size", "sha256", "judged by")
    for artifact in step.inputs:
        table.add_row(*_artifact(ink, artifact), ink.text("input"))
    for output in step.outputs:
        how = f"{output.judgement.comparator}, tolerance {tolerance_text(output)}"
        if output.judgement.volatile:
            how = f"volatile, not judged ({output.judgement.reason or 'no reason given'})"
        table.add_row(*_artifact(ink, output.artifact), ink.text(how))
    ink.console.print(table, highlight=False)


def _artifact(ink: Ink, artifact: Artifact) -> tuple[Text, Text, Text]:
    return ink.text(artifact.path), ink.text(size(artifact.size)), ink.text(artifact.digests.sha256[:12])
