"""A gallery of one small template in two versions."""

from __future__ import annotations

import gzip
from pathlib import Path

from replay.templates import Gallery

_VARIANTS = """
data:
  data/prices.csv: {source: data/prices.csv.gz, column: day, format: "%d.%m.%Y"}
versions:
  1: {message: Short, until: "2026-01-02", files: {}}
  2: {message: Long, until: "2026-01-03", files: {conf/rate.yaml: "rate: 2\\n", conf/new.yaml: "new: 1\\n"}}
"""
_PIPELINE = """
stages:
  fit:
    cmd: wc -l < data/prices.csv > model.txt
    deps: [data/prices.csv, conf/rate.yaml]
    outs: [model.txt]
artifacts:
  small:
    path: model.txt
    type: model
"""
PRICES = 'day,note,price\r\n01.01.2026,"a, b",1\r\n02.01.2026,c,2\r\n03.01.2026,d,3\r\n'


def small_gallery(root: Path) -> Gallery:
    """Write the gallery into ``root``."""
    project = root / "small" / "project"
    files = {
        root / "small" / "variants.yaml": _VARIANTS,
        project / "dvc.yaml": _PIPELINE,
        project / "conf" / "rate.yaml": "rate: 1\n",
        project / "src" / "fit.py": "print(1)\n",
        project / "src" / "__pycache__" / "fit.cpython-311.pyc": "not content",
        root / "notes" / "README.md": "no template",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    data = root / "small" / "data" / "prices.csv.gz"
    data.parent.mkdir()
    data.write_bytes(gzip.compress(PRICES.encode()))
    return Gallery(root)
