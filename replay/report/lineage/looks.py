"""How each kind of node looks in pictures: a shape, and the colours of its family. Never colour alone."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from replay.lineage import Kind


class Family(msgspec.Struct, frozen=True):
    """Kinds that belong together, and their colours on light and on dark paper."""

    name: str
    fill: str
    line: str
    dark_fill: str
    dark_line: str


DATA = Family("data", "#e4eefb", "#2f6fb7", "#14273d", "#6aa9f0")
MEANS = Family("means", "#efe9fb", "#6d4bb8", "#241c3a", "#b79bff")
WORK = Family("work", "#fdf0dc", "#9a5b00", "#35260d", "#f0b95c")
MODEL = Family("model", "#e3f3ea", "#13713f", "#12301f", "#6fd39b")
RESULT = Family("result", "#e0f2f4", "#0a6577", "#0f2d34", "#6cc8da")
PEOPLE = Family("order", "#eceae5", "#575e67", "#262a30", "#a2a9b2")
FAMILIES = (DATA, MEANS, WORK, MODEL, RESULT, PEOPLE)


class Look(msgspec.Struct, frozen=True):
    """Of one kind: its family, its shape in DOT, what stands around its label in Mermaid, and its icon (16 × 16)."""

    family: Family
    dot: str
    mermaid: tuple[str, str]
    icon: str


_ICONS: dict[Kind, str] = {
    Kind.DATASET: "M2 4c0-3 12-3 12 0v8c0 3-12 3-12 0zM2 4c0 3 12 3 12 0M2 8c0 3 12 3 12 0",
    Kind.FEATURE_VIEW: "M2 2h12v12H2zM2 6h12M2 10h12M6 2v12",
    Kind.LOCATOR: "M8 15C4 10 3 8 3 6a5 5 0 0110 0c0 2-1 4-5 9zM8 4.5v3",
    Kind.CODE: "M5 4L1 8l4 4M11 4l4 4-4 4M9.5 2l-3 12",
    Kind.IMAGE: "M8 1l7 3.5-7 3.5-7-3.5zM1 8l7 3.5L15 8M1 11.5L8 15l7-3.5",
    Kind.CONFIG: "M1 4h6M11 4h4M9 2v4M1 8h2M7 8h8M5 6v4M1 12h8M13 12h2M11 10v4",
    Kind.PLAN: "M3 1h10v14H3zM6 5h4M6 8h4M6 11h4",
    Kind.RUN: "M3 2l11 6-11 6z",
    Kind.ACTION: "M9 1L3 9h4l-1 6 7-9H8z",
    Kind.MODEL: "M8 1l6 3.5v7L8 15l-6-3.5v-7zM2 4.5L8 8l6-3.5M8 8v7",
    Kind.MODEL_VERSION: "M8 1l6 3.5v7L8 15l-6-3.5v-7zM5 8l2.5 2.5L11.5 6",
    Kind.DEPLOYMENT: "M8 1c3 2 4 5 4 8l2 2v3l-3-2H5l-3 2v-3l2-2c0-3 1-6 4-8zM8 6v2",
    Kind.METRICS: "M2 14h12M4 14V8M8 14V3M12 14V6",
    Kind.PLOT: "M2 1v13h13M4 11l3-4 3 2 4-6",
    Kind.REPORT: "M3 1h7l3 3v11H3zM10 1v3h3M5.5 8h5M5.5 11h5",
    Kind.COLLECTION: "M1 3h5l2 2h7v9H1z",
    Kind.AGENT: "M8 8a3 3 0 110-6 3 3 0 010 6zM2 15c0-7 12-7 12 0",
}

LOOKS: dict[Kind, Look] = {
    Kind.DATASET: Look(DATA, "cylinder", ("[(", ")]"), _ICONS[Kind.DATASET]),
    Kind.FEATURE_VIEW: Look(DATA, "cylinder", ("[(", ")]"), _ICONS[Kind.FEATURE_VIEW]),
    Kind.LOCATOR: Look(DATA, "note", (">", "]"), _ICONS[Kind.LOCATOR]),
    Kind.CODE: Look(MEANS, "component", ("[", "]"), _ICONS[Kind.CODE]),
    Kind.IMAGE: Look(MEANS, "box3d", ("[[", "]]"), _ICONS[Kind.IMAGE]),
    Kind.CONFIG: Look(MEANS, "tab", ("[/", "/]"), _ICONS[Kind.CONFIG]),
    Kind.PLAN: Look(MEANS, "folder", ("[\\", "\\]"), _ICONS[Kind.PLAN]),
    Kind.RUN: Look(WORK, "box", ("[", "]"), _ICONS[Kind.RUN]),
    Kind.ACTION: Look(WORK, "cds", ("([", "])"), _ICONS[Kind.ACTION]),
    Kind.MODEL: Look(MODEL, "hexagon", ("{{", "}}"), _ICONS[Kind.MODEL]),
    Kind.MODEL_VERSION: Look(MODEL, "doubleoctagon", ("{{", "}}"), _ICONS[Kind.MODEL_VERSION]),
    Kind.DEPLOYMENT: Look(MODEL, "house", ("[/", "\\]"), _ICONS[Kind.DEPLOYMENT]),
    Kind.METRICS: Look(RESULT, "ellipse", ("([", "])"), _ICONS[Kind.METRICS]),
    Kind.PLOT: Look(RESULT, "ellipse", ("([", "])"), _ICONS[Kind.PLOT]),
    Kind.REPORT: Look(RESULT, "note", (">", "]"), _ICONS[Kind.REPORT]),
    Kind.COLLECTION: Look(PEOPLE, "folder", ("[[", "]]"), _ICONS[Kind.COLLECTION]),
    Kind.AGENT: Look(PEOPLE, "oval", ("((", "))"), _ICONS[Kind.AGENT]),
}


def legend(kinds: Iterable[Kind]) -> list[tuple[Kind, Look]]:
    """The looks of the kinds that occur, in the order in which this program names kinds."""
    met = set(kinds)
    return [(kind, LOOKS[kind]) for kind in Kind if kind in met]
