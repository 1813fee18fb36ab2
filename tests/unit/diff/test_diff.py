from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from rich.console import Console
from unit.report.sample import GAPS, HOSTILE, artifact, poison, recipe, resolved

from replay.diff import machine
from replay.diff.effects import ReadOutput
from replay.diff.recipes import diff_recipes
from replay.diff.text import render_diff
from replay.diff.tree import Change, CodeHistory, Commit, FileChange, RecipeDiff, history
from replay.flatten import MAX_BYTES, flatten_yaml
from replay.recipe import Artifact, Package, Recipe, Seed, Step, Storage

replace = msgspec.structs.replace
A = recipe()


def with_step(of: Recipe, name: str, **changes: Any) -> Recipe:
    return replace(of, steps=tuple(replace(s, **changes) if s.name == name else s for s in of.steps))


def reader(folder: Path, values: dict[int, object]) -> ReadOutput:
    """Writes metrics for the versions and answers where they lie; importance files were not kept."""
    for version, value in values.items():
        (folder / f"{version}.json").write_text(json.dumps(value))

    def read(of: Recipe, found: Artifact) -> Path | None:
        return folder / f"{of.version}.json" if found.path == "out/metrics.json" else None

    return read


def shown(diff: RecipeDiff, encoding: str = "utf-8", width: int = 120) -> str:
    target = io.BytesIO()
    file = io.TextIOWrapper(target, encoding=encoding, write_through=True)
    render_diff(diff, Console(file=file, width=width))
    return target.getvalue().decode()


def test_equal_recipes_have_no_difference() -> None:
    def never(_a: str, _b: str) -> CodeHistory:
        raise AssertionError("asked for commits although there is one")

    diff = diff_recipes(A, A, commits=never)
    assert diff.is_empty
    assert diff.causes == ()
    assert diff.headline.startswith("no difference")
    assert all(output.same for output in diff.outputs)
    assert len(diff.outputs) == 8
    assert "8 outputs are the same" in shown(diff)


def test_only_data_changed_although_the_commit_did(tmp_path: Path) -> None:
    b = recipe(3, data="stocks-v2")
    read = reader(tmp_path, {1: {"days": 3, "sharpe": 0.51291}, 3: {"days": 2, "sharpe": 0.39712}})
    diff = diff_recipes(A, b, read_output=read)
    assert diff.headline == "changed: data only (data/stocks.csv) → sharpe 0.5129 → 0.3971"
    assert diff.causes == ("data",)
    assert [(c.path, c.a_bytes, c.b_bytes) for c in diff.data] == [("data/stocks.csv", 812_345, 812_345)]
    assert [c.key for c in diff.code.identity] == ["commit", "tree"]
    assert diff.code.inputs == ()
    metrics = {m.path: m for m in diff.metrics}
    sharpe = next(row for row in metrics["out/metrics.json"].rows if row.key == "sharpe")
    assert sharpe.absolute == pytest.approx(-0.11579)
    assert sharpe.relative == pytest.approx(-0.22575, abs=1e-5)
    assert metrics["out/importance.json"].why == "the bytes of momentum:1 were not kept"
    assert not diff.is_empty


def test_a_seed_that_shows_in_config_and_parameters_is_one_cause() -> None:
    diff = diff_recipes(A, recipe(2, seed=8))
    assert diff.causes == ("seeds",)
    assert diff.headline == "changed: seeds only (seed 7 → 8) → 6 of 8 outputs differ"
    assert {c.key for c in diff.config} == {"seed", "model.seed"}
    assert diff.config[0].steps == ("features", "train", "backtest")
    assert diff.parameters == (Change(key="params.yaml:train.seed", a="7", b="8"),)
    assert [(c.key, c.a, c.b) for c in diff.overrides] == [("seed", "seed=7", "seed=8")]


def test_config_keys_are_told_one_by_one_and_their_file_is_not_code_again() -> None:
    step = A.step("train")
    conf = artifact("conf/config.yaml", 300, Storage.GIT, "old")
    before = with_step(A, "train", inputs=(*step.inputs, conf))
    snapshot = replace(step.configs[0], resolved=resolved(end="2012-06-30").replace("costs_bps: 5", "costs_bps: 8"))
    after = with_step(
        before,
        "train",
        inputs=(*step.inputs, artifact("conf/config.yaml", 300, Storage.GIT, "new")),
        configs=(snapshot,),
    )
    diff = diff_recipes(before, after)
    assert [(c.key, c.a, c.b) for c in diff.config] == [
        ("data.end", '"2013-03-01"', '"2012-06-30"'),
        ("backtest.costs_bps", "5", "8"),
    ]
    assert diff.causes == ("config",)
    assert [c.key for c in diff.code.inputs] == ["conf/config.yaml"]
    assert 'data.end "2013-03-01" → "2012-06-30"' in diff.headline
    assert diff.headline.endswith("→ all outputs are the same")


def test_code_that_a_step_reads_is_a_cause_and_git_is_asked_for_the_way() -> None:
    code = artifact("src/train.py", 2_113, Storage.GIT, "edited")
    step = A.step("train")
    after = with_step(A, "train", inputs=(code, *step.inputs[1:]))
    after = replace(after, code=replace(A.code, commit="b" * 40, tree="c" * 40))
    asked: list[tuple[str, str]] = []

    def commits(a: str, b: str) -> CodeHistory:
        asked.append((a, b))
        return CodeHistory(
            commits=(Commit(id="b" * 40, subject="Cap the weights"),),
            files=(FileChange(path="src/train.py", status="modified", added=3, removed=1),),
            direct=False,
        )

    diff = diff_recipes(A, after, commits=commits)
    assert asked == [(A.code.commit, "b" * 40)]
    assert diff.causes == ("code",)
    assert diff.headline.startswith("changed: code only (src/train.py)")
    text = shown(diff)
    for part in (
        "1 commit between (neither is an ancestor",
        "bbbbbbbbbbbb Cap the weights",
        "modified src/train.py  +3 -1",
    ):
        assert part in text, part


def test_git_speaks_in_letters_and_the_history_in_words() -> None:
    found = history([("abc1234", "Cap\tthe weights")], [("A", "new.py"), ("T", "caf\udce9.py"), ("X", "odd")])
    assert found.commits == (Commit(id="abc1234", subject="Cap\tthe weights"),)
    assert [(f.status, f.path) for f in found.files] == [("added", "new.py"), ("retyped", "caf\udce9.py"), ("X", "odd")]
    moved = replace(A, code=replace(A.code, commit="b" * 40))
    diff = diff_recipes(A, moved, commits=lambda _a, _b: found)
    assert "retyped caf\\udce9.py" in shown(diff)
    assert json.loads(machine.to_json(diff))["code"]["history"]["files"][1]["path"] == "caf\\udce9.py"


def test_a_commit_counts_when_no_step_declares_code_and_a_patch_always() -> None:
    bare = replace(A, steps=tuple(replace(s, inputs=s.inputs[1:]) for s in A.steps))
    moved = replace(bare, code=replace(A.code, commit="b" * 40, tree="c" * 40))
    assert diff_recipes(bare, moved).causes == ("code",)
    declared = replace(A, code=replace(A.code, commit="b" * 40, tree="c" * 40))
    found = diff_recipes(A, declared)
    assert found.causes == ()
    assert found.headline == "nothing that a step can see changed → all outputs are the same"
    assert not found.is_empty
    assert diff_recipes(A, replace(A, code=replace(A.code, patch="d" * 64))).causes == ("code",)


def test_packages_are_added_removed_and_changed() -> None:
    packages = (
        Package(system="deb", name="libc6", version="2.36-9"),
        Package(system="python", name="numpy", version="1.26.4"),
        Package(system="python", name="pandas", version="2.2.3"),
    )
    image = replace(A.environment.image, config="sha256:" + "e" * 64)
    diff = diff_recipes(A, replace(A, environment=replace(A.environment, image=image, packages=packages)))
    assert {(c.key, c.a, c.b) for c in diff.environment.packages} == {
        ("python numpy", "2.4.6", "1.26.4"),
        ("python lightgbm", "4.7.0", None),
        ("python pandas", None, "2.2.3"),
    }
    assert [c.key for c in diff.environment.facts] == ["image"]
    assert diff.causes == ("environment",)
    assert "numpy 2.4.6 → 1.26.4" in diff.headline


@pytest.mark.parametrize(
    ("change", "where", "key"),
    [
        (lambda r: replace(r, profile="pinned"), "machine", "profile"),
        (lambda r: replace(r, machine=replace(r.machine, cpu_model="EPYC")), "machine", "CPU"),
        (lambda r: replace(r, machine=replace(r.machine, blas=())), "machine", "thread pools"),
        (lambda r: with_step(r, "train", command=("python", "x.py")), "commands", "train: command"),
        (lambda r: with_step(r, "train", environment={"TZ": "UTC"}), "commands", "train: $PYTHONHASHSEED"),
        (lambda r: with_step(r, "train", resources=replace(r.steps[0].resources, cpus=1)), "commands", "train: CPUs"),
        (
            lambda r: with_step(r, "train", resources=replace(r.steps[0].resources, pids=9)),
            "commands",
            "train: other limits",
        ),
        (lambda r: with_step(r, "train", seeds_missing=("random.seed",)), "seeds", "random.seed"),
        (lambda r: replace(r, environment=replace(r.environment, lock_sha256=None)), "environment", "lock sha256"),
    ],
)
def test_every_facet_is_a_cause_of_its_kind(change: Callable[[Recipe], Recipe], where: str, key: str) -> None:
    diff = diff_recipes(A, change(A))
    assert diff.causes == (where,)
    found = diff.environment.facts if where == "environment" else getattr(diff, where)
    assert [c.key for c in found] == [key]
    assert not diff.is_empty
    assert key in shown(diff)


def test_a_looser_tolerance_is_shown_but_causes_nothing() -> None:
    step = A.step("train")
    loose = replace(step.outputs[0], judgement=replace(step.outputs[0].judgement, volatile=True))
    diff = diff_recipes(A, with_step(A, "train", outputs=(loose, *step.outputs[1:])))
    assert [(c.key, c.b) for c in diff.judgement] == [("out/model.txt", "text, tolerance none (exact), volatile")]
    assert diff.causes == ()
    assert not diff.is_empty


def test_steps_inputs_and_outputs_that_one_side_lacks() -> None:
    short = replace(A, steps=A.steps[:3])
    diff = diff_recipes(A, short)
    gone = {o.path for o in diff.outputs if o.b_sha256 is None}
    assert gone == {"out/metrics.json", "out/pnl.parquet", "out/equity.png", "out/run.log"}
    assert "backtest: command" in {c.key for c in diff.commands}
    assert diff_recipes(short, A).outputs[-1].a_sha256 is None
    extra = with_step(A, "preprocess", inputs=(*A.steps[0].inputs, artifact("data/gold.csv", 5)))
    (added,) = diff_recipes(A, extra).data
    assert (added.path, added.a_sha256, added.b_bytes) == ("data/gold.csv", None, 5)
    assert "absent" in shown(diff_recipes(A, extra))


def test_one_flipped_digest_is_never_missed() -> None:
    for step in A.steps:
        for output in step.outputs:
            other = replace(output, artifact=artifact(output.artifact.path, output.artifact.size, content="flipped"))
            outputs = tuple(other if o is output else o for o in step.outputs)
            diff = diff_recipes(A, with_step(A, step.name, outputs=outputs))
            assert [o.path for o in diff.outputs if not o.same] == [output.artifact.path]
            assert not diff.is_empty


def test_metrics_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    b = recipe(3, data="stocks-v2")
    (tmp_path / "1.json").write_text("{}")
    (tmp_path / "3.json").symlink_to(tmp_path / "1.json")
    link = diff_recipes(A, b, read_output=lambda r, _: tmp_path / f"{r.version}.json").metrics
    assert all("symbolic link" in m.why for m in link)
    (tmp_path / "3.json").unlink()
    (tmp_path / "3.json").write_text("[1]")
    broken = diff_recipes(A, b, read_output=lambda r, _: tmp_path / f"{r.version}.json")
    assert {m.why for m in broken.metrics} == {"no JSON object in momentum:3"}
    assert broken.headline.endswith("→ 8 of 8 outputs differ")
    assert "not compared: no JSON object" in shown(broken)


def test_seeds_at_two_places_are_both_told() -> None:
    seeds = (Seed(name="seed", value="7", place="config: seed"), Seed(name="seed", value="9", place="params.yaml"))
    diff = diff_recipes(A, with_step(A, "train", seeds=seeds))
    assert ("seed (params.yaml)", None, "9") in {(c.key, c.a, c.b) for c in diff.seeds}


def test_yaml_is_flattened_within_bounds() -> None:
    assert flatten_yaml("a: {b: [1, 'x', null]}\nc: {}\nd: 2020-01-01") == {
        "a.b[0]": "1",
        "a.b[1]": '"x"',
        "a.b[2]": "null",
        "c": "{}",
        "d": '"2020-01-01"',
    }
    laughs = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(9)
    )
    for bad in (laughs, "!!python/object:os.system x", "a: [", "x" * (MAX_BYTES + 1), "[" * 3_000):
        assert flatten_yaml(bad) is None
    assert list((flatten_yaml("a: &a [*a]") or {}).values()) == ["(nested too deeply)"]


def test_a_config_that_cannot_be_parsed_still_differs() -> None:
    snapshot = A.step("train").configs[0]
    before, after = (with_step(A, "train", configs=(replace(snapshot, resolved=text),)) for text in ("a: [", "a: {"))
    (change,) = diff_recipes(before, after).config
    assert change.key == "(unreadable YAML)"
    assert change.a != change.b


def test_json_decodes_to_itself_and_fits_its_schema(tmp_path: Path) -> None:
    read = reader(tmp_path, {1: {"sharpe": float("nan"), "x": 1}, 3: {"sharpe": 1.0, "x": 2}})
    diff = diff_recipes(A, recipe(3, seed=8, data="v2", gaps=GAPS), read_output=read)
    data = machine.to_json(diff)
    assert msgspec.json.decode(data, type=RecipeDiff) == diff
    schema = machine.schema()
    jsonschema.validate(json.loads(data), schema)
    assert schema["$id"] == "urn:replay:diff:1"
    assert json.loads(data)["schema_version"] == "replay.diff/1"


def test_causes_come_before_effects(tmp_path: Path) -> None:
    read = reader(tmp_path, {1: {"sharpe": 1}, 3: {"sharpe": 2}})
    diff = diff_recipes(A, recipe(3, seed=8, data="v2", gaps=GAPS), read_output=read)
    text = shown(diff)
    titles = [
        "Code\n",
        "Data\n",
        "Config\n",
        "Overrides\n",
        "Parameters\n",
        "Seeds\n",
        "Outputs\n",
        "Metrics in out/metrics.json\n",
    ]
    places = [text.index(title) for title in titles]
    assert places == sorted(places)
    assert text.startswith("momentum:1 → momentum:3\n")
    assert diff.causes == ("data", "seeds")
    assert "+100 %" in text


def test_long_lists_are_cut_on_a_terminal_and_say_so() -> None:
    many = tuple(Package(system="python", name=f"p{i}", version="1") for i in range(100))
    diff = diff_recipes(A, replace(A, environment=replace(A.environment, packages=many)))
    assert len(diff.environment.packages) == 103
    assert "and 43 more; --json has all" in shown(diff)
    assert "and 100 more" in diff.headline


def test_hostile_text_is_harmless_in_every_place(tmp_path: Path) -> None:
    keep = {"model", "schema_version"}
    b = replace(poison(recipe(3, seed=8, data="v2", gaps=GAPS), keep), version=3)
    steps: tuple[Step, ...] = tuple(
        replace(s, configs=tuple(replace(c, resolved=json.dumps({f"k{HOSTILE}": HOSTILE})) for c in s.configs))
        for s in b.steps
    )
    b = replace(b, steps=steps)
    history = CodeHistory(
        commits=(Commit(id=HOSTILE, subject=HOSTILE, author=HOSTILE, time=HOSTILE),),
        files=(FileChange(path=HOSTILE, status=HOSTILE),),
    )
    diff = diff_recipes(A, b, commits=lambda _a, _b: history, read_output=lambda _r, _o: None)
    for width in (40, 300):
        text = shown(diff, width=width)
        assert not set(text) & set("\x1b\x07\x9b\u202e")
    assert text.count("[bold red]") > 30
    assert "<script>" in text
    assert not set(machine.to_json(diff).decode()) & set("\x1b\x07\x9b\u202e")
    assert shown(diff, encoding="ascii").isascii()
