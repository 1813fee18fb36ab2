from __future__ import annotations

import io

import pytest
from rich.console import Console
from unit.report.answers import SHAPES, answer, edge, entry, star, story

from replay.lineage import EdgeType, Kind
from replay.query import Answer
from replay.report.clean import HOSTILE as BAD
from replay.report.lineage import render_table


def table(of: Answer, width: int = 0) -> list[str]:
    """The lines that a terminal of ``width`` columns shows; a width of 0 is a pipe."""
    file = io.StringIO()
    render_table(of, Console(file=file, width=width or 132, soft_wrap=not width))
    return file.getvalue().splitlines()


def test_one_line_a_node_nearest_first_with_every_column():
    assert table(story()) == [
        "What demo:1 was made from",
        "",
        "depth  kind           type  name          id                    recorded             status",
        "0      model_version        demo:1        id:dddddddddddd       2026-03-01 10:20:30  approved",
        "1      model                model.txt     sha256:6d6f64656c2e   2026-03-01 10:20:30",
        "2      run                  train         run:01M87V9C5JFKKMG3  2026-03-01 10:20:30",
        "3      dataset              prices.csv    sha256:707269636573   2026-03-02 08:00:00",
        "4      locator        path  prices.csv    id:111111111111       2026-03-01 10:20:30",
        "3      dataset              labels.csv    sha256:6c6162656c73   2026-03-01 10:20:30",
        "3      code                 5fd1c9e0a1b2  commit:5fd1c9e0a1b2   2026-03-01 10:20:30",
        "",
        "✓ complete  6 nodes found (2 dataset, 1 model, 1 run, 1 locator, 1 code)",
    ]


def test_a_terminal_gets_lines_that_fit_and_no_empty_columns():
    long = entry("data/" + "very/" * 20 + "long.csv", facets={})
    of = answer([entry("start", Kind.MODEL_VERSION, 0), long], [edge("start", EdgeType.DERIVED_FROM, long.name)])
    lines = table(of, 80)
    assert lines[2].split() == ["depth", "kind", "name", "id", "recorded"]
    assert max(map(len, lines)) <= 80
    assert "data/very/" in lines[4]
    assert "…" in lines[4]
    assert "long.csv" in lines[4]
    assert long.name in table(of)[4]


def test_a_pipe_gets_every_node():
    assert sum("  run  " in each for each in table(star(3000))) == 3000


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("width", [0, 80])
def test_nothing_recorded_commands_the_terminal(name: str, width: int):
    assert set(BAD.findall("\n".join(table(SHAPES[name], width)))) <= {"\n"}


def test_what_lies_on_the_way_is_no_row():
    of = story(found=(story().found[2],), query={"kinds": (Kind.DATASET,)})
    assert [each.split()[0] for each in table(of)[3:-2]] == ["0", "3"]


def test_what_is_missing_stands_below():
    of = story(complete=False, truncated_by=("limit",), next="abc", query={"limit": 3})
    assert table(of)[-1].endswith("--limit 3 --cursor abc")
