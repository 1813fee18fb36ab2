"""``replay group``, ``replay store attach`` and ``replay store identity``, as two teams use them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests_support import recordings
from tests_support.keys import Signer
from tests_support.project import Project, Ran
from tests_support.recipes import a_recipe

from replay import recipe_file
from replay.access.asking import system_user
from replay.lineage import Edge, EdgeType, Kind, Node
from replay.store.database import Store

ME = system_user().user
RUN = "run:01J9Z3N4K5M6P7Q8R9S0T1V2W3"


class Teams:
    """Two repositories with a store each: ours asks, theirs has recorded ``momentum:1``."""

    def __init__(self, root: Path) -> None:
        self.theirs, self.ours = Project(root / "theirs"), Project(root / "ours")
        with Store.open(self.theirs.root / ".replay", create=True) as store:
            self.version = recordings.register(store)
            nodes = store.closure(self.version).nodes.values()
            self.model = next(node for node in nodes if node.kind is Kind.MODEL)
            self.data = next(node for node in nodes if node.kind is Kind.DATASET)
            self.their_id = store.id
        with Store.open(self.ours.root / ".replay", create=True) as store:
            run = Node(kind=Kind.RUN, identity={"run": RUN.removeprefix("run:")}, name="score")
            edge = Edge(source=RUN, type=EdgeType.USED, target=self.model.uid, role="input:model")
            store.append([run, self.model], [edge])
            self.our_id = store.id

    def journal(self, project: Project) -> list[dict[str, Any]]:
        path = project.root / ".replay" / "journal.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def teams(tmp_path: Path) -> Iterator[Teams]:
    made = Teams(tmp_path)
    yield made
    for project in (made.theirs, made.ours):
        project.remove()


def ok(done: Ran, code: int = 0) -> Ran:
    assert done.code == code, f"got exit code {done.code}, expected {code}:\n{done.stdout}\n{done.stderr}"
    return done


def lineage(teams: Teams, *more: str, code: int) -> dict[str, Any]:
    return dict(ok(teams.ours.replay("lineage", RUN, "--json", *more), code).json())


def test_one_team_shares_and_the_other_one_asks(teams: Teams) -> None:
    theirs, ours = teams.theirs, teams.ours
    done = ok(ours.replay("store", "attach", "theirs", str(theirs.root)))
    assert teams.their_id in done.stdout
    before = lineage(teams, code=1)
    assert (before["found"], before["hidden"]) == ([teams.model.uid], 2)

    assert "made the group desk" in ok(theirs.replay("group", "create", "desk", "--reason", "for ours")).stdout
    added = ok(theirs.replay("group", "add", "desk", "momentum:1", "--upstream")).stdout
    assert "entities came to the group desk" in added
    shared = ok(theirs.replay("group", "share", "desk", "--with", f"store:{teams.our_id}", "--may", "read, use"))
    assert f"store:{teams.our_id} may read, use what is in desk" in shared.stdout

    after = lineage(teams, code=0)
    assert {teams.model.uid, teams.data.uid} <= set(after["found"])
    assert after["nodes"][teams.data.uid]["stores"] == ["theirs"]
    assert lineage(teams, "--up", "--edges", code=0)["edges"]
    tree = ok(ours.replay("lineage", RUN, "--tree")).stdout
    assert teams.data.name in tree
    assert "momentum" in ok(ours.replay("lineage", "momentum:1", "--table")).stdout

    for how in ("facet:policy exists", "desk", teams.our_id):
        assert ok(ours.replay("search", "-q", how, "--json")).json()["hits"] == [], "how they share is their own affair"

    rows = ok(ours.replay("store", "attached", "--json")).json()["stores"]
    assert rows == [{"name": "theirs", "place": f"{theirs.root}/.replay", "store": teams.their_id, "problem": None}]
    assert "detached theirs" in ok(ours.replay("store", "detach", "theirs")).stdout
    assert set(lineage(teams, code=0)["found"]) == {teams.model.uid}
    assert [line["action"] for line in teams.journal(ours)] == ["attach", "detach"]
    assert [line["action"] for line in teams.journal(theirs)] == ["group create", "group add", "group share"]


def test_a_group_is_shown_with_what_its_policy_cannot_do(teams: Teams) -> None:
    theirs = teams.theirs
    ok(theirs.replay("group", "create", "desk"))
    ok(theirs.replay("group", "add", "desk", "momentum:1", "--upstream"))
    ok(theirs.replay("group", "share", "desk", "--with", 'user:o\'neil "x"', "--with", "group:risk", "--may", "read"))
    shown = ok(theirs.replay("group", "show", "desk")).stdout
    assert "momentum:1" in shown
    assert 'principal == User::"o\'neil \\"x\\""' in shown
    assert "is not bound by them" in shown
    plain = ok(theirs.replay("group", "show", "desk", "--json")).json()
    assert plain["group"]["members"] == len(plain["members"])
    assert "not bound" in plain["note"]
    (row,) = ok(theirs.replay("group", "list", "--json")).json()["groups"]
    assert (row["name"], row["versions"], row["by"]) == ("desk", 1, ME)
    assert "desk" in ok(theirs.replay("group", "list")).stdout

    text = ok(theirs.replay("group", "policy", "desk")).stdout
    (theirs.root / "policy.cedar").write_text(text + 'forbid (principal == User::"eve", action, resource);\n')
    ok(theirs.replay("group", "policy", "desk", "policy.cedar", "--reason", "eve left"))
    ok(theirs.replay("group", "policy", "desk", "--clear"))
    versions = ok(theirs.replay("group", "policy", "desk", "--history", "--json")).json()["versions"]
    assert [version["text"] is None for version in versions] == [False, False, True]
    told = ok(theirs.replay("group", "policy", "desk", "--history")).stdout
    assert "// version 2" in told
    assert "eve" in told
    assert ok(theirs.replay("group", "policy", "desk")).stdout == ""
    assert "1 entity left" in ok(theirs.replay("group", "remove", "desk", "momentum:1")).stdout


COMMANDS = (
    ("lineage", "{}"),
    ("lineage", "{}", "--json"),
    ("lineage", "{}", "--down", "--edges", "--table"),
    ("show", "{}"),
    ("show", "{}", "--page", "--json"),
    ("run", "{}"),
    ("run", "{}", "--plan"),
    ("diff", "{}", "{}"),
    ("impact", "{}"),
    ("search", "-q", 'name="{}"', "--json"),
    ("search", "-q", 'id="{}"', "--table"),
)


@pytest.mark.parametrize("words", COMMANDS, ids=[" ".join(words) for words in COMMANDS])
def test_without_a_share_nothing_tells_that_something_is_there(teams: Teams, words: tuple[str, ...]) -> None:
    """Exit code, stdout and stderr, byte for byte, for a thing that the other team has and for one that nobody has."""
    ok(teams.ours.replay("store", "attach", "theirs", str(teams.theirs.root)))
    before = teams.journal(teams.ours)
    pairs = [("momentum:1", "momentun:1"), (teams.data.uid, "sha256:" + "9" * 64)]
    if words[0] == "lineage":
        pairs += [(teams.data.uid[7:21], "9" * 14), ("momentum", "momentun")]
    for there, nowhere in pairs:
        one, other = (teams.ours.replay(*(word.format(text) for word in words)) for text in (there, nowhere))
        assert one.code == other.code
        assert one.code != 0 or words[0] == "search"  # which finds nothing
        assert one.stdout == other.stdout.replace(nowhere, there)
        assert one.stderr == other.stderr.replace(nowhere, there)
    assert teams.journal(teams.ours) == before


def test_a_model_of_an_attached_store_is_replayed_where_it_was_recorded(teams: Teams) -> None:
    ok(teams.ours.replay("store", "attach", "theirs", str(teams.theirs.root)))
    ok(teams.theirs.replay("group", "create", "desk"))
    ok(teams.theirs.replay("group", "add", "desk", "momentum:1"))
    ok(teams.theirs.replay("group", "share", "desk", "--with", f"store:{teams.our_id}", "--may", "read,replay"))
    for words in (["run", "momentum:1"], ["momentum:1"], ["diff", "momentum:1", "momentum:1"]):
        done = ok(teams.ours.replay(*words), 2)
        assert "momentum:1: is recorded in the attached store theirs, and not in this one" in done.stderr
        assert "replayed where it was recorded" in done.stderr


def forbid(teams: Teams, what: str, *ids: str) -> None:
    theirs = teams.theirs
    ok(theirs.replay("group", "create", "closed"))
    ok(theirs.replay("group", "add", "closed", *ids))
    text = f'@id("embargo 7") forbid (principal, action == Action::"{what}", resource);'
    (theirs.root / "policy.cedar").write_text(text)
    ok(theirs.replay("group", "policy", "closed", "policy.cedar"))


def test_what_a_policy_forbids_to_replay_is_not_replayed_under_any_name(teams: Teams) -> None:
    forbid(teams, "replay", "momentum:1", teams.data.uid)
    done = ok(teams.theirs.replay("run", "momentum:1"), 6)
    assert f"{ME} may not replay" in done.stderr
    assert "policy 'embargo 7' of group 'closed'" in done.stderr
    ok(teams.theirs.replay("show", "momentum:1", "--json"))
    renamed = msgspec.structs.replace(a_recipe(), name="other", version=7)
    (teams.theirs.root / "renamed.json").write_bytes(recipe_file.encode(renamed))
    assert "embargo 7" in ok(teams.theirs.replay("run", "--recipe", "renamed.json"), 6).stderr
    last = teams.journal(teams.theirs)[-1]
    assert (last["action"], last["fields"]["refused"], last["fields"]["by"]) == ("refused", "replay", ME)


def test_what_a_policy_forbids_to_read_is_refused_openly_in_one_s_own_store(teams: Teams) -> None:
    forbid(teams, "read", "momentum:1")
    for words in (
        ["run", "momentum:1"],
        ["show", "momentum:1"],
        ["impact", "momentum:1"],
        ["diff", "momentum:1", "momentum:1"],
        ["lineage", "momentum:1"],
        ["lineage", "momentum:1", "--json"],
        ["lineage", teams.version],
    ):
        done = ok(teams.theirs.replay(*words), 6)
        assert "may not read model version momentum:1" in done.stderr
        assert "policy 'embargo 7' of group 'closed'" in done.stderr
        assert done.stdout == ""
    down = ok(teams.theirs.replay("lineage", teams.data.uid, "--down", "--json"), 1).json()
    assert (down["hidden"], teams.version in down["found"]) == (1, False)


def test_an_attached_store_that_is_lost_is_named(teams: Teams) -> None:
    ok(teams.ours.replay("store", "attach", "theirs", str(teams.theirs.root)))
    (teams.theirs.root / ".replay").rename(teams.theirs.root / "moved")
    answer = lineage(teams, code=1)
    assert answer["truncated_by"] == ["store theirs"]
    done = ok(teams.ours.replay("lineage", RUN, "--table"), 1)
    assert "the attached store theirs was not asked" in done.stdout + done.stderr
    assert "was not asked" in ok(teams.ours.replay("lineage", "momentum:1"), 3).stderr
    assert "is no folder" in ok(teams.ours.replay("store", "attached")).stdout
    assert ok(teams.ours.replay("store", "detach", "theirs")).code == 0


def test_a_store_that_wants_a_token(teams: Teams) -> None:
    theirs, signer = teams.theirs, Signer()
    (theirs.root / "key.pem").write_text(signer.pem)
    done = ok(theirs.replay("store", "identity", "token", "--key", "key.pem", "--issuer", "idp", "--reason", "audit"))
    assert "identity: token, as the store says" in done.stdout
    refused = ok(theirs.replay("lineage", "momentum:1", "--json"), 6)
    assert "a signed token is wanted here" in refused.stderr
    good, bad, late = signer.token("ann", iss="idp"), Signer().token("ann", iss="idp"), signer.token(exp=1, iss="idp")
    ok(theirs.replay("lineage", "momentum:1", "--json", variables={"REPLAY_TOKEN": good}))
    (theirs.root / "token").write_text(good)
    ok(theirs.replay("group", "create", "desk", variables={"REPLAY_TOKEN_FILE": "token"}))
    groups = ok(theirs.replay("group", "list", "--json", variables={"REPLAY_TOKEN": good})).json()["groups"]
    assert [group["by"] for group in groups] == ["ann"]
    for token, expected in ((bad, "its signature is that of none"), (late, "it expired 1970"), ("x", "it is no JWT")):
        done = ok(theirs.replay("lineage", "momentum:1", variables={"REPLAY_TOKEN": token}), 6)
        assert expected in done.stderr
        assert token == "x" or token not in done.stdout + done.stderr
    assert all(token not in str(teams.journal(theirs)) for token in (good, bad, late))
    ok(theirs.replay("store", "identity", "conf"))  # no token: it is the owner's to say
    ok(theirs.replay("lineage", "momentum:1", "--json"))
    plain = ok(theirs.replay("store", "identity", "--json")).json()
    assert (plain["store"], plain["recorded"], plain["rule"]["identity"]) == (teams.their_id, False, "os")


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["group", "create", "a\nb"], 2, "control character"),
        (["group", "create", " "], 2, "got the name ' '"),
        (["group", "create", "desk"], 2, "there is a group 'desk' already"),
        (["group", "add", "dusk", "momentum:1"], 2, "did you mean desk?"),
        (["group", "add", "desk", "momentum:9"], 2, "momentum:9: no such model version"),
        (["group", "share", "desk", "--with", "bob", "--may", "read"], 2, "expected user:NAME, group:NAME or store:ID"),
        (["group", "share", "desk", "--with", "role:x", "--may", "read"], 2, "got 'role:x'"),
        (["group", "share", "desk", "--with", "store:x", "--may", "read"], 2, "expected its id or the name"),
        (["group", "share", "desk", "--with", "user:bob", "--may", "fly"], 2, "expected some of read, use"),
        (["group", "share", "desk", "--with", "user:bob", "--may", ","], 2, "got the actions none"),
        (["group", "policy", "desk", "nowhere.cedar"], 2, "nowhere.cedar: No such file"),
        (["group", "policy", "desk", "bad.cedar"], 2, "the policy text is no Cedar"),
        (["group", "policy", "desk", "binary.cedar"], 2, "is no text in UTF-8"),
        (["group", "policy", "desk", "empty.cedar"], 2, "`--clear` takes all policies"),
        (["group", "policy", "desk", "bad.cedar", "--clear"], 2, "expected at most one of"),
        (["group", "remove", "desk", "momentum:1"], 2, "is not in the group 'desk'"),
        (["group", "show", "dusk"], 2, "there is no group 'dusk'"),
        (["store", "attach", "Bad", "."], 2, "got the name 'Bad'"),
        (["store", "attach", "me", "."], 2, "is this store itself"),
        (["store", "attach", "x", "nowhere"], 4, "nowhere: is no folder"),
        (["store", "attach", "x", "postgresql://u:hush@h/d"], 2, "an address with a password in it"),
        (["store", "detach", "x"], 2, "no store is attached as 'x'"),
        (["store", "identity", "token"], 2, "at least one --key FILE"),
        (["store", "identity", "token", "--key", "bad.cedar"], 2, "a key that cannot be read"),
        (["store", "identity", "token", "--key", "nowhere"], 2, "--key: nowhere: No such file"),
        (["store", "identity", "os", "--key", "bad.cedar"], 2, "--key belongs to `identity token`"),
        (["lineage", "momentum:1", "-o", "access=token"], 2, "access.keys: got none"),
        (["lineage", "momentum:1", "-o", "access.identity=face"], 2, "access.identity"),
    ],
)  # fmt: skip
def test_wrong_words_are_answered_with_what_would_be_right(
    words: list[str], code: int, expected: str, teams: Teams
) -> None:
    theirs = teams.theirs
    ok(theirs.replay("group", "create", "desk"))
    for name, content in (("bad", b"permit ("), ("binary", b"\xff\xfe"), ("empty", b"")):
        (theirs.root / f"{name}.cedar").write_bytes(content)
    done = ok(theirs.replay(*words), code)
    assert expected in done.stderr
    assert "hush" not in done.stderr + done.stdout
    assert done.stdout == ""


@pytest.mark.docker
def test_an_input_that_may_not_be_used_is_not_recorded(project: Project) -> None:
    project.write({"data.csv": "1\n", "policy.cedar": 'forbid (principal, action == Action::"use", resource);'})
    project.commit("Data")
    words = ("--model", "copy", "-i", "data.csv", "-o", "out.txt", "--", "cp", "data.csv", "out.txt")
    project.record(*words)
    ok(project.replay("group", "create", "closed"))
    ok(project.replay("group", "add", "closed", "data.csv"))
    ok(project.replay("group", "policy", "closed", "policy.cedar"))
    done = project.record(*words, code=6)
    assert "may not use dataset data.csv" in done.stderr
    assert "policy 1 of group 'closed'" in done.stderr
    assert len(ok(project.replay("models", "--json")).json()["models"]) == 1
    ok(project.replay("group", "policy", "closed", "--clear"))
    project.record(*words)
