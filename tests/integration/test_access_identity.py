"""Who asks a store: the operating system's user, or who a signed token names; and who says which."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests_support.keys import Signer
from tests_support.stores import DATA, build, uid

from replay.access import current, ground_of, is_open
from replay.access.asking import system_user
from replay.access.groups import Groups
from replay.access.rules import IdentityRule, recorded_rule, set_rule
from replay.ask import ask
from replay.config import AccessSettings
from replay.errors import PolicyError, StoreCorruptError, UsageError
from replay.lineage import Facet, Kind
from replay.progress import Silent
from replay.query import Query
from replay.session import Session
from replay.store.database import Store
from replay.store.owners import is_owner
from replay.store.shares import IDENTITY
from replay.uid import uid_of


@pytest.fixture
def signer() -> Signer:
    return Signer()


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REPLAY_TOKEN", "REPLAY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_the_user_is_the_process_s_own_whatever_the_environment_says(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pwd

    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    asker = current(store)
    assert asker.user == pwd.getpwuid(os.geteuid()).pw_name
    assert asker.basis == "the operating system"
    monkeypatch.setattr("os.geteuid", lambda: 4_000_000)
    monkeypatch.setattr("os.getgroups", lambda: [4_000_001])
    assert current(store).user == "#4000000"
    assert "#4000001" in current(store).groups


def test_a_store_insists_whatever_the_asker_s_conf_says(
    store: Store, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert current(store) == system_user()
    set_rule(store, IdentityRule(identity="token", keys=(signer.pem,), issuer="idp"), system_user(), "audit 12")
    assert not is_open(store)
    with pytest.raises(PolicyError, match="a signed token is wanted here") as caught:
        current(store, AccessSettings(identity="os"))
    assert "REPLAY_TOKEN" in str(caught.value.hint)
    with pytest.raises(PolicyError):
        ground_of(store)
    monkeypatch.setenv("REPLAY_TOKEN", signer.token("ann", "risk", iss="idp"))
    asker = current(store, AccessSettings(identity="os"))
    assert (asker.user, asker.groups, asker.basis) == ("ann", ("risk",), "a token of idp")
    set_rule(store, None, system_user())
    assert current(store) == system_user()
    action = next(
        n for _, n in store.neighbours(uid_of({"store": store.id}), direction="down") if n.kind is Kind.ACTION
    )
    assert (action.type, action.attrs) == ("identify", {"reason": "audit 12"})


def test_a_refused_token_is_journalled_and_never_told(
    store: Store, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_rule(store, IdentityRule(identity="token", keys=(signer.pem,)), system_user())
    token = Signer().token("ann")
    monkeypatch.setenv("REPLAY_TOKEN", token)
    with pytest.raises(PolicyError, match="the token is refused"):
        current(store)
    last = store.journal.records()[-1]
    assert (last.action, last.fields["refused"], last.fields["by"]) == ("refused", "identify", system_user().user)
    journal = store.journal.path.read_text()
    assert not any(part in journal for part in token.split("."))


def test_conf_says_how_askers_are_known_where_the_store_does_not(
    store: Store, signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key.pem").write_text(signer.pem)
    settings = AccessSettings(identity="token", keys=(str(tmp_path / "key.pem"),))
    assert not is_open(store, settings)
    with pytest.raises(PolicyError, match="a signed token is wanted"):
        current(store, settings)
    (tmp_path / "token").write_text(signer.token("ann") + "\n")
    monkeypatch.setenv("REPLAY_TOKEN_FILE", str(tmp_path / "token"))
    assert current(store, settings).user == "ann"


def test_policies_speak_of_who_the_token_names(store: Store, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    store.register("momentum", build)
    groups = Groups(store, system_user())
    groups.create("desk")
    groups.add("desk", [DATA.uid])
    sly = 'bob" || principal == User::"ann'
    groups.set_policy("desk", 'forbid (principal, action, resource) unless { principal == User::"ann" };')
    set_rule(store, IdentityRule(identity="token", keys=(signer.pem,)), system_user())
    for user, hidden in (("ann", 0), ("bob", 1), (sly, 1)):
        monkeypatch.setenv("REPLAY_TOKEN", signer.token(user))
        assert ask(Query(start=(uid(store, "momentum:1"),)), ground_of(store)).hidden == hidden


def test_only_the_owner_of_the_database_makes_the_rule(
    store: Store, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = IdentityRule(identity="token", keys=(signer.pem,))
    monkeypatch.setattr("replay.access.rules.is_owner", lambda database: False)
    with pytest.raises(PolicyError, match="is a rule of the owner"):
        set_rule(store, rule, system_user())
    assert recorded_rule(store) is None


def test_a_role_that_may_only_add_rows_is_not_the_owner(postgres_store: Store) -> None:
    """And may not change what it is forbidden to share."""
    import psycopg
    from psycopg import sql

    url, role = postgres_store.database.url, f"clerk_{os.getpid()}"  # type: ignore[attr-defined]
    groups = Groups(postgres_store, system_user())
    groups.create("desk")
    groups.set_policy("desk", "forbid (principal, action, resource);")
    name = sql.Identifier(role)
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        try:
            admin.execute(sql.SQL("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {}").format(name))
            with Store.open(postgres_store.root, url=url.replace("replay@", f"{role}@")) as clerk:
                with clerk.reading() as database:
                    assert not is_owner(database)
                with pytest.raises(PolicyError, match="may not share collection desk"):
                    Groups(clerk, system_user()).set_policy("desk", None)
                with pytest.raises(PolicyError, match="is a rule of the owner"):
                    set_rule(clerk, IdentityRule(), system_user())
                Groups(clerk, system_user()).create("other")
        finally:
            admin.execute(sql.SQL("DROP OWNED BY {}; DROP ROLE {}").format(name, name))
    assert [group.name for group in groups.all()] == ["other"]
    groups.set_policy("desk", None)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"keys": ()}, "got no key"),
        ({"keys": ("no key",)}, "cannot be read"),
        ({"issuer": " x"}, "issuer: got the name"),
        ({"audience": ""}, "audience: got the name"),
    ],
)
def test_a_rule_that_nobody_could_meet_is_refused(
    store: Store, signer: Signer, changed: dict[str, object], expected: str
) -> None:
    rule = IdentityRule(**({"identity": "token", "keys": (signer.pem,)} | changed))  # type: ignore[arg-type]
    with pytest.raises(UsageError) as caught:
        set_rule(store, rule, system_user())
    assert expected in str(caught.value)


def test_a_rule_that_cannot_be_read_lets_nobody_in(store: Store, signer: Signer) -> None:
    set_rule(store, IdentityRule(identity="token", keys=(signer.pem,)), system_user())
    node = uid_of({"store": store.id})
    store.append([], facets=[Facet(node=node, key=IDENTITY, value={"identity": "face"})])
    with pytest.raises(StoreCorruptError, match="its rule of identity cannot be read"):
        current(store)
    set_rule(store, None, system_user())
    assert current(store) == system_user()


def test_a_session_asks_as_conf_says(
    tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch, sqlite_store: Store
) -> None:
    (tmp_path / "key.pem").write_text(signer.pem)
    wanted = ("access=token", f"access.keys=[{tmp_path}/key.pem]")
    for _ in range(2):  # composed, and then kept
        with (
            Session.open(tmp_path, overrides=wanted, progress=Silent(), create=False) as session,
            pytest.raises(PolicyError, match="a signed token is wanted"),
        ):
            session.require("read", [])
    monkeypatch.setenv("REPLAY_TOKEN", signer.token("ann"))
    with Session.open(tmp_path, overrides=wanted, progress=Silent(), create=False) as session:
        assert session.asker.user == "ann"
        session.require("read", [])
    with Session.open(tmp_path, overrides=(), progress=Silent(), create=False) as session:
        assert session.asker == system_user()
