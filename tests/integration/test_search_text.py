"""Full text: words, beginnings, phrases, scripts; and nothing that a database would read as its own language."""

from __future__ import annotations

import pytest
from tests_support.search_sample import ask, names, record

from replay.ask import Ground
from replay.ask.search import search
from replay.errors import UsageError
from replay.lineage import Edge, EdgeType, Facet, Kind, Node
from replay.search.expression import Words
from replay.search.request import Search
from replay.store.database import Store


def put(store: Store, *texts: str, attribute: bool = False) -> None:
    """One dataset for each text, which is its name or an attribute of it."""
    nodes = [
        Node(
            kind=Kind.DATASET,
            identity={"sha256": f"{place:064x}"},
            name=f"d{place}" if attribute else text,
            attrs={"note": text} if attribute else {},
        )
        for place, text in enumerate(texts)
    ]
    store.append(nodes)


def found(store: Store, text: str, *, begins: bool = False) -> list[int]:
    """The numbers of the texts that have these words."""
    hits = search(Search(where=Words(text=text, begins=begins)), Ground.of(store)).hits
    return sorted(int(hit.identity["sha256"], 16) for hit in hits)


@pytest.mark.parametrize("attribute", [False, True])
def test_words_beginnings_and_phrases(store: Store, attribute: bool) -> None:
    put(store, "Risk limits of the rates desk", "limits of risk", "risky business", "desk: RATES", attribute=attribute)
    assert found(store, "risk") == [0, 1]
    assert found(store, "RISK") == [0, 1]
    assert found(store, "ris") == []
    assert found(store, "ris", begins=True) == [0, 1, 2]
    assert found(store, "risk limits") == [0]
    assert found(store, "limits risk") == []
    assert found(store, "risk lim", begins=True) == [0]
    assert found(store, "the rates") == [0]
    assert found(store, "desk rates") == [3]
    assert found(store, "desk, rates!") == [3]


def test_words_in_an_expression(store: Store) -> None:
    put(store, "risk limits", "risk", "limits", "unrelated")

    def numbers(text: str) -> list[int]:
        return sorted(int(hit.identity["sha256"], 16) for hit in ask(store, text).hits)

    assert numbers("risk limits") == [0]
    assert numbers("risk or limits") == [0, 1, 2]
    assert numbers("risk not limits") == [1]
    assert numbers("not (risk or limits)") == [3]
    assert numbers('"limits risk"') == []
    assert numbers("lim* ris*") == [0]


@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        ("Größe der Straße", "GRÖSSE"),
        ("Größe der Straße", "strasse"),
        ("ＦＵＬＬ ｗｉｄｔｈ", "full width"),
        ("ﬁnal ﬂow", "final flow"),
        ("Cafe\u0301 nuit", "café"),
        ("東京 データ", "東京"),
        ("Москва", "МОСКВА"),
        ("naïve_Bayes-2.0", "bayes 2"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ],
)
def test_every_script(store: Store, recorded: str, asked: str) -> None:
    put(store, "other", recorded)
    assert found(store, asked) == [1]
    assert found(store, recorded) == [1]


HOSTILE = [
    'a" OR "b', "a NEAR(b)", "a AND NOT b", "words:a", "^a", "a + b", "a* b", "{a b}:c", "-a", "(a", "a)", "'a'",
    "a''b", "$$a$$", "a & b | !c", "a <-> b", "a:*", "a\\",
    "a';DROP TABLE search_texts;--", "a?", "a%s", "%(a)s", "\x00a",
    "a\ud800b", "¶ a", "a\x1eb",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_is_read_as_a_language(store: Store, text: str) -> None:
    """It is found by exactly its words, whatever stands between them; and it finds itself."""
    words = "".join(one if one.isalnum() else " " for one in text.lower()).split()
    put(store, "nothing", " ".join(words), "zzz".join(words) + "zzz")
    assert found(store, text) == [1]
    assert found(store, text, begins=True) in ([1], [1, 2])
    assert found(store, "nothing") == [0]


@pytest.mark.parametrize("text", [one for one in HOSTILE if "\x00" not in one and "\ud800" not in one])
def test_no_text_that_was_recorded_is_read_as_a_language(store: Store, text: str) -> None:
    put(store, "nothing", text)
    node = f"sha256:{1:064x}"
    store.append([], [], [Facet(node=node, key="tag:note", value=text)])
    assert found(store, text) == [1]
    assert found(store, "note") == [1]


@pytest.mark.parametrize("text", ["", "  ", "***", "%_", "-- ''", "¶", "\x1e"])
def test_what_has_no_word_is_refused(store: Store, text: str) -> None:
    put(store, "nothing")
    with pytest.raises(UsageError, match="no word in it"):
        found(store, text)


def test_a_phrase_does_not_go_on_into_the_next_text(store: Store) -> None:
    attrs = {"one": "alpha beta", "two": "gamma", "digest": "before " + "ab" * 32 + " after"}
    node = Node(kind=Kind.DATASET, identity={"sha256": "0" * 64}, name="delta", attrs=attrs)
    store.append([node], [], [Facet(node=node.uid, key="tag:x", value="epsilon")])
    assert found(store, "alpha beta") == [0]
    for text in ("beta gamma", "gamma alpha", "delta alpha", "delta epsilon", "before after"):
        assert found(store, text) == []
        assert ask(store, text).total == 1  # each word by itself is there


def test_a_very_long_text_is_found_to_its_end(store: Store) -> None:
    words = [f"word{place}" for place in range(2000)]
    put(store, "short", " ".join(words), "same " * 2000 + "end", attribute=True)
    for start in (0, 200, 223, 224, 225, 255, 256, 1000, 1968):
        assert found(store, " ".join(words[start : start + 32])) == [1]
    assert found(store, "word1999") == [1]
    assert found(store, "word10 word12") == []
    assert found(store, " ".join(["same"] * 31 + ["end"])) == [2]


def test_a_word_without_an_end(store: Store) -> None:
    put(store, "short", "x" * 5000 + " y")
    assert found(store, "x" * 5000) == [1]
    assert found(store, "xxx", begins=True) == [1]
    assert found(store, "x" * 128 + " y") == [1]  # so many characters count


def test_what_stands_for_something_is_found_by_its_words_but_not_by_its_attributes(store: Store) -> None:
    record(store, "churn", parameters={"opt": "adamw"}, metrics={"sharpe": 1})
    for word in ("adamw", "opt", "sharpe", "momentum", "churn"):
        assert "churn:1" in names(store, word)
    long = {"SOME_VARIABLE": "value of an environment " * 20, "short": "variable"}
    run = Node(kind=Kind.RUN, identity={"run": "1" * 26}, name="fit", attrs={"environment": long, "note": "something"})
    trial = Node(kind=Kind.COLLECTION, type="trial", identity={"trial": "t"}, name="t")
    store.append([run, trial], [Edge(source=run.uid, type=EdgeType.PART_OF, target=trial.uid)])
    assert names(store, "environment") == ["fit"]
    assert names(store, "something") == ["fit"]
    assert sorted(names(store, "fit")) == ["fit", "t"]


def test_a_digest_is_told_to_be_none_of_the_words(store: Store) -> None:
    put(store, "nothing")
    result = ask(store, "ab" * 32)
    assert result.total == 0
    assert result.findings == (f"nothing can match: digests are not in the full text; write id={'ab' * 32}",)
