"""What a search tells: values, order, pages, what is odd, and what the asker may not see."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec
import pytest
from tests_support import stores
from tests_support.search_sample import ask, names, number, record, say

from replay.ask import Ground, Guard, Place
from replay.ask.interface import Seen
from replay.ask.search import search
from replay.ask.search.cursors import cursor_of, decoded
from replay.errors import UsageError
from replay.identity import to_crockford
from replay.lineage import Edge, EdgeType, Facet, Kind, Node
from replay.search.expression import Compare, Op
from replay.search.parse import parse
from replay.search.request import Found, Search
from replay.store.database import Store

ISSUE = "params.lr>0.1 and metrics.sharpe>=1 and tag:desk=rates"


@pytest.fixture
def filled(store: Store) -> Store:
    """Five versions of two models."""
    record(store, "churn", parameters={"lr": 0.05, "opt": "adam"}, metrics={"sharpe": 2}, says={"tag_desk": "rates"})
    record(store, "churn", parameters={"lr": 0.2, "opt": "sgd"}, metrics={"sharpe": 1}, says={"tag_desk": "rates"})
    record(store, "churn", parameters={"lr": 0.2, "opt": 5}, metrics={"sharpe": 0.9}, says={"tag_desk": "rates"})
    record(store, "churn", parameters={"lr": 0.3}, metrics={"sharpe": 3}, trial="second", says={"tag_desk": "fx"})
    record(store, "carry", parameters={"lr": 0.4, "deep": {"er": [1, 2]}}, metrics={"loss": 7}, trial="second")
    return store


# -- what is found ----------------------------------------------------------------------------------------------------


def test_the_search_that_everybody_wants(filled: Store) -> None:
    found = ask(filled, ISSUE)
    assert [hit.name for hit in found.hits] == ["churn:2"]
    (hit,) = found.hits
    assert hit.values == {"params.lr": (0.2,), "metrics.sharpe": (1,), "tag:desk": ("rates",)}
    assert (hit.kind, hit.uid, hit.stores) == (Kind.MODEL_VERSION, stores.uid(filled, "churn:2"), ())
    assert hit.created < hit.modified
    assert (found.total, found.complete, found.hidden, found.findings, found.next) == (1, True, 0, (), None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("params.lr=0.4 kind=model_version", ["model_version carry:1"]),
        ("params.lr=0.4 kind=collection type=execution", ["collection carry"]),
        ("params.lr=0.4 kind=collection type=trial", ["collection second"]),
        ("params.lr=0.4 type=experiment", []),
        ("params.params.yaml:lr=0.4 kind=run", ["run train"]),
        ("params.deep.er=2 kind=run", ["run train"]),
        ("experiment=momentum kind=model_version model=carry", ["model_version carry:1"]),
        ("trial=second kind=collection type=execution", ["collection carry", "collection churn"]),
        ("model=churn version=4 kind=run", ["run train"]),
        ("seeds.numpy=4 kind=model_version", ["model_version churn:4"]),
        ("kind=model_version seeds[name=numpy and value>=4]", ["model_version churn:4"]),
        ("kind=model_version seeds[name=torch]", []),
        ("kind=model_version and outputs[role=metrics and size>100] model=carry", ["model_version carry:1"]),
        ("kind=model_version and outputs[role=metrics and size>1000]", []),
        ("kind=model_version and inputs[path~train and storage=dvc] model=carry", ["model_version carry:1"]),
        ("kind=model_version and steps[seconds>1 and params.lr=0.4]", ["model_version carry:1"]),
        ("kind=model_version and steps[seconds>2]", []),
        ("kind=dataset and name=data/train.csv", ["dataset data/train.csv"]),
        ("kind=model_version and not tag:desk exists", ["model_version carry:1"]),
        ("kind=model_version and tag:desk not in (rates, equity)", ["model_version churn:4"]),
        ("attrs.facts.seconds=1.5 params.lr=0.4", ["run train"]),
        ("attrs.facts.seconds='1.5' params.lr=0.4", ["run train"]),
        ("created>2020-01-01 model=carry kind=model_version", ["model_version carry:1"]),
        ("created<2020-01-01", []),
    ],
)  # fmt: skip
def test_fields_of_what_was_recorded(filled: Store, text: str, expected: list[str]) -> None:
    assert [f"{hit.kind} {hit.name}" for hit in ask(filled, text).hits] == expected


def test_ids_commits_and_images_are_known_by_their_beginning(filled: Store) -> None:
    run = to_crockford(number("carry", 1))
    commit = f"{number('carry', 1):040x}"[::-1]
    assert names(filled, f"id=run:{run[:23]} params.lr=0.4") == ["train"]
    assert sorted(names(filled, f"id={run}")) == ["carry", "train"]  # the execution has the same ULID here
    assert names(filled, f"commit={commit[:10]} kind=model_version") == ["carry:1"]
    assert names(filled, f"commit={commit.upper()} kind=model_version") == ["carry:1"]
    assert names(filled, f"commit!={commit} kind=model_version") == ["churn:4", "churn:3", "churn:2", "churn:1"]
    assert names(filled, f"id in (sha256:{'ab' * 32}, sha256:ffff)") == ["data/train.csv"]


def test_numbers_and_texts_are_never_taken_for_one_another(filled: Store) -> None:
    kind = "kind=model_version and "
    assert names(filled, f"{kind} params.opt=5") == ["churn:3"]
    assert names(filled, f"{kind} params.opt='5'") == []
    assert names(filled, f"{kind} params.opt>0") == ["churn:3"]
    assert names(filled, f"{kind} params.opt>''") == ["churn:2", "churn:1"]
    assert names(filled, f"{kind} params.opt!=6") == ["churn:3"]
    assert names(filled, f"{kind} params.opt!=sgd") == ["churn:1"]
    assert names(filled, f"{kind} not params.opt=sgd") == ["carry:1", "churn:4", "churn:3", "churn:1"]
    assert names(filled, f"{kind} params.lr='0.2'") == []


def test_great_integers_are_told_apart(store: Store) -> None:
    record(store, "churn", parameters={"seed": 2**53})
    record(store, "churn", parameters={"seed": 2**53 + 1})
    record(store, "churn", parameters={"seed": 2**80})
    record(store, "churn", parameters={"seed": 2**80 + 1})
    for power, other in ((2**53, "churn:1"), (2**53 + 1, "churn:2"), (2**80, "churn:3"), (2**80 + 1, "churn:4")):
        assert names(store, f"kind=model_version params.seed={power}") == [other]
    (hit,) = ask(store, f"kind=run params.seed={2**53 + 1}").hits
    assert hit.values["params.seed"] == (2**53 + 1,)


def test_what_is_no_number_in_json_is_found_all_the_same(store: Store) -> None:
    record(store, "churn", metrics={"loss": float("nan"), "max": float("inf")})
    assert names(store, "metrics.loss=NaN kind=run") == ["train"]
    assert names(store, "metrics.max>1e300 kind=run") == ["train"]
    (hit,) = ask(store, "metrics.max exists kind=run").hits
    assert hit.values["metrics.max"] == ("Infinity",)
    assert msgspec.json.decode(msgspec.json.encode(ask(store, "metrics.max exists")))


def test_long_texts_are_compared_to_their_end(store: Store) -> None:
    for end in ("a", "b"):
        record(store, "churn", parameters={"note": "x" * 250 + end})
    whole = "x" * 250
    assert names(store, f"kind=model_version params.note={whole}a") == ["churn:1"]
    assert names(store, f"kind=model_version params.note>{whole}a") == ["churn:2"]
    assert names(store, f"kind=model_version params.note<={whole}a") == ["churn:1"]
    assert names(store, "kind=model_version params.note~xb") == ["churn:2"]
    assert names(store, f"kind=model_version params.note~{'x' * 240}b") == ["churn:2"]
    assert names(store, f"kind=model_version params.note={whole}") == []


@pytest.mark.parametrize("mark", ["%", "_", "\\", "'", '"', "[a-z]", "*", "?", "a_b%c\\d"])
def test_nothing_in_a_text_is_a_pattern(store: Store, mark: str) -> None:
    record(store, "churn", parameters={"note": f"before {mark} after"})
    record(store, "churn", parameters={"note": "before x after"})
    for op in (Op.CONTAINS, Op.EQUAL):
        value = mark if op is Op.CONTAINS else f"before {mark} after"
        where = Compare(field="params.note", op=op, value=value)
        found = search(Search(where=where, kinds=(Kind.MODEL_VERSION,)), Ground.of(store))
        assert [hit.name for hit in found.hits] == ["churn:1"]


def test_nothing_that_can_be_recorded_is_too_odd_for_the_index(store: Store) -> None:
    """Very long keys, roles and values, NUL, control characters, names of the language itself."""
    long = "k" * 5000
    odd = [f"p.yaml:{long}a", f"p.yaml:{long}b", "p.yaml:nul\0key", "p.yaml:and", "p.yaml:", "noFile", "p.yaml:a.b[0]"]
    attrs = {
        "parameters": dict.fromkeys(odd, "1") | {"p.yaml:text": '"nul \\u0000 and ' + "x" * 9000 + ' end"'},
        "seeds": [{"name": "a\0b", "value": "\0", "place": long}],
        long: "v",
        "deep": {"a": [[[{"b": [1, [2, {"c": None}]]}]]]},
    }
    run = Node(kind=Kind.RUN, identity={"run": "1" * 26}, name="odd", attrs=attrs)
    data = Node(kind=Kind.DATASET, identity={"sha256": "0" * 64}, name="n" * 9000)
    role = "r" * 4000 + ":" + "p" * 4000
    edge = Edge(source=run.uid, type=EdgeType.USED, target=data.uid, role=role, attrs={"storage": "s\0"})
    store.append([run, data], [edge], [Facet(node=run.uid, key=f"tag:{long}", value="nul \0")])
    for text in (
        f"params.{long}a=1",
        f"params.p.yaml:{long}b exists",
        'params."nul\\u0000key"=1',
        "params.and=1",
        "params.noFile=1",
        'params."a.b[0]"=1',
        f'params.text~"{"x" * 100} end"',
        'params.text~"nul \\u0000 and"',
        f"attrs.{long}=v",
        "attrs.deep.a.b=2",
        'seeds."a\\u0000b" exists',
        f"seeds[place={long}]",
        f"inputs[role={'r' * 4000} and path={'p' * 4000}]",
        'inputs[storage="s\\u0000"]',
        f"tag:{long} exists",
    ):
        assert names(store, text) == ["odd"], text[:80]
    assert names(store, f"name={'n' * 9000}") == ["n" * 9000]
    assert names(store, f"params.{long}=1") == []


# -- order and pages --------------------------------------------------------------------------------------------------


def test_the_order_of_hits(filled: Store) -> None:
    def versions(**options: object) -> list[str]:
        return names(filled, "", kinds=(Kind.MODEL_VERSION,), **options)

    newest = ["carry:1", "churn:4", "churn:3", "churn:2", "churn:1"]
    assert versions() == newest
    assert versions(sort="created") == newest[::-1]
    assert versions(sort="created", descending=True) == newest
    assert versions(sort="metrics.sharpe") == ["churn:3", "churn:2", "churn:1", "churn:4", "carry:1"]
    assert versions(sort="metrics.sharpe", descending=True) == ["churn:4", "churn:1", "churn:2", "churn:3", "carry:1"]
    assert versions(sort="params.opt") == ["churn:3", "churn:1", "churn:2", "carry:1", "churn:4"]
    assert versions(sort="name") == ["carry:1", "churn:1", "churn:2", "churn:3", "churn:4"]
    assert versions(sort="params.none") == newest
    kinds = [hit.kind for hit in ask(filled, "", sort="kind").hits]
    assert kinds == sorted(kinds)


@pytest.mark.parametrize(
    ("sort", "message"),
    [("id", "nothing can be sorted by id"), ("sharpe", "unknown field"), ("outputs", "unknown field")],
)
def test_what_nothing_can_be_sorted_by(store: Store, sort: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ask(store, "", sort=sort)


def pages(store: Store, query: Search, between: Iterator[None]) -> list[Found]:
    """All pages of a search; something happens between two of them."""
    found = [search(query, Ground.of(store))]
    while (cursor := found[-1].next) is not None:
        next(between, None)
        found.append(search(msgspec.structs.replace(query, cursor=cursor), Ground.of(store)))
    return found


@pytest.mark.parametrize("sort", [None, "metrics.sharpe", "tag:desk", "modified"])
def test_pages_fit_together_while_others_write(filled: Store, sort: str | None) -> None:
    query = Search(where=parse("kind=model_version and tag:desk exists"), sort=sort, limit=1)
    whole = search(msgspec.structs.replace(query, limit=100), Ground.of(filled))
    uid = stores.uid(filled, "churn:1")

    def meanwhile() -> Iterator[None]:
        record(filled, "churn", metrics={"sharpe": 1.5}, says={"tag_desk": "aaa"})
        yield
        say(filled, uid, tag_desk=None)
        yield
        say(filled, uid, tag_desk="zzz")
        yield

    told = pages(filled, query, meanwhile())
    assert [hit for page in told for hit in page.hits] == list(whole.hits)
    assert [page.total for page in told] == [4] * 4
    assert names(filled, "kind=model_version and tag:desk in (aaa, zzz)") == ["churn:5", "churn:1"]


def test_a_cursor_is_of_one_question(filled: Store) -> None:
    query = Search(where=parse("kind=model_version"), limit=2)
    cursor = search(query, Ground.of(filled)).next
    again = msgspec.structs.replace(query, cursor=cursor, limit=3)
    assert [hit.name for hit in search(again, Ground.of(filled)).hits] == ["churn:3", "churn:2", "churn:1"]
    other = msgspec.structs.replace(query, cursor=cursor, where=parse("kind=run"))
    with pytest.raises(UsageError, match="belongs to another question"):
        search(other, Ground.of(filled))
    with pytest.raises(UsageError, match="belongs to another question"):
        search(msgspec.structs.replace(query, cursor="WyJhIixbXSwtMV0"), Ground.of(filled))
    for wrong in ("", "nonsense", "W10", "é", "WyJhIl0"):
        with pytest.raises(UsageError, match="which is none"):
            search(msgspec.structs.replace(query, cursor=wrong), Ground.of(filled))


def test_a_cursor_of_a_store_that_was_set_back_is_refused(store: Store) -> None:
    for _ in range(3):
        record(store, "churn")
    found = ask(store, "kind=model_version", limit=1)
    question = msgspec.structs.replace(found.search, limit=1)
    later = cursor_of(question, [("", 99)], 1)
    assert decoded(later, question, [""]).skip == 1
    with pytest.raises(UsageError, match="got a cursor of transaction 99, the newest here is 3"):
        search(msgspec.structs.replace(question, cursor=later), Ground.of(store))


# -- what is odd ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("params.lrr>1", "nothing has params.lrr; did you mean params.lr?"),
        ("params.er=1", "nothing has params.er; did you mean params.deep.er?"),
        ("tag:dsk=rates", "nothing has tag:dsk; did you mean tag:desk?"),
        ("metrics.zzz>1 or name=x", "nothing has metrics.zzz"),
        ("not params.lrr>1", "nothing has params.lrr; did you mean params.lr?"),
        ("steps[params.lrr>1]", "nothing has params.lrr; did you mean params.lr?"),
        ("tag:desk=5", 'tag:desk holds texts only and is compared with the number 5; write "5"'),
        ("tag:desk in (rates, 5)", "tag:desk holds texts only and is compared with the number 5"),
        ("metrics.sharpe='1'", "metrics.sharpe holds numbers only and is compared with the text '1'"),
        ("kind=dataset and params.lr>1", "nothing can match: only collection or config or model_version or run"),
    ],
)  # fmt: skip
def test_a_filter_that_can_match_nothing_is_told(filled: Store, text: str, finding: str) -> None:
    assert [told for told in ask(filled, text).findings if told.startswith(finding)] != []


@pytest.mark.parametrize("text", ["params.lrr not exists", "params.opt=5", "params.opt=adam", "name=nobody", "x y z"])
def test_what_may_match_is_not_doubted(filled: Store, text: str) -> None:
    assert ask(filled, text).findings == ()


def test_a_wrong_question_is_refused_whatever_wrote_it(filled: Store) -> None:
    with pytest.raises(UsageError, match="unknown field 'lr'"):
        search(Search(where=Compare(field="lr", op=Op.MORE, value=1)), Ground.of(filled))


# -- what may be seen -------------------------------------------------------------------------------------------------


class Blind(Guard):
    """Hides nodes by their names, in one's own store or in the attached ones."""

    def __init__(self, *hidden: str, place: str | None = None) -> None:
        self._hidden = hidden
        self._place = place

    def readable(self, place: Place, nodes: Collection[Seen]) -> set[str]:
        here = self._place in {None, place.name}
        return {node.uid for node in nodes if not (here and node.name in self._hidden)}


def seen(store: Store, guard: Guard, text: str, **options: object) -> Found:
    query = msgspec.convert({"where": None, **options}, Search)
    return search(msgspec.structs.replace(query, where=parse(text)), Ground([Place(store)], guard))


def test_a_hit_that_may_not_be_seen_is_counted_and_not_told(filled: Store) -> None:
    found = seen(filled, Blind("churn:2"), ISSUE)
    assert (found.hits, found.total, found.hidden, found.complete, found.truncated_by) == ((), 0, 1, False, ("access",))
    found = seen(filled, Blind("churn:2"), "kind=model_version", limit=2)
    assert ([hit.name for hit in found.hits], found.total, found.hidden) == (["carry:1", "churn:4"], 4, 1)
    after = seen(filled, Blind("churn:2"), "kind=model_version", limit=2, cursor=found.next)
    assert [hit.name for hit in after.hits] == ["churn:3", "churn:1"]
    assert after.next is None


@pytest.mark.parametrize(
    ("hidden", "text"),
    [
        ("train", "kind=model_version params.lr=0.4"),
        ("train", "kind=model_version lr model=carry"),
        ("metrics.json", "kind=model_version metrics.loss=7"),
        ("metrics.json", "kind=model_version outputs[size>100] model=carry"),
        ("data/train.csv", "kind=model_version inputs[size=1000] model=carry"),
        ("momentum", "kind=model_version experiment=momentum params.lr=0.4"),
        ("train", "kind=model_version steps[seconds=1.5] model=carry"),
    ],
)
def test_nor_is_a_hit_told_by_what_may_not_be_seen(filled: Store, hidden: str, text: str) -> None:
    assert names(filled, text) == ["carry:1"]
    found = seen(filled, Blind(hidden), text)
    assert (found.hits, found.hidden) == ((), 1)


def test_what_a_search_does_not_look_at_may_be_hidden(filled: Store) -> None:
    found = seen(filled, Blind("train", "metrics.json", "code"), "kind=model_version tag:desk=fx")
    assert [hit.name for hit in found.hits] == ["churn:4"]
    assert found.hidden == 0


def test_an_order_must_not_tell_what_may_not_be_seen(filled: Store) -> None:
    found = seen(filled, Blind("metrics.json"), "kind=model_version tag:desk=fx", sort="metrics.sharpe")
    assert (found.hits, found.hidden) == ((), 1)


def test_fields_of_what_may_not_be_seen_are_not_proposed(filled: Store) -> None:
    assert seen(filled, Blind("nobody"), "tag:dsk=x").findings == ("nothing has tag:dsk; did you mean tag:desk?",)
    hidden = Blind("churn:1", "churn:2", "churn:3", "churn:4")
    assert seen(filled, hidden, "tag:dsk=x").findings == ("nothing has tag:dsk",)


# -- several stores ---------------------------------------------------------------------------------------------------


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    """Another team's store, with a model of the same name and the same data."""
    with Store.open(tmp_path / "other" / ".replay", create=True) as made:
        record(made, "other", parameters={"lr": 0.35}, metrics={"sharpe": 1.5}, says={"tag_desk": "rates"})
        made.append([Node(kind=Kind.DATASET, identity={"sha256": "cd" * 32}, name="only there")])
    with Store.open(tmp_path / "other" / ".replay", read_only=True) as opened:
        yield opened


def both(own: Store, other: Store, text: str, guard: Guard | None = None, **options: object) -> Found:
    query = msgspec.convert({"where": None, **options}, Search)
    ground = Ground([Place(own), Place(other, "theirs")], guard)
    return search(msgspec.structs.replace(query, where=parse(text)), ground)


def test_an_attached_store_is_searched_too(filled: Store, other: Store) -> None:
    found = both(filled, other, ISSUE, sort="metrics.sharpe", descending=True)
    assert [(hit.name, hit.stores) for hit in found.hits] == [("other:1", ("theirs",)), ("churn:2", ())]
    assert [hit.values["metrics.sharpe"] for hit in found.hits] == [(1.5,), (1,)]
    assert found.total == 2
    newest = both(filled, other, "kind=model_version", limit=3)
    assert [hit.name for hit in newest.hits] == ["other:1", "carry:1", "churn:4"]
    after = both(filled, other, "kind=model_version", limit=3, cursor=newest.next)
    assert [hit.name for hit in after.hits] == ["churn:3", "churn:2", "churn:1"]
    (file,) = filled.root.glob("cache/search-*.db")
    assert file.stat().st_mode & 0o777 == 0o600
    assert not (other.root / "cache").exists()


def test_the_same_content_in_two_stores_is_one_hit(filled: Store, other: Store) -> None:
    (hit,) = both(filled, other, "kind=dataset attrs.size=1000").hits
    assert hit.stores == ("", "theirs")


def test_what_another_team_keeps_to_itself_is_not_even_counted(filled: Store, other: Store) -> None:
    blind = Blind("other:1", place="theirs")
    found = both(filled, other, "kind=model_version params.lr=0.35", blind)
    assert (found.hits, found.total, found.hidden, found.complete) == ((), 0, 0, True)
    shared = both(filled, other, "kind=dataset attrs.size=1000", Blind("data/train.csv", place="theirs"))
    assert [hit.stores for hit in shared.hits] == [()]
    there = both(filled, other, "kind=dataset attrs.size=1000", Blind("data/train.csv", place=""))
    assert ([hit.stores for hit in there.hits], there.hidden) == ([("theirs",)], 0)


def test_an_attached_store_that_is_a_copy_has_an_index_of_its_own(filled: Store, other: Store, tmp_path: Path) -> None:
    shutil.copytree(other.root, tmp_path / "copy" / ".replay")
    with Store.open(tmp_path / "copy" / ".replay") as made:
        record(made, "copied", parameters={"lr": 0.36})
    with contextlib.closing(Store.open(tmp_path / "copy" / ".replay", read_only=True)) as copy:
        ground = Ground([Place(filled), Place(other, "theirs"), Place(copy, "copy")])
        found = search(Search(where=parse("kind=model_version params.lr>0.34 params.lr<0.37")), ground)
    assert [(hit.name, hit.stores) for hit in found.hits] == [("copied:1", ("copy",)), ("other:1", ("theirs", "copy"))]
    assert len(list(filled.root.glob("cache/search-*.db"))) == 2


def test_a_store_that_cannot_be_asked_is_named(filled: Store) -> None:
    ground = Ground([Place(filled)], missing={"theirs": "the server is down"})
    found = search(Search(where=parse(ISSUE)), ground)
    assert [hit.name for hit in found.hits] == ["churn:2"]
    assert (found.complete, found.truncated_by) == (False, ("store theirs",))
    assert found.findings == ("the attached store theirs was not asked: the server is down",)
