"""``replay lineage`` in a recorded project: every form of an answer, and every wrong question."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pydot
import pytest
from tests_support.project import Project, Ran

pytestmark = pytest.mark.docker

PIPELINE = {
    "dvc.yaml": """
stages:
  clean:
    cmd: sort data/prices.csv > out/clean.csv
    deps: [data/prices.csv]
    outs: [out/clean.csv]
  fit:
    cmd: cat weights.txt out/clean.csv > out/model.txt && tail -c 3 out/clean.csv > out/metrics.json
    deps: [out/clean.csv, weights.txt]
    outs: [out/model.txt]
    metrics:
      - out/metrics.json:
          cache: false
artifacts:
  demo:
    path: out/model.txt
    type: model
""",
    "data/prices.csv": "3,99\n1,100\n2,101\n",
    "weights.txt": "0.5\n",
}
UID = re.compile(
    r"^(id|sha256|image|plan|config):[0-9a-f]{64}$|^(run|execution|action):[0-9A-Z]{26}$|^commit:[0-9a-f]{40}$"
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Two versions of a model: the second one from corrected prices, with the same weights. Tests only ask."""
    root = tmp_path_factory.mktemp("lineage")
    made = Project(root / "project")
    made.write(PIPELINE)
    made.init_dvc(["data/prices.csv"])
    made.commit("A pipeline")
    made.record("--model", "demo")
    made.commit("Record demo:1")
    made.write({"data/prices.csv": "3,98\n1,100\n2,101\n"})
    made.dvc("add", "-q", "data/prices.csv")
    made.commit("Correct a price")
    made.record("--model", "demo")
    made.commit("Record demo:2")
    yield made
    shutil.rmtree(root)


def asked(recorded: Project, *words: str, code: int = 0) -> Any:
    """The answer as JSON."""
    done = recorded.replay("lineage", *words, "--json")
    assert done.code == code, done.stderr
    return done.json()


def named(answer: Any) -> list[str]:
    return [answer["nodes"][uid]["name"] for uid in answer["found"]]


def on_terminal(project: Project, *words: str, columns: int = 80) -> Ran:
    """``replay …`` with a terminal for stdout; stderr is a pipe."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    surroundings = {key: value for key, value in os.environ.items() if key not in {"COLUMNS", "LINES"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "replay", *words],
        cwd=project.directory,
        env=surroundings | {"TERM": "xterm-256color"},
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    _, said = process.communicate()
    return Ran(code=process.returncode, stdout=shown.decode().replace("\r\n", "\n"), stderr=said.decode())


# -- what an answer is ------------------------------------------------------------------------------------------------


def test_a_model_stands_on_its_data_code_and_image(recorded: Project) -> None:
    answer = asked(recorded, "demo:1")
    assert answer["complete"] is True
    assert answer["truncated_by"] == []
    assert answer["hidden"] == 0
    kinds = {answer["nodes"][uid]["kind"] for uid in answer["found"]}
    assert {"run", "dataset", "model", "metrics", "code", "image", "plan", "collection", "agent"} <= kinds
    assert {"data/prices.csv", "weights.txt", "out/clean.csv", "out/model.txt", "clean", "fit"} <= set(named(answer))
    assert all(UID.match(uid) for uid in answer["nodes"])


@pytest.mark.parametrize("words", [("demo:1",), ("demo:1", "--edges", "--connected"), ("weights.txt", "--down")])
def test_the_short_way_and_the_long_way_are_one_answer(recorded: Project, words: tuple[str, ...]) -> None:
    quick = recorded.replay("lineage", *words, "--json").stdout
    assert recorded.replay("lineage", *words, "--json", "-o", "executor.jobs=1").stdout == quick


def test_the_answer_and_its_question_fit_the_published_schemas(recorded: Project) -> None:
    answer = asked(recorded, "demo:2", "--edges", "--paths", "shortest")
    for name, value in (("lineage", answer), ("query", answer["query"])):
        schema = recorded.replay("schema", name).json()
        jsonschema.validate(value, schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(value | {"unheard_of": 1}, schema)


def test_every_name_of_a_thing_leads_to_it(recorded: Project) -> None:
    model = asked(recorded, "demo:1")
    by_kind = {entry["kind"]: entry for entry in model["nodes"].values()}
    head = recorded.run("git", "rev-list", "--max-parents=0", "HEAD").strip()
    for text, uid in (
        (head, f"commit:{head}"),
        (head[:10], f"commit:{head}"),
        (by_kind["image"]["identity"]["image"], by_kind["image"]["uid"]),
        (by_kind["run"]["uid"].partition(":")[2], by_kind["run"]["uid"]),
        (by_kind["config"]["uid"] if "config" in by_kind else by_kind["plan"]["uid"], None),
        ("demo:1", model["query"]["start"][0]),
    ):
        assert asked(recorded, text)["query"]["start"][0] == (uid or text)


def test_a_bad_dataset_leads_to_the_models_that_it_touches(recorded: Project) -> None:
    newer = asked(recorded, "data/prices.csv", "--down", "--kind", "model_version")
    assert named(newer) == ["demo:2"]
    both = asked(recorded, "weights.txt", "--down", "--kind", "model_version")
    assert sorted(named(both)) == ["demo:1", "demo:2"]


def test_the_graph_as_it_was_before_the_second_version(recorded: Project) -> None:
    times = sorted({entry["created"] for entry in asked(recorded, "demo:2", "--connected")["nodes"].values()})
    before = asked(recorded, "weights.txt", "--down", "--kind", "model_version", "--as-of", times[0])
    assert named(before) == ["demo:1"]


def test_pages_fit_together_however_they_are_shown(recorded: Project) -> None:
    whole = asked(recorded, "demo:1")
    first = asked(recorded, "demo:1", "--limit", "5", code=1)
    assert first["truncated_by"] == ["limit"]
    tree = recorded.replay("lineage", "demo:1", "--limit", "5", "--tree")
    assert tree.code == 1
    found, command = list(first["found"]), tree.stdout.splitlines()[-1].split()
    assert command[:2] == ["replay", "lineage"]
    while command:
        done = recorded.replay(*command[1:], "--json")
        answer = done.json()
        found += answer["found"]
        command = [*command[:-1], answer["next"]] if answer["next"] else []
    assert found == whole["found"]


def test_a_question_from_a_file_takes_names_as_well(recorded: Project, tmp_path: Path) -> None:
    question = tmp_path / "question.json"
    question.write_text(json.dumps({"start": ["demo:1", "demo:2"], "direction": "up", "kinds": ["code"]}))
    answer = asked(recorded, "--query", str(question))
    assert len(answer["query"]["start"]) == 2
    assert len(answer["found"]) == 2
    again = tmp_path / "again.json"
    again.write_text(json.dumps(answer["query"]))
    assert asked(recorded, "--query", str(again)) == answer


# -- how it is shown --------------------------------------------------------------------------------------------------


def test_a_terminal_gets_a_tree_and_a_pipe_gets_json(recorded: Project) -> None:
    shown = on_terminal(recorded, "lineage", "demo:1")
    assert shown.code == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.stdout)
    assert "\x1b[" in shown.stdout
    assert plain.startswith("What demo:1 was made from\ndemo:1  model_version  id:")
    assert max(map(len, plain.splitlines())) <= 80
    assert "✓ complete" in plain
    assert recorded.replay("lineage", "demo:1").json()["schema_version"] == "replay.lineage/1"


def test_json_on_a_terminal_is_the_same_document(recorded: Project) -> None:
    assert json.loads(on_terminal(recorded, "lineage", "demo:1", "--json").stdout) == asked(recorded, "demo:1")


def test_no_color_is_honoured(recorded: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", on_terminal(recorded, "lineage", "demo:1").stdout)


def test_the_tree_has_every_node_once_and_every_role(recorded: Project) -> None:
    done = recorded.replay("lineage", "demo:1", "--tree")
    assert done.code == 0
    answer = asked(recorded, "demo:1")
    for uid, entry in answer["nodes"].items():
        if entry["kind"] not in {"code", "image"}:  # told by name
            key, _, value = uid.partition(":")
            shown = [line for line in done.stdout.splitlines() if f"  {key}:{value[:12]}" in line]
            assert len(shown) == 1, entry
    for words in ("used (input)", "used (code)", "used (image)", "generated by (output)", "derived from (model)",
                  "part of (version)", "follows plan (pipeline)", "acted by (recorder)", "↑ seen above"):  # fmt: skip
        assert words in done.stdout


def test_the_table_has_one_line_a_node(recorded: Project) -> None:
    done = recorded.replay("lineage", "demo:1", "--table")
    rows = [line for line in done.stdout.splitlines() if re.match(r"\d+ ", line)]
    assert len(rows) == 1 + len(asked(recorded, "demo:1")["found"])
    assert [int(row.split()[0]) for row in rows] == sorted(int(row.split()[0]) for row in rows)


def test_dot_mermaid_and_svg_are_whole_documents(recorded: Project) -> None:
    answer = asked(recorded, "demo:2", "--updown", "--edges")
    dot = recorded.replay("lineage", "demo:2", "--updown", "--dot")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pydot's own, about how it uses its parser
        graphs = pydot.graph_from_dot_data(dot.stdout)
    assert graphs is not None
    assert len(graphs[0].get_edges()) == len(answer["edges"])
    mermaid = recorded.replay("lineage", "demo:2", "--updown", "--mermaid")
    assert len(re.findall(r"^  n\d+ <?-", mermaid.stdout, re.MULTILINE)) == len(answer["edges"])
    svg = recorded.replay("lineage", "demo:2", "--updown", "--svg")
    assert ElementTree.fromstring(svg.stdout).tag == "{http://www.w3.org/2000/svg}svg"
    for done in (dot, mermaid, svg):
        assert done.code == 0
        assert "✓ complete" in done.stderr


def test_an_incomplete_answer_says_so_in_every_form(recorded: Project) -> None:
    for form in ("--tree", "--table", "--dot", "--mermaid", "--svg"):
        done = recorded.replay("lineage", "demo:1", "--depth", "1", form)
        assert done.code == 1
        assert "not complete" in done.stdout
        assert "cut off by depth" in done.stdout
    assert asked(recorded, "demo:1", "--depth", "1", code=1)["frontier"]


def test_a_changed_file_is_told_apart_from_what_was_recorded_at_its_path(recorded: Project) -> None:
    path = recorded.directory / "weights.txt"
    before = path.read_bytes()
    try:
        path.write_text("0.75\n")
        for words in (("--json",), ("--tree",)):
            done = recorded.replay("lineage", "weights.txt", "--down", *words)
            assert done.code == 0
            assert "! weights.txt: the bytes that lie there now are not recorded" in done.stderr
    finally:
        path.write_bytes(before)
    assert "not recorded" not in recorded.replay("lineage", "weights.txt", "--down", "--json").stderr


# -- wrong questions --------------------------------------------------------------------------------------------------

KINDS = "dataset, feature_view, code, image, config, run, action, model, model_version, deployment"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["demo:1", "--kind", "datset"], 2, ["unknown kind 'datset'", f"valid: {KINDS}"]),
        (["demo:1", "--stop-at", "datset"], 2, ["unknown kind 'datset'", f"valid: {KINDS}"]),
        (["demo:1", "--follow", "uses"], 2, ["unknown edge type 'uses'", "valid: used, generated, derived_from"]),
        (["demo:1", "--type", "experimant"], 2, ["unknown type 'experimant'", "execution, experiment"]),
        (["demo:1", "--type", "path", "--type", "pth"], 2, ["unknown type 'pth'", "path"]),
        (["demo:1", "--role", "inptu"], 2, ["unknown role 'inptu'", "code", "input"]),
        (["demo:1", "--role", "input", "--role", "inptu"], 2, ["unknown role 'inptu'", "input"]),
        (["nowhere.csv"], 2, ["nothing is recorded as 'nowhere.csv'", "replay search", "replay models"]),
        (["demo:9"], 2, ["demo:9: no such model version", "recorded of demo: 1, 2"]),
        (["0" * 40], 2, ["nothing is recorded as '0000"]),
        ([""], 2, ["got an empty ID"]),
        (["demo:1", "--limit", "0"], 2, ["--limit", "0 is not in the range"]),
        (["demo:1", "--limit", "many"], 2, ["--limit", "'many' is not a valid integer"]),
        (["demo:1", "--depth", "-1"], 2, ["--depth", "-1 is not in the range"]),
        (["demo:1", "--as-of", "yesterday"], 2, ["got the time 'yesterday', expected ISO 8601", "2026-11-24T18:00:00"]),
        (["demo:1", "--created-after", "2026-13-01"], 2, ["got the time '2026-13-01'"]),
        (["demo:1", "--as-of", "1999-01-01"], 2, ["no node id:", "is recorded at 1999-01-01"]),
        (["demo:1", "--cursor", "nonsense"], 2, ["got the cursor 'nonsense', which is none", "`next`"]),
        (["demo:1", "--paths", "some"], 2, ["'some' is not one of 'all', 'shortest'"]),
        (["demo:1", "--where", "kind"], 2, ["--where: got 'kind', expected KEY=VALUE"]),
        (["demo:1", "--any", "a=1", "--any", "a=2"], 2, ["--any: got two values for 'a'", "replay search"]),
        (["demo:1", "--up", "--down"], 2, ["got --up and --down, expected one of them; --updown is both"]),
        (["demo:1", "--svg", "--json"], 2, ["got --json and --svg, expected one of them"]),
        (["demo:1", "demo:2"], 2, ["unexpected extra argument", "demo:2"]),
        (["demo:1", "--kinds", "run"], 2, ["No such option", "--kind"]),
        ([], 2, ["expected ID|FILE|COMMIT|IMAGE|DATASET or --query FILE"]),
        (["demo:1", "--query", "question.json"], 2, ["and not both"]),
        (["--query", "question.json", "--down", "--depth", "2"], 2, ["got --query and", "--depth", "--down"]),
        (["--query", "nowhere.json"], 2, ["nowhere.json", "No such file"]),
    ],
)  # fmt: skip
def test_a_wrong_question_says_what_is_right(recorded: Project, words: list[str], code: int, says: list[str]) -> None:
    (recorded.root / ".git" / "question.json").write_text('{"start": ["demo:1"]}')
    words = [str(recorded.root / ".git" / word) if word == "question.json" else word for word in words]
    done = recorded.replay("lineage", *words)
    assert done.code == code, done.stderr
    assert done.stdout == ""
    for text in says:
        assert text in done.stderr


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("{", ["--query: Input data was truncated", "`replay schema query`"]),
        ("[]", ["--query: Expected `object`, got `array`"]),
        ("{}", ["missing required field `start`"]),
        ('{"start": ["demo:1"], "limits": 3}', ["unknown field `limits`", "valid: start, direction, kinds"]),
        ('{"start": ["demo:1"], "kinds": ["datset"]}', ["'datset'", f"valid: {KINDS}"]),
        ('{"start": ["demo:1"], "direction": "left"}', ["'left'", "valid: up, down, updown, connected"]),
        ('{"start": ["demo:1"], "follow": ["uses"]}', ["'uses'", "valid: used, generated"]),
        ('{"start": ["demo:1"], "paths": "some"}', ["'some'", "valid: all, shortest"]),
        ('{"start": ["demo:1"], "max_depth": "2"}', ["Expected `int | null`, got `str`"]),
        ('{"start": ["demo:1"], "limit": 0}', ["limit: got 0, expected at least 1"]),
        ('{"start": ["demo:1"], "max_depth": -1}', ["max_depth: got -1, expected at least 0"]),
        ('{"start": []}', ["without a start"]),
        ('{"start": [""]}', ["--query: got an empty start"]),
        ('{"start": ["demo:1"], "as_of": "soon"}', ["got the time 'soon'"]),
    ],
)
def test_a_wrong_file_of_a_question_says_what_is_right(recorded: Project, question: str, says: list[str]) -> None:
    path = recorded.root / ".git" / "wrong.json"
    path.write_text(question)
    done = recorded.replay("lineage", "--query", str(path))
    assert done.code == 2, done.stderr
    for text in says:
        assert text in done.stderr


def test_an_ambiguous_prefix_lists_what_it_can_mean(recorded: Project) -> None:
    uids = {uid.partition(":")[2] for uid in asked(recorded, "demo:1", "--connected")["nodes"]}
    ulids = sorted(value for value in uids if len(value) == 26)
    prefix = ulids[0][: next(n for n in range(26) if ulids[0][n] != ulids[1][n])]
    assert len(prefix) >= 4
    done = recorded.replay("lineage", prefix)
    assert done.code == 2
    assert f"'{prefix}' can mean" in done.stderr
    assert all(value[:14] in done.stderr for value in ulids[:2])
    assert "write more of the one you mean" in done.stderr


def test_a_cursor_of_another_question_is_refused(recorded: Project) -> None:
    cursor = asked(recorded, "demo:1", "--limit", "2", code=1)["next"]
    done = recorded.replay("lineage", "demo:2", "--limit", "2", "--cursor", cursor)
    assert done.code == 2
    assert "the cursor belongs to another question" in done.stderr
    assert "ask the same question as before, with its cursor added" in done.stderr


def test_a_filter_that_can_match_nothing_warns(recorded: Project) -> None:
    answer = asked(recorded, "demo:1", "--kind", "dataset", "--type", "endpoint")
    assert answer["found"] == []
    assert answer["findings"] == [
        "nothing can match: endpoint is a type of deployment or locator, asked for among dataset"
    ]
    tree = recorded.replay("lineage", "demo:1", "--kind", "dataset", "--type", "endpoint", "--tree")
    assert "! finding  nothing can match: endpoint is a type of" in tree.stdout
    window = ("--created-after", "2026-02-01", "--created-before", "2026-01-01")
    assert "nothing can match: asked for what was created after" in asked(recorded, "demo:1", *window)["findings"][0]


def test_outside_of_a_recorded_project_the_way_to_one_is_told(tmp_path: Path) -> None:
    elsewhere = Project(tmp_path / "elsewhere")
    for words in (("demo:1", "--json"), ("demo:1", "--tree")):
        done = elsewhere.replay("lineage", *words)
        assert done.code == 2
        assert "replay record" in done.stderr
