from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from unit.report.sample import HOSTILE, SCENARIOS, hostile, poison, recipe, scenario

from replay.recipe import Recipe
from replay.report.html import breakable, elide, render_html

VOID = {"meta", "br", "wbr", "img", "col", "hr", "link", "input"}


class Page(HTMLParser):
    """Checks that tags are balanced and collects elements, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


def page(name: str, root: Path) -> Page:
    return Page(render_html(*scenario(name, root)))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_verdict_makes_a_whole_page(name: str, tmp_path: Path) -> None:
    result, of = scenario(name, tmp_path)
    text = Page(render_html(result, of)).text
    assert result.reason in text
    assert "What this does not say" in text
    assert "“Reproduces” is not “is correct”" in text
    assert "2026-03-01 10:20:30 UTC" in text
    assert of.code.commit in text
    assert of.environment.image.config in text
    assert of.recipe_id in text
    assert f"replay {of.model_id} --plan" in text


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_page_loads_and_runs_nothing(name: str, tmp_path: Path) -> None:
    found = page(name, tmp_path)
    policy = next(
        a["content"] for t, a in found.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    for tag, attrs in found.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "form", "a", "base"}
        assert not [key for key in attrs if key.startswith("on") or key in {"href", "xlink:href", "action"}]
        assert attrs.get("src", "data:").startswith("data:image/png;base64,"[:5])
        assert "url(" not in (attrs.get("style") or "")


def test_the_style_names_no_address(tmp_path: Path) -> None:
    css = re.findall(r"<style>(.*?)</style>", render_html(*scenario("diverged", tmp_path)), re.S)
    assert len(css) == 1
    assert "url(" not in css[0]
    assert "@import" not in css[0]
    assert "prefers-color-scheme:dark" in css[0]
    assert "@media print" in css[0]


def test_the_same_replay_gives_the_same_bytes(tmp_path: Path) -> None:
    assert render_html(*scenario("diverged", tmp_path)) == render_html(*scenario("diverged", tmp_path))


def test_a_divergence_shows_numbers_curves_images_and_tolerances(tmp_path: Path) -> None:
    found = page("diverged", tmp_path)
    text = found.text
    for part in (
        "step train, run from its recorded inputs, made out/model.txt different",
        "212 of 3,406 lines differ; first at line 17",
        "tolerance: absolute ≤ 1e-12, relative ≤ 1e-09",
        "set by model-risk",
        "log() differs in its last bit",
        "volatile: not judged",
        "holds times of day",
        "by_symbol.IBM",
        "-0.0015",
        "-3.641 %",
        "differs at 367 of 1,084 common points",
        "2 of 3 columns differ",
        "difference mask",
        "pixels differ",
        "AMD EPYC 7R13",
        "torch.manual_seed in step train",
        "base image has no registry digest",
    ):
        assert part in text, part
    images = [attrs for tag, attrs in found.tags if tag == "img"]
    assert len(images) == 3
    assert all(attrs["alt"] for attrs in images)
    assert len([1 for tag, attrs in found.tags if tag == "path" and attrs.get("class") in {"r", "p", "d"}]) == 6


def test_a_reproduced_page_claims_no_difference(tmp_path: Path) -> None:
    found = page("reproduced", tmp_path)
    assert "First divergence" not in found.text
    assert "equal at all 1,084 common points" in found.text
    assert "all 378,000 pixels are equal" in found.text
    assert "None: every recorded facet" in found.text


def test_a_failed_page_shows_the_log_and_what_was_never_reached(tmp_path: Path) -> None:
    text = page("failed", tmp_path).text
    assert "Step train: exit code 1" in text
    assert "FileNotFoundError: out/holidays.parquet" in text
    assert "Never reached: train: out/model.txt" in text


def test_hydra_configs_are_shown_unresolved_and_resolved_with_the_changed_lines_marked(tmp_path: Path) -> None:
    html = render_html(*scenario("diverged", tmp_path))
    assert "<mark>  volatility: ${mul:21,3}</mark>" in html
    assert "<mark>  volatility: 63</mark>" in html
    assert "<code>seed=7</code>" in html
    assert "reads <code>$WINDOW_END</code>" in html


def test_full_digests_are_there_to_copy(tmp_path: Path) -> None:
    result, of = scenario("diverged", tmp_path)
    titles = {attrs.get("title") for tag, attrs in Page(render_html(result, of)).tags if attrs.get("class") == "digest"}
    for comparison in result.comparisons:
        assert comparison.recorded
        assert comparison.recorded.sha256 in titles
        assert comparison.replayed
        assert comparison.replayed.sha256 in titles


def test_hostile_text_stays_text_everywhere(tmp_path: Path) -> None:
    html = render_html(*hostile(tmp_path))
    found = Page(html)
    assert not [tag for tag, _ in found.tags if tag == "script"]
    assert found.text.count("<script>alert(1)</script>") > 60
    assert not set(html) & set("\x1b\x07\x9b\u202e")
    assert "\\x1b[31mred" in found.text
    assert "{{7*7}}" in found.text
    for _, attrs in found.tags:
        assert not [key for key in attrs if "script" in key or key == "alert(1)"]


def test_breaking_out_of_attributes_fails(tmp_path: Path) -> None:
    result, of = scenario("diverged", tmp_path)
    bad = '" onmouseover="alert(1)'
    comparisons = tuple(msgspec.structs.replace(c, path=c.path + bad) for c in result.comparisons)
    steps = tuple(msgspec.structs.replace(s, name=s.name + bad, outputs=poison_paths(s.outputs, bad)) for s in of.steps)
    found = Page(
        render_html(
            msgspec.structs.replace(result, comparisons=comparisons),
            msgspec.structs.replace(of, steps=steps, model=of.model + bad),
        )
    )
    assert not [attrs for _, attrs in found.tags if "onmouseover" in attrs]


def poison_paths(outputs: tuple, bad: str) -> tuple:  # type: ignore[type-arg]
    return tuple(
        msgspec.structs.replace(o, artifact=msgspec.structs.replace(o.artifact, path=o.artifact.path + bad))
        for o in outputs
    )


def test_unknown_is_called_unknown(tmp_path: Path) -> None:
    result, of = scenario("reproduced", tmp_path)
    machine = msgspec.structs.replace(of.machine, cpu_model="", libc="", numpy="", blas=())
    bare = msgspec.structs.replace(of, machine=machine, code=msgspec.structs.replace(of.code, url=None))
    before, after = (Page(render_html(result, r)).text.count("unknown") for r in (of, bare))
    assert after == before + 5
    assert "None" not in re.findall(r"\bNone\b(?!:)", Page(render_html(result, bare)).text)


def test_files_that_are_gone_or_links_cost_nothing_but_the_picture(tmp_path: Path) -> None:
    result, of = scenario("diverged", tmp_path)
    (tmp_path / "replayed/out/metrics.json").unlink()
    (tmp_path / "secret").write_text('{"password": 1}')
    (tmp_path / "replayed/out/equity.png").unlink()
    (tmp_path / "replayed/out/equity.png").symlink_to(tmp_path / "secret")
    (tmp_path / "replayed/out/pnl.parquet").write_bytes(b"PAR1 broken")
    text = Page(render_html(result, of)).text
    assert text.count("Cannot be shown:") == 2
    assert "symbolic link" in text
    assert "is not drawn: no table that can be drawn" in text
    assert "password" not in text


def test_two_thousand_outputs_make_a_page(tmp_path: Path) -> None:
    result, of = scenario("diverged", tmp_path)
    many = tuple(msgspec.structs.replace(result.comparisons[-1], path=f"out/{i}.png") for i in range(2_000))
    text = Page(render_html(msgspec.structs.replace(result, comparisons=many), of)).text
    assert "out/1999.png" in text


def test_long_names_are_elided_and_paths_can_break() -> None:
    assert elide("abcdefghij", 5) == "ab…ij"
    assert elide("abc", 5) == "abc"
    assert elide("\x1b" * 10, 9) == "\\x1b…\\x1b"
    assert str(breakable("a/b<c_d")) == "a/<wbr>b&lt;c_<wbr>d"


def test_a_poisoned_recipe_alone_is_still_a_recipe() -> None:
    assert isinstance(poison(recipe(), set()), Recipe)
    assert HOSTILE in poison(recipe(), set()).name
