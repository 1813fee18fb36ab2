from __future__ import annotations

from pathlib import Path

import msgspec
from unit.report.sample import artifact, scenario

from replay.report.flow import BOX_WIDTH, MAX_STEPS, Flow, flow


def drawn(name: str, root: Path) -> Flow:
    return flow(*scenario(name, root))


def test_data_steps_and_model_stand_from_left_to_right(tmp_path: Path) -> None:
    boxes = {box.title: box for box in drawn("diverged", tmp_path).boxes}
    order = ["data/stocks.csv", "preprocess", "features", "train", "backtest"]
    assert [boxes[name].x for name in order] == sorted(boxes[name].x for name in order)
    assert boxes["data/oil.csv"].x == boxes["data/stocks.csv"].x
    assert boxes["momentum:1"].kind == "model"
    assert not [name for name in boxes if name.startswith("src/")]


def test_each_step_has_its_mark_and_word_and_the_chain_is_told(tmp_path: Path) -> None:
    boxes = {box.title: box for box in drawn("diverged", tmp_path).boxes}
    assert boxes["preprocess"].badge
    assert boxes["preprocess"].badge.word == "identical"
    assert boxes["train"].badge
    assert boxes["train"].badge.symbol == "≠"
    assert boxes["train"].lines[1] == "chained: ≠ different"
    assert boxes["momentum:1"].badge
    assert boxes["momentum:1"].badge.word == "different"
    failed = {box.title: box for box in drawn("failed", tmp_path).boxes}
    assert failed["train"].badge
    assert failed["train"].badge.word == "exited"
    assert failed["momentum:1"].badge
    assert failed["momentum:1"].badge.word == "uncompared"


def test_every_use_is_a_wire_and_long_ones_pass_above_the_boxes(tmp_path: Path) -> None:
    found = drawn("reproduced", tmp_path)
    tips = sorted(wire.tooltip for wire in found.wires)
    assert tips == sorted(
        [
            "data/oil.csv",
            "data/stocks.csv",
            "out/clean.parquet",
            "out/features.parquet",
            "out/features.parquet",
            "out/model.txt",
            "out/model.txt",
        ]
    )
    long = [wire for wire in found.wires if "H" in wire.path]
    assert [wire.tooltip for wire in long] == ["out/features.parquet"]
    lane = float(long[0].path.split("H")[0].split()[-1])
    assert lane < min(box.y for box in found.boxes)


def test_boxes_do_not_overlap_and_lie_inside(tmp_path: Path) -> None:
    found = drawn("diverged", tmp_path)
    for box in found.boxes:
        assert box.x >= 0
        assert box.x + BOX_WIDTH <= found.width
        assert box.y >= 0
        assert box.y + box.height <= found.height
    for one in found.boxes:
        for other in found.boxes:
            apart = abs(one.x - other.x) >= one.width or abs(one.y - other.y) >= one.height
            assert one is other or apart


def test_many_sources_are_one_box_and_too_many_steps_are_words(tmp_path: Path) -> None:
    result, recipe = scenario("reproduced", tmp_path)
    many = tuple(artifact(f"data/{i}.csv", 1) for i in range(20))
    first = msgspec.structs.replace(recipe.steps[0], inputs=many)
    crowd = flow(result, msgspec.structs.replace(recipe, steps=(first, *recipe.steps[1:])))
    assert [box.title for box in crowd.boxes if box.kind == "data"] == ["20 sources"]
    long = tuple(msgspec.structs.replace(recipe.steps[0], name=f"s{i}") for i in range(MAX_STEPS + 1))
    endless = flow(result, msgspec.structs.replace(recipe, steps=long))
    assert not endless.boxes
    assert "too many to draw" in endless.words


def test_a_cycle_ends(tmp_path: Path) -> None:
    result, recipe = scenario("reproduced", tmp_path)
    back = msgspec.structs.replace(recipe.steps[0], inputs=(artifact("out/metrics.json", 1),))
    assert flow(result, msgspec.structs.replace(recipe, steps=(back, *recipe.steps[1:]))).boxes
