"""The data of the momentum gallery project: origin, cut and versions."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import re
from pathlib import Path

import pytest
import yaml

MOMENTUM = Path(__file__).parents[3] / "recipes" / "momentum"
PROJECT = MOMENTUM / "project"
VARIANTS = yaml.safe_load((MOMENTUM / "variants.yaml").read_text())


def cut(name: str, until: str) -> bytes:
    """What `variants.yaml` says: the header and the rows up to and including the day ``until``, byte for byte."""
    spec = VARIANTS["data"][name]
    head, *rows = gzip.decompress((MOMENTUM / spec["source"]).read_bytes()).splitlines(keepends=True)
    column, last = head.decode().strip().split(",").index(spec["column"]), dt.date.fromisoformat(until)
    days = (dt.datetime.strptime(row.decode().strip().split(",")[column], spec["format"]).date() for row in rows)
    return head + b"".join(row for row, day in zip(rows, days, strict=True) if day <= last)


def test_the_shipped_bytes_are_the_ones_whose_licence_is_documented() -> None:
    documented = re.findall(r"^\| `([\w.]+)` \| `([0-9a-f]{64})` ", (MOMENTUM / "data/SOURCES.md").read_text(), re.M)
    shipped = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (MOMENTUM / "data").glob("*.gz")}
    assert dict(documented) == shipped
    assert sum(p.stat().st_size for p in (MOMENTUM / "data").iterdir()) < 400_000


def test_the_oil_prices_keep_the_marks_of_missing_quotes() -> None:
    assert cut("data/wti.csv", "2019-12-31").count(b",.\r\n") == 290


@pytest.mark.parametrize(
    ("name", "until", "lines", "last", "sha256"),
    [
        ("data/stocks.csv", "2012-06-30", 11325, b"MSFT,2012-06-29,",
         "2d38557a86b6ec293fe012200f4461371e363843c2ad4759a0d9b663e3dcfdce"),
        ("data/stocks.csv", "2013-03-01", 12155, b"MSFT,2013-03-01,",
         "e73fe05d106b7da1abe8f947264c514afd02cef5c9db4864b9437c84d6bd6069"),
        ("data/wti.csv", "2012-06-30", 6913, b"6/29/2012,",
         "748e58cf3e9269c4d1cd81f1e2e13041ba19b3d1bc5945968970212e00b6debf"),
        ("data/wti.csv", "2013-03-01", 7088, b"3/1/2013,",
         "9a1dcc1f59a98ab240cb8bc2d92eb06e1978bea7700ca39348d26392f19ec381"),
    ],
)  # fmt: skip
def test_each_data_version_ends_on_its_day(name: str, until: str, lines: int, last: bytes, sha256: str) -> None:
    data = cut(name, until)
    rows = data.splitlines()
    assert len(rows) == lines
    assert rows[-1].startswith(last)
    assert hashlib.sha256(data).hexdigest() == sha256


def test_the_full_window_of_stocks_is_the_whole_file() -> None:
    whole = gzip.decompress((MOMENTUM / "data/stocks.csv.gz").read_bytes())
    assert cut("data/stocks.csv", VARIANTS["versions"][3]["until"]) == whole


def test_each_version_varies_one_thing_of_the_first() -> None:
    versions = VARIANTS["versions"]
    assert list(versions) == [1, 2, 3]
    assert versions[1]["files"] == versions[3]["files"] == {}
    assert [v["until"] for v in versions.values()] == ["2012-06-30", "2012-06-30", "2013-03-01"]
    assert set(versions[2]["files"]) == {"conf/seed/default.yaml"}
    (text,) = versions[2]["files"].values()
    assert yaml.safe_load(text)["value"] != yaml.safe_load((PROJECT / "conf/seed/default.yaml").read_text())["value"]
    assert len({v["message"] for v in versions.values()}) == 3
