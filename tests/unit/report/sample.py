"""A realistic recipe and its results, with files to draw from, for tests and for looking at the pages.

``python tests/unit/report/sample.py DIR`` writes one report per scenario into DIR.
"""

from __future__ import annotations

import enum
import hashlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from replay.identity import Digests
from replay.outcome import (
    Comparison,
    Deviation,
    Ending,
    Execution,
    Finding,
    Match,
    Measure,
    Mode,
    ReplayResult,
    Verdict,
)
from replay.recipe import (
    Artifact,
    Blas,
    Code,
    ConfigSnapshot,
    Environment,
    EnvironmentKind,
    Gap,
    Grade,
    Image,
    Interpolation,
    Judgement,
    Machine,
    Output,
    OutputRole,
    Package,
    PathKind,
    Recipe,
    Resources,
    Seed,
    Step,
    Storage,
    Tolerance,
)

HOSTILE = (
    "\x1b[31mred\x1b]0;title\x07 <script>alert(1)</script> [bold red]loud[/] [link=http://x]l[/link] "
    "\u202egnp.exe {{7*7}} \x9b2J"
)
SCENARIOS = ("reproduced", "diverged", "failed", "not-self-reproducible", "not-replayable", "inconclusive")


def hexes(seed: str) -> Digests:
    data = seed.encode()
    return Digests(
        sha256=hashlib.sha256(data).hexdigest(),
        blake3=hashlib.sha256(b"b3" + data).hexdigest(),
        md5=hashlib.md5(data).hexdigest(),
    )


def artifact(path: str, size: int, storage: Storage = Storage.DVC, content: str = "", files: int = 1) -> Artifact:
    kind = PathKind.DIRECTORY if files > 1 else PathKind.FILE
    return Artifact(path=path, kind=kind, size=size, files=files, digests=hexes(content or path), storage=storage)


def output(path: str, size: int, role: OutputRole = OutputRole.DATA, content: str = "", **judgement: object) -> Output:
    sealed = Judgement(**({"comparator": "bytes"} | judgement))  # type: ignore[arg-type]
    return Output(artifact=artifact(path, size, content=content), role=role, judgement=sealed)


def sha(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


UNRESOLVED = """\
data:
  path: data/stocks.csv
  start: '2000-03-01'
  end: ${oc.env:WINDOW_END,2013-03-01}
features:
  momenta: [21, 63, 252]
  volatility: ${mul:21,3}
model:
  kind: lightgbm
  seed: ${seed}
  params: {num_leaves: 31, deterministic: true, num_threads: 1}
backtest:
  costs_bps: 5
  rebalance: W-FRI
seed: 7
"""


def resolved(seed: int = 7, end: str = "2013-03-01") -> str:
    text = UNRESOLVED.replace("${oc.env:WINDOW_END,2013-03-01}", f"'{end}'").replace("${mul:21,3}", "63")
    return text.replace("${seed}", str(seed)).replace("seed: 7\n", f"seed: {seed}\n")


def recipe(version: int = 1, seed: int = 7, data: str = "stocks-v1", gaps: tuple[Gap, ...] = ()) -> Recipe:
    resources = Resources(cpus=2, memory_bytes=4 << 30, timeout_seconds=3600)
    config = ConfigSnapshot(
        name="config",
        overrides=(f"seed={seed}", "model=lightgbm"),
        choices={"model": "lightgbm"},
        unresolved=UNRESOLVED.replace("seed: 7\n", f"seed: {seed}\n"),
        resolved=resolved(seed),
        interpolations=(
            Interpolation(expression="${oc.env:WINDOW_END,2013-03-01}", resolver="oc.env", variable="WINDOW_END"),
            Interpolation(expression="${seed}", resolver=""),
        ),
    )
    tag = f"{seed}/{data}"
    stocks = artifact("data/stocks.csv", 812_345, content=data)
    oil = artifact("data/oil.csv", 96_120)
    clean = artifact("out/clean.parquet", 402_113, content=f"clean {data}")
    features = artifact("out/features.parquet", 1_902_400, content=f"features {data}")
    model = artifact("out/model.txt", 311_870, content=f"model {tag}")

    def step(name: str, inputs: tuple[Artifact, ...], outputs: tuple[Output, ...], **more: object) -> Step:
        code = artifact(f"src/{name}.py", 2_113, Storage.GIT)
        settings = {"resources": resources, "environment": {"PYTHONHASHSEED": "0", "TZ": "UTC"}} | more
        return Step(
            name=name,
            command=("/bin/sh", "-c", f"python src/{name}.py"),
            inputs=(code, *inputs),
            outputs=outputs,
            **settings,
        )  # type: ignore[arg-type]

    strict = Tolerance(absolute=(1e-12).hex(), relative=(1e-9).hex())
    owner = {"owner": "model-risk", "reason": "log() differs in its last bit between CPU families"}
    steps = (
        step(
            "preprocess",
            (stocks, oil),
            (
                Output(
                    artifact=clean,
                    role=OutputRole.DATA,
                    judgement=Judgement(comparator="table", keys=("date", "symbol")),
                ),
            ),
        ),
        step(
            "features",
            (clean,),
            (
                Output(
                    artifact=features,
                    role=OutputRole.DATA,
                    judgement=Judgement(comparator="table", tolerance=strict, **owner),
                ),
            ),
            configs=(config,),
        ),
        step(
            "train",
            (features,),
            (
                Output(artifact=model, role=OutputRole.MODEL, judgement=Judgement(comparator="text")),
                output("out/importance.json", 2_210, OutputRole.METRICS, f"importance {tag}", comparator="json"),
            ),
            configs=(config,),
            parameters={"params.yaml:train.seed": str(seed)},
            seeds=(
                Seed(name="seed", value=str(seed), place="config: seed"),
                Seed(name="PYTHONHASHSEED", value="0", place="environment"),
            ),
            seeds_missing=("torch.manual_seed",) if gaps else (),
        ),
        step(
            "backtest",
            (features, model),
            (
                output(
                    "out/metrics.json",
                    412,
                    OutputRole.METRICS,
                    f"metrics {tag}",
                    comparator="json",
                    tolerance=Tolerance(absolute=(1e-9).hex()),
                    **owner,
                ),
                output("out/pnl.parquet", 51_240, OutputRole.DATA, f"pnl {tag}", comparator="table", keys=("date",)),
                output("out/equity.png", 24_871, OutputRole.PLOT, f"png {tag}", comparator="image"),
                output("out/run.log", 901, OutputRole.DATA, f"log {tag}", volatile=True, reason="holds times of day"),
            ),
            configs=(config,),
        ),
    )
    return Recipe(
        name="momentum",
        version=version,
        model="out/model.txt",
        profile="portable-v3",
        code=Code(
            commit=hashlib.sha1(tag.encode()).hexdigest(),
            tree=hashlib.sha1(b"tree" + tag.encode()).hexdigest(),
            url="https://git.example.org/quant/research/strategies/momentum-weekly-rebalancing.git",
            directory="recipes/momentum",
        ),
        environment=Environment(
            kind=EnvironmentKind.LOCKED,
            image=Image(
                config=sha("image"), layers=(sha("base"), sha("wheels")), platform="linux/amd64", origin="built here"
            ),
            base=Image(
                config=sha("base"), layers=(sha("base"),), platform="linux/amd64", origin="bootstrapped bookworm"
            ),
            lock="requirements.txt",
            lock_sha256=hashlib.sha256(b"lock").hexdigest(),
            installer="uv 0.13.9",
            packages=(
                Package(system="deb", name="libc6", version="2.36-9"),
                Package(system="python", name="numpy", version="2.4.6"),
                Package(system="python", name="lightgbm", version="4.7.0"),
            ),
        ),
        machine=Machine(
            cpu_model="Intel(R) Xeon(R) Platinum 8488C",
            cpu_flags=("avx", "avx2", "avx512f", "bmi1", "bmi2", "fma", "sse4_1", "sse4_2", "aes", "rdrand", "popcnt"),
            cpus=2,
            memory_bytes=24 << 30,
            kernel="6.1.0-28-amd64",
            libc="glibc 2.36",
            python="3.11.7",
            blas=(Blas(library="openblas", version="0.3.30", architecture="Haswell", threads=2),),
            numpy="2.4.6",
            numpy_dispatch=("AVX2", "FMA3"),
        ),
        steps=steps,
        gaps=gaps,
        grade=Grade.B if gaps else Grade.A,
    )


def _png(values: list[float], color: tuple[int, int, int], span: tuple[float, float]) -> bytes:
    from PIL import Image as Images
    from PIL import ImageDraw

    image = Images.new("RGB", (900, 420), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((60, 20, 880, 380), outline=(190, 190, 190))
    low, high = span
    points = [(60 + 820 * i / (len(values) - 1), 380 - 360 * (v - low) / (high - low)) for i, v in enumerate(values)]
    draw.line(points, fill=color, width=2)
    draw.text((70, 28), "equity, net of costs", fill=(60, 60, 60))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def write_files(root: Path, *, drift: bool) -> dict[str, tuple[str, str]]:
    """Recorded and replayed outputs of the backtest; ``path → (recorded, replayed)``."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    days = np.arange("2009-01-05", "2013-03-01", dtype="datetime64[D]")
    days = days[np.is_busday(days)]
    rng = np.random.default_rng(7)
    pnl = rng.normal(0.0011, 0.011, len(days))
    after = pnl.copy()
    if drift:
        after[430:] += rng.normal(0, 0.0035, len(days) - 430) * (rng.random(len(days) - 430) < 0.6)
    paths = {}
    for side, series in (("recorded", pnl), ("replayed", after)):
        folder = root / side / "out"
        folder.mkdir(parents=True, exist_ok=True)
        equity = np.cumprod(1 + series)
        table = pa.table({"date": pa.array(days), "pnl": series, "equity": equity, "turnover": np.abs(pnl) * 3})
        parquet.write_table(table, folder / "pnl.parquet")
        sharpe = float(series.mean() / series.std() * np.sqrt(252))
        drawdown = float((equity / np.maximum.accumulate(equity) - 1).min())
        metrics = {
            "sharpe": round(sharpe, 6),
            "max_drawdown": round(drawdown, 6),
            "turnover": 11.402113,
            "days": len(days),
            "by_symbol": {"AAPL": 0.1132, "IBM": 0.0412 if side == "recorded" or not drift else 0.0397},
        }
        (folder / "metrics.json").write_text(json.dumps(metrics))
        (folder / "importance.json").write_text(json.dumps({"mom_252": 912, "vol_63": 641, "oil": 118}))
        (folder / "equity.png").write_bytes(_png(equity.tolist(), (30, 90, 160), (0.65, 1.55)))
    for name in ("pnl.parquet", "metrics.json", "importance.json", "equity.png"):
        paths[f"out/{name}"] = (str(root / "recorded/out" / name), str(root / "replayed/out" / name))
    return paths


LOG = """\
2026-03-01 10:20:31 INFO  features: 4 symbols, 13,076 rows
[LightGBM] [Info] Total Bins 2040, number of data points in the train set: 8932, number of used features: 8
[LightGBM] [Info] Start training from score 0.000731
2026-03-01 10:20:33 INFO  wrote out/model.txt (120 trees)
"""
TRACE = """\
Traceback (most recent call last):
  File "/work/src/train.py", line 41, in <module>
    table = pq.read_table("out/holidays.parquet")
FileNotFoundError: out/holidays.parquet
"""
SAME = {"comparator": "bytes", "summary": "identical bytes"}


def finding(path: str) -> Finding:
    """What differs in the diverged scenario."""
    texts = {
        "out/model.txt": ("text", "212 of 3,406 lines differ", "line 17", ("lines that differ", "212", "of 3,406")),
        "out/metrics.json": (
            "json",
            "3 of 6 numbers lie beyond the tolerance",
            "$.sharpe",
            ("largest absolute difference", "1.48e-02", ""),
        ),
        "out/pnl.parquet": (
            "table",
            "pnl differs in 389 of 1,084 rows",
            "row 430, date 2010-08-31",
            ("largest absolute difference", "9.96e-03", ""),
        ),
        "out/equity.png": ("image", "6,214 of 378,000 pixels differ", "pixel (381, 204)", ("SSIM", "0.9914", "")),
    }
    comparator, summary, first, (name, value, unit) = texts[path]
    return Finding(
        match=Match.DIFFERENT,
        comparator=comparator,
        summary=summary,
        first=first,
        measures=(Measure(name=name, value=value, unit=unit),),
    )


def comparisons(
    of: Recipe, paths: dict[str, tuple[str, str]], *, drift: bool, mode: Mode = Mode.ISOLATED
) -> tuple[Comparison, ...]:
    found = []
    for step in of.steps:
        for out in step.outputs:
            path = out.artifact.path
            differs = drift and path in {"out/model.txt", "out/metrics.json", "out/pnl.parquet", "out/equity.png"}
            log = path == "out/run.log"
            other = Finding(match=Match.DIFFERENT, comparator="bytes", summary="bytes differ", first="byte 9")
            near = Finding(
                match=Match.EQUIVALENT,
                comparator="table",
                summary="3,970 of 13,076 cells differ, all within the tolerance",
                first="row 12, mom_21",
                measures=(Measure(name="largest absolute difference", value="8.9e-16"),),
            )
            same = Finding(match=Match.IDENTICAL, comparator=out.judgement.comparator, summary="identical bytes")
            said = (
                other
                if log
                else finding(path)
                if differs
                else near
                if drift and path.endswith("features.parquet")
                else same
            )
            recorded, replayed = paths.get(path, (None, None))
            content = hexes(f"replayed {path}") if said.match is not Match.IDENTICAL else out.artifact.digests
            found.append(
                Comparison(
                    step=step.name,
                    path=path,
                    mode=mode,
                    finding=said,
                    volatile=log,
                    recorded=out.artifact.digests,
                    replayed=content,
                    recorded_path=recorded,
                    replayed_path=replayed,
                )
            )
    return tuple(found)


def executions(of: Recipe, mode: Mode = Mode.ISOLATED) -> tuple[Execution, ...]:
    return tuple(
        Execution(
            step=s.name,
            mode=mode,
            ending=Ending.SUCCEEDED,
            exit_code=0,
            started="2026-03-01T10:20:30+00:00",
            seconds=1.4 + i,
            log=LOG,
            log_path=f".replay/replays/rp_01KJZ8T7M5X4Q2W9N6C3V1B0AH/{s.name}.log",
        )
        for i, s in enumerate(of.steps)
    )


DEVIATIONS = (
    Deviation(
        facet="CPU model",
        recorded="Intel(R) Xeon(R) Platinum 8488C",
        actual="AMD EPYC 7R13",
        consequence="instruction sets beyond AVX2 are switched off on both, so results should not depend on it",
    ),
    Deviation(
        facet="kernel", recorded="6.1.0-28-amd64", actual="6.8.0-1021-aws", consequence="no known effect on results"
    ),
)
GAPS = (
    Gap(
        item="${oc.env:WINDOW_END} has only a default",
        consequence="another environment could have given another end of the data window",
        step="features",
    ),
    Gap(
        item="base image has no registry digest",
        consequence="the environment must be rebuilt from the lock when the local image is gone",
    ),
)


def scenario(name: str, root: Path) -> tuple[ReplayResult, Recipe]:
    """The result and recipe of one of `SCENARIOS`, with files below ``root``."""
    drift = name in {"diverged", "not-self-reproducible"}
    of = recipe(gaps=GAPS if drift else ())
    paths = write_files(root, drift=drift)
    judged, ran = comparisons(of, paths, drift=drift), executions(of)
    reasons = {
        "reproduced": "All 7 judged outputs of 4 steps are as recorded, byte for byte; 1 volatile one was not judged.",
        "diverged": "4 of 7 judged outputs differ from their record, and two unchanged replays agree with each other.",
        "failed": "The step train failed with exit code 1 when it was run from its recorded inputs.",
        "not-self-reproducible": "Two unchanged replays differ from each other in 4 of 7 outputs.",
        "not-replayable": "data/stocks.csv is in no source: the DVC remote and both caches were asked.",
        "inconclusive": "No output was kept to compare with: the run was recorded with --metadata-only.",
    }
    if drift:
        tail = [c for c in comparisons(of, paths, drift=True, mode=Mode.CHAINED) if c.step in {"train", "backtest"}]
        judged, ran = (
            judged + tuple(tail),
            ran + tuple(e for e in executions(of, Mode.CHAINED) if e.step in {"train", "backtest"}),
        )
    if name == "failed":
        bad = Execution(
            step="train",
            mode=Mode.ISOLATED,
            ending=Ending.EXITED,
            exit_code=1,
            started="2026-03-01T10:20:32+00:00",
            seconds=0.8,
            log=LOG.splitlines(keepends=True)[0] + TRACE,
            reason="It reads out/holidays.parquet, which is no declared input; only declared inputs are mounted.",
            log_path=ran[2].log_path,
        )
        judged, ran = judged[:2], (*ran[:2], bad)
    if name == "not-replayable":
        judged, ran = (), ()
    if name == "inconclusive":
        none = Finding(match=Match.UNCOMPARED, comparator="presence", summary="only its digest was kept")
        judged = tuple(msgspec.structs.replace(c, finding=none, recorded_path=None, replayed_path=None) for c in judged)
    first = next((c for c in judged if c.match is Match.DIFFERENT and not c.volatile), None)
    result = ReplayResult(
        replay_id="rp_01KJZ8T7M5X4Q2W9N6C3V1B0AH",
        recipe_id=of.recipe_id,
        model_id=of.model_id,
        verdict=Verdict(name),
        reason=reasons[name],
        mode=Mode.ISOLATED,
        repeat=2 if drift else 1,
        started="2026-03-01T10:20:30.123456+00:00",
        seconds=23.4,
        image=f"{of.environment.image.config}, found on this machine",
        engine={"docker": "20.10.24", "api": "1.41", "runc": "1.1.5", "storage driver": "overlay2"},
        comparisons=judged,
        executions=ran,
        deviations=DEVIATIONS if drift else (),
        first_divergence=first if drift else None,
        notes=("The chain from train on was replayed end to end, because train is not identical.",) if drift else (),
        workspace=str(root) if drift or name == "failed" else None,
        report=f"{root}/report.html",
    )
    return result, of


def hostile(root: Path) -> tuple[ReplayResult, Recipe]:
    """The diverged scenario with `HOSTILE` in every free text of result and recipe."""
    result, of = scenario("diverged", root)
    keep = {
        "recorded_path",
        "replayed_path",
        "workspace",
        "started",
        "model",
        "schema_version",
        "absolute",
        "relative",
        "unresolved",
        "resolved",
    }
    return poison(result, keep), poison(of, keep)


def poison(value: Any, keep: set[str]) -> Any:
    """A copy of a value in which every free text ends with `HOSTILE`; enumerations, digests and kept fields stay."""
    if isinstance(value, enum.Enum | Digests):
        return value
    if isinstance(value, str):
        return f"{value} {HOSTILE}"
    if isinstance(value, tuple):
        return tuple(poison(item, keep) for item in value)
    if isinstance(value, dict):
        return {poison(key, keep): poison(item, keep) for key, item in value.items()}
    if isinstance(value, msgspec.Struct):
        names = [name for name in value.__struct_fields__ if name not in keep]
        return msgspec.structs.replace(value, **{name: poison(getattr(value, name), keep) for name in names})
    return value


def write(folder: Path) -> None:
    from replay.report.html import render_html

    for name in SCENARIOS:
        result, of = scenario(name, folder / name)
        (folder / f"{name}.html").write_text(render_html(result, of), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
