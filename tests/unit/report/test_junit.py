from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from unit.report.sample import HOSTILE

from replay.outcome import Verdict
from replay.report.junit import CheckRow, to_junit


def written(tmp_path: Path, *rows: CheckRow) -> ElementTree.Element:
    to_junit(rows, tmp_path / "junit.xml")
    return ElementTree.fromstring((tmp_path / "junit.xml").read_bytes())


def test_only_reproduced_passes_and_an_error_is_no_failure(tmp_path: Path) -> None:
    rows = [
        CheckRow(recipe=f"{v.value}.json", model_id=f"m-{v.value}:1", verdict=v, reason="why", seconds=1.5)
        for v in Verdict
    ]
    rows.append(CheckRow(recipe="broken.json", reason="no Docker Engine answers", hint="start it"))
    root = written(tmp_path, *rows)
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("7", "5", "1")
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert cases["m-reproduced:1"].find("failure") is None
    assert cases["m-reproduced:1"].get("time") == "1.5"
    failure = cases["m-not-self-reproducible:1"].find("failure")
    assert failure is not None
    assert failure.get("message") == "not self-reproducible: why"
    error = cases["broken.json"].find("error")
    assert error is not None
    assert error.text == "broken.json\nno Docker Engine answers\nstart it"


def test_hostile_text_makes_valid_xml(tmp_path: Path) -> None:
    row = CheckRow(
        recipe=HOSTILE,
        model_id=HOSTILE,
        verdict=Verdict.FAILED,
        reason=HOSTILE + "\x00\ufffe\udce9",
        log=HOSTILE + "\nlast",
    )
    root = written(tmp_path, row)
    case = next(root.iter("testcase"))
    assert "\\x1b[31mred" in (case.get("name") or "")
    assert "<script>" in (case.get("name") or "")
    output = case.find("system-err")
    assert output is not None
    assert (output.text or "").endswith("\nlast")
    assert "\\x00\\ufffe\\udce9" in "".join(case.itertext())


def test_no_recipe_is_an_empty_suite(tmp_path: Path) -> None:
    assert written(tmp_path).get("tests") == "0"
