"""Random records: transactions with nodes of every kind, edges that make sense, and facets."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from replay.identity import to_crockford
from replay.lineage import Edge, EdgeType, Facet, Kind, Node, group_node

VOCABULARY = (
    "boost",
    "Boosted",
    "rates",
    "desk",
    "ÜBER",
    "straße",
    "strasse",
    "2026",
    "ﬁne",
    "fine",
    "_",
    "%",
    "NOT",
    "東京",
)
JSON = st.sampled_from(
    [
        "0.5",
        "1",
        "-1",
        "2",
        '"adam"',
        '"0.5"',
        "true",
        "null",
        "[1, 2]",
        '{"a": 1, "b": ["x", "y"]}',
        "1e-3",
        '"a_b%c"',
        str(2**53),
        str(2**53 + 1),
        "NaN",
        '"ünïcode"',
    ]
)
KEYS = ("lr", "opt", "deep.er", "opt.a")
LONG = {f"k{number}": f"value {number} of a long attribute" for number in range(12)}


def phrase() -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=3).map(" ".join)


WHOLE = (
    "run",
    "second run",
    "config",
    "metrics",
    "code",
    "image",
    "dataset",
    "execution",
    "trial",
    "experiment",
    "version",
    "action",
    "deployment",
    "locator",
    "group",
)


def draw_nodes(number: int, draw: Callable[..., object]) -> Node:
    """A node of any kind; the number tells it from the others."""
    return draw_kind(str(draw(st.sampled_from(WHOLE))), number, draw)


def draw_kind(kind: str, number: int, draw: Callable[..., object]) -> Node:
    name = str(draw(st.one_of(phrase(), st.sampled_from(["train", "fit", ""]))))
    if kind.endswith("run"):
        attrs = {
            "parameters": draw(st.dictionaries(st.sampled_from([f"p.yaml:{key}" for key in KEYS]), JSON, max_size=3)),
            "seeds": draw(
                st.lists(
                    st.fixed_dictionaries(
                        {
                            "name": st.sampled_from(["numpy", "torch"]),
                            "place": st.sampled_from(["p.yaml:seed", ""]),
                            "value": st.sampled_from(["7", "42", "x", "9007199254740993"]),
                        }
                    ),
                    max_size=2,
                )
            ),
            "facts": {
                "seconds": draw(st.sampled_from(["1.5", "20", "0.001"])),
                "exit_code": draw(st.sampled_from([0, 1])),
            },
        } | ({"environment": LONG} if draw(st.booleans()) else {})
        return Node(kind=Kind.RUN, identity={"run": to_crockford(number)}, name=name, attrs=attrs)
    if kind == "config":
        text = draw(
            st.sampled_from(["lr: 0.5\nopt: adam\n", "deep:\n  er: [1, 2]\nlr: 2\n", "lr: '0.5'\nopt: {a: 1}\n"])
        )
        return Node(kind=Kind.CONFIG, identity={"config": f"{number:064x}"}, name="config", attrs={"resolved": text})
    if kind == "metrics":
        values = draw(
            st.dictionaries(
                st.sampled_from(["auc", "sharpe", "by[0].fold"]), st.sampled_from(["0.5", "1", "-1", "NaN"])
            )
        )
        return Node(
            kind=Kind.METRICS,
            identity={"sha256": f"{number:064x}"},
            name="m.json",
            attrs={"values": values, "size": number},
        )
    if kind == "code":
        return Node(kind=Kind.CODE, identity={"commit": f"{number:040x}"[::-1]}, name="code")
    if kind == "image":
        return Node(kind=Kind.IMAGE, identity={"image": "sha256:" + f"{number:064x}"[::-1]}, name="image")
    if kind == "dataset":
        attrs = {"size": number * 37, "note": draw(phrase()), "sum": "ab" * 20} | (
            {"big": LONG} if draw(st.booleans()) else {}
        )
        return Node(kind=Kind.DATASET, identity={"sha256": f"{number:064x}"}, name=name, attrs=attrs)
    if kind in {"execution", "trial", "experiment"}:
        return Node(kind=Kind.COLLECTION, type=kind, identity={kind: f"{kind} {number}"}, name=name)
    if kind == "version":
        identity = {"model": "m", "version": str(number), "execution": str(number)}
        return Node(kind=Kind.MODEL_VERSION, identity=identity, name=f"m:{number}")
    if kind == "action":
        type_ = draw(st.sampled_from(["deploy", "replay"]))
        attrs = {"verdict": draw(st.sampled_from(["reproduced", "diverged"]))}
        return Node(kind=Kind.ACTION, type=type_, identity={"action": to_crockford(number)}, name=type_, attrs=attrs)
    if kind == "deployment":
        return Node(kind=Kind.DEPLOYMENT, type="endpoint", identity={"deployment": str(number)}, name="prod")
    if kind == "locator":
        return Node(kind=Kind.LOCATOR, type="path", identity={"path": str(number)}, name=f"data/{draw(phrase())}.csv")
    return group_node(str(draw(st.sampled_from(["m", "n"]))))


EDGES: list[tuple[EdgeType, set[Kind], set[Kind]]] = [
    (EdgeType.USED, {Kind.RUN}, {Kind.CONFIG, Kind.CODE, Kind.IMAGE, Kind.DATASET}),
    (EdgeType.GENERATED, {Kind.RUN}, {Kind.METRICS, Kind.DATASET}),
    (EdgeType.PART_OF, {Kind.RUN, Kind.COLLECTION, Kind.MODEL_VERSION}, {Kind.COLLECTION}),
    (EdgeType.DERIVED_FROM, {Kind.MODEL_VERSION}, {Kind.RUN, Kind.COLLECTION}),
    (EdgeType.SPECIALIZES, {Kind.DATASET, Kind.METRICS}, {Kind.LOCATOR}),
    (EdgeType.REPLAYS, {Kind.ACTION}, {Kind.MODEL_VERSION}),
    (EdgeType.USED, {Kind.ACTION}, {Kind.MODEL_VERSION}),
    (EdgeType.GENERATED, {Kind.ACTION}, {Kind.DEPLOYMENT}),
]


def draw_edges(nodes: list[Node], draw: Callable[..., object]) -> list[Edge]:
    """Edges that make sense, between any nodes there are by now."""
    found = []
    for type_, sources, targets in EDGES:
        here = [node for node in nodes if node.kind in sources]
        there = [node for node in nodes if node.kind in targets]
        if not here or not there:
            continue
        for _ in range(int(str(draw(st.integers(0, 3))))):
            source, target = draw(st.sampled_from(here)), draw(st.sampled_from(there))
            assert isinstance(source, Node)
            assert isinstance(target, Node)
            role = str(draw(st.sampled_from(["input:data/a.csv", "config:config", "output:m.json", "metrics", ""])))
            attrs = draw(st.sampled_from([{}, {"storage": "dvc"}, {"role": "metrics", "storage": "store"}]))
            if source.uid != target.uid:
                found.append(Edge(source=source.uid, type=type_, target=target.uid, role=role, attrs=attrs))  # type: ignore[arg-type]
    return found


def draw_recording(number: int, draw: Callable[..., object]) -> tuple[list[Node], list[Edge]]:
    """A whole execution of two runs with everything around it, as a recording writes it."""
    made = {kind: draw_kind(kind, number + place, draw) for place, kind in enumerate(WHOLE)}
    run, other, execution, version = made["run"], made["second run"], made["execution"], made["version"]
    links = [
        (run, EdgeType.USED, made["config"], "config:config"),
        (run, EdgeType.USED, made["dataset"], "input:data/a.csv"),
        (run, EdgeType.USED, made["code"], "code"),
        (other, EdgeType.USED, made["image"], "image"),
        (other, EdgeType.GENERATED, made["metrics"], "output:m.json"),
        (run, EdgeType.PART_OF, execution, "step"),
        (other, EdgeType.PART_OF, execution, "step"),
        (execution, EdgeType.PART_OF, made["trial"], "execution"),
        (made["trial"], EdgeType.PART_OF, made["experiment"], "trial"),
        (version, EdgeType.PART_OF, made["group"], "version"),
        (version, EdgeType.DERIVED_FROM, execution, "execution"),
        (made["action"], EdgeType.REPLAYS, version, ""),
        (made["dataset"], EdgeType.SPECIALIZES, made["locator"], ""),
        (made["action"], EdgeType.USED, version, "version"),
        (made["action"], EdgeType.GENERATED, made["deployment"], "deployment"),
    ]
    edges = [
        Edge(source=a.uid, type=type_, target=b.uid, role=role)
        for a, type_, b, role in links
        if draw(st.integers(0, 5))
    ]
    return list(made.values()), edges


def facets(nodes: list[Node]) -> st.SearchStrategy[list[Facet]]:
    keys = st.sampled_from(["status", "stage", "tag:desk", "tag:n", "property:a b", "alias:best", "other"])
    values = st.one_of(
        st.sampled_from(["approved", "rates", "1.5", "7", "x y", None, 1, 2, {"deep": "7", "er": ["u"]}]), phrase()
    )
    one = st.builds(
        lambda node, key, value: Facet(node=node.uid, key=key, value=value), st.sampled_from(nodes), keys, values
    )
    return st.lists(one, max_size=8)


@st.composite
def stories(draw: Callable[..., object]) -> list[tuple[list[Node], list[Edge], list[Facet], bool]]:
    """Transactions: nodes, edges, facets; and whether somebody searches after it."""
    known: list[Node] = []
    found = []
    for _ in range(int(str(draw(st.integers(1, 4))))):
        edges: list[Edge] = []
        if draw(st.booleans()):
            fresh, edges = draw_recording(len(known) + 1, draw)
        else:
            fresh = [draw_nodes(len(known) + 1 + more, draw) for more in range(int(str(draw(st.integers(1, 7)))))]
        known += fresh
        said = draw(facets(known))
        assert isinstance(said, list)
        found.append((fresh, edges + draw_edges(known, draw), said, bool(draw(st.booleans()))))
    return found
