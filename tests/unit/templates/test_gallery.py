"""Templates: their names, versions, content and digests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests_support.small_gallery import PRICES, small_gallery

from replay.errors import UsageError
from replay.identity import canonical_json, sha256_hex
from replay.record.project import decode
from replay.templates import Gallery, Layout, gallery
from replay.templates.layout import is_free
from replay.templates.new import settings_text


@pytest.fixture
def small(tmp_path: Path) -> Gallery:
    return small_gallery(tmp_path / "gallery")


def test_a_folder_with_variants_is_a_template(small: Gallery) -> None:
    assert small.names() == ["small"]
    assert small.template("small").versions == [1, 2]
    assert small.template("small").message(2) == "Long"


@pytest.mark.parametrize(("text", "version"), [("small", 2), ("small@1", 1), ("small@2", 2)])
def test_the_newest_version_is_meant_unless_one_is_named(text: str, version: int, small: Gallery) -> None:
    template, chosen = small.chosen(text)
    assert (template.name, chosen) == ("small", version)


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("smal", "there is no template 'smal'", "did you mean small? templates: small"),
        ("notes", "there is no template 'notes'", "templates: small"),
        ("../gallery/small", "there is no template", "templates: small"),
        ("", "there is no template ''", "templates: small"),
        ("small@3", "the template small has no version '3'", "versions: small@1, small@2"),
        ("small@", "has no version ''", "small@1"),
        ("small@1@1", "has no version '1@1'", "small@1"),
        ("small@01", "has no version '01'", "small@1"),
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(text: str, says: str, hint: str, small: Gallery) -> None:
    with pytest.raises(UsageError) as caught:
        small.chosen(text)
    assert says in str(caught.value)
    assert hint in (caught.value.hint or "")


def test_a_version_is_the_project_with_its_files_replaced_and_its_rows_of_data(small: Gallery) -> None:
    first, second = (small.template("small").content(version) for version in (1, 2))
    assert set(first) == {"dvc.yaml", "conf/rate.yaml", "src/fit.py", "data/prices.csv"}
    assert set(second) == set(first) | {"conf/new.yaml"}
    assert (first["conf/rate.yaml"], second["conf/rate.yaml"]) == (b"rate: 1\n", b"rate: 2\n")
    assert second["data/prices.csv"] == PRICES.encode()
    assert first["data/prices.csv"] == PRICES.encode()[: PRICES.index("03.01")]


def test_the_digest_is_over_paths_and_content(small: Gallery) -> None:
    template = small.template("small")
    listing = [[path, sha256_hex(data)] for path, data in sorted(template.content(1).items())]
    assert template.digest(1) == sha256_hex(canonical_json(listing))
    assert template.digest(1) != template.digest(2)
    before = template.digest(1)
    (small.root / "small" / "project" / "src" / "__pycache__" / "x.pyc").write_text("more")
    assert template.digest(1) == before
    (small.root / "small" / "project" / "src" / "fit.py").write_text("print(2)\n")
    assert template.digest(1) != before


def test_the_settings_name_the_template_and_keep_what_stood_there(small: Gallery) -> None:
    template = small.template("small")
    rule = decode(settings_text(template, 2).encode()).template
    assert rule is not None
    assert (rule.name, rule.version, rule.digest) == ("small", 2, template.digest(2))
    whole = decode(settings_text(template, 1, "profile: portable-v3\n").encode())
    assert whole.profile == "portable-v3"
    assert whole.template is not None
    assert whole.template.version == 1


def test_a_layout_shows_each_command_and_writes_the_files(small: Gallery, tmp_path: Path) -> None:
    commands: list[str] = []
    place = tmp_path / "deep" / "project"
    layout = Layout(small.template("small"), place, lambda *words: commands.append(" ".join(words)))
    layout.begin(1, "--initial-branch=main")
    assert commands == [
        "git init --quiet --initial-branch=main",
        "dvc init --quiet",
        "dvc remote add --quiet --default storage .storage",
        "dvc add --quiet data/prices.csv",
    ]
    assert (place / ".gitignore").read_text() == "/.storage\n"
    assert (place / "conf/rate.yaml").read_text() == "rate: 1\n"


def test_another_version_touches_only_what_differs(small: Gallery, tmp_path: Path) -> None:
    layout = Layout(small.template("small"), tmp_path / "project", lambda *words: None)
    layout.begin(1)
    kept, data = tmp_path / "project" / "src/fit.py", tmp_path / "project" / "data/prices.csv"
    kept.write_text("print(3)\n")
    elsewhere = tmp_path / "cache"
    os.link(data, elsewhere)
    layout.write(2)
    assert kept.read_text() == "print(3)\n"
    assert data.read_bytes() == PRICES.encode()
    assert elsewhere.read_bytes() != data.read_bytes(), "DVC's own copy was written to"
    assert (tmp_path / "project" / "conf/new.yaml").read_text() == "new: 1\n"


def test_a_folder_is_free_when_nothing_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    assert is_free(tmp_path / "new")
    assert is_free(tmp_path / "empty")
    assert not is_free(tmp_path)
    assert not is_free(tmp_path / "file")


def test_the_shipped_template_is_momentum_in_three_versions() -> None:
    shipped = gallery()
    assert shipped.names() == ["momentum"]
    template = shipped.template("momentum")
    assert template.versions == [1, 2, 3]
    assert len({template.digest(version) for version in template.versions}) == 3
    assert "replay.yaml" not in template.content(3), "the demo's commits would change"
