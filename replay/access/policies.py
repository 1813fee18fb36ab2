"""Policies: Cedar texts, each of one lineage group, and what they say. The only importer of cedarpy.

A policy text is evaluated for what is in its group and for nothing else, so it cannot speak of the resources of another
group, whatever it names; `check` refuses names of others all the same, because they could never mean anything.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import msgspec

from replay.errors import UsageError

if TYPE_CHECKING:
    import cedarpy

ACTIONS = ("read", "use", "replay", "approve", "delete", "share")
"""What can be permitted: ``share`` is changing the group itself and its policy."""
MAX_BYTES = 64 << 10
SCHEMA = """
entity Group, Store, LineageGroup;
entity User in [Group, Store];
entity Entity in [LineageGroup] = {"kind": String, "type": String};
action "read", "use", "replay", "approve", "delete", "share" appliesTo {principal: [User], resource: [Entity]};
"""
_FORM = "see `replay group policy --help` for an example"
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what is decided about."""


class Policy(_Value, frozen=True, kw_only=True):
    """The policy text of a group."""

    group: str
    """The group's name: what the text calls ``LineageGroup::"…"``."""
    text: str


class Principal(_Value, frozen=True, kw_only=True):
    """Who asks a store, and from where."""

    user: str
    groups: tuple[str, ...]
    origin: str
    """The id of the store that was opened."""
    store: str
    """The id of the store that is asked: the same one, or one that is attached to it."""


class Resource(_Value, frozen=True, kw_only=True):
    """All that a policy can know of an entity besides its groups."""

    kind: str
    type: str
    uid: str = ""
    """Only where a policy names entities: so one decision counts for all others of a kind."""


class Decision(_Value, frozen=True, kw_only=True):
    """Whether it may be done, and which policy says so."""

    allowed: bool
    because: str = ""
    """Of a refusal: the policies that forbid it, or that none permits it."""


def check(text: str, group: str, members: Collection[str]) -> None:
    """Check a policy text before it is kept.

    Args:
        text: The Cedar text.
        group: The name of the group that it is for.
        members: The uids of what is in the group, and of the group itself.

    Raises:
        UsageError: It does not parse, does not fit the schema, is too large, or names what is not of this group.
    """
    import cedarpy

    size = len(text.encode())
    if size > MAX_BYTES:
        raise UsageError(f"got a policy text of {size} bytes, expected at most {MAX_BYTES}", hint="use groups of users")
    try:
        tree = cedarpy.policies_to_pst(text)
        ids = list(_parsed(text))
    except ValueError as error:
        raise UsageError(f"the policy text is no Cedar: {error}", hint=_FORM) from error
    if not tree.static_policies and not tree.templates:
        raise UsageError("got a policy text without a policy", hint="`--clear` takes all policies of a group back")
    found = cedarpy.validate_policies(text, _schema())
    issues = [_readable(error, ids) for error in found.errors]
    issues += ["a template (?principal, ?resource): write the names out"] if tree.templates else []
    issues += _foreign(tree, group, members)
    issues += _twice(text)
    if issues:
        known = f"actions: {', '.join(ACTIONS)}; principals: User, Group, Store; resource.kind and resource.type"
        raise UsageError(f"the policy text cannot be used: {'; '.join(issues)}", hint=f"{known}; {_FORM}")


def _readable(error: cedarpy.ValidationError, ids: list[str]) -> str:
    if error.policy_id not in ids:
        return str(error.error)
    message = str(error.error).removeprefix(f"for policy `{error.policy_id}`, ")
    return f"policy {ids.index(error.policy_id) + 1}: {message}"


def _foreign(tree: cedarpy.pst.PolicySet, group: str, members: Collection[str]) -> list[str]:
    from cedarpy import pst

    named = sorted(pst.entity_uids(tree), key=str)
    found = []
    for uid in named:
        if str(uid.type) == "LineageGroup" and uid.id != group:
            found.append(f"it names the group {uid.id!r}, and can only speak of {group!r}")
        if str(uid.type) == "Entity" and uid.id not in members:
            found.append(f"it names {uid.id!r}, which is not in the group {group!r}")
    return found


def _twice(text: str) -> list[str]:
    ids = [plain["annotations"]["id"] for plain in _parsed(text).values() if "id" in plain.get("annotations", {})]
    return [f"two policies are called {name!r}" for name in dict.fromkeys(ids) if ids.count(name) > 1]


def permit(group: str, principal: tuple[str, str], actions: Collection[str]) -> str:
    """The text of a policy that permits these actions to ``principal``: ``User``, ``Group`` or ``Store``, its name."""
    type_, name = principal
    relation = "==" if type_ == "User" else "in"
    listed = ", ".join(f"Action::{quoted(action)}" for action in ACTIONS if action in actions)
    label = f"{type_.lower()} {name}: {', '.join(action for action in ACTIONS if action in actions)}"
    return (
        f"@id({quoted(label)})\npermit (\n  principal {relation} {type_}::{quoted(name)},\n"
        f"  action in [{listed}],\n  resource in LineageGroup::{quoted(group)}\n);\n"
    )


def quoted(text: str) -> str:
    """A string literal of Cedar."""
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else f"\\u{{{ord(c):x}}}") for c in text) + '"'


def forbids(policies: Collection[Policy]) -> bool:
    """Whether any of these policies can take something away, or cannot be read."""
    texts = [_parsed_or_none(policy.text) for policy in policies]
    return any(parsed is None or any(plain["effect"] != "permit" for plain in parsed.values()) for parsed in texts)


def names_of(policies: Collection[Policy]) -> frozenset[str]:
    """The entities that these policies name."""
    import cedarpy
    from cedarpy import pst

    trees = [cedarpy.policies_to_pst(policy.text) for policy in policies if _parsed_or_none(policy.text) is not None]
    return frozenset(uid.id for tree in trees for uid in pst.entity_uids(tree) if str(uid.type) == "Entity")


@functools.lru_cache(maxsize=4096)
def decide(policies: tuple[Policy, ...], principal: Principal, action: str, resource: Resource) -> Decision:
    """What the policies of the groups of an entity say.

    Who opened the store that is asked may do everything, unless a policy forbids it; everybody else needs a permit.
    A policy that cannot be read or evaluated forbids: a refusal can be undone, a look cannot.
    """
    import cedarpy

    unread = [policy for policy in policies if _parsed_or_none(policy.text) is None]
    if unread:
        because = "; ".join(f"the policy of group {policy.group!r} is no Cedar" for policy in unread)
        return Decision(allowed=False, because=because)
    rules, labels = _rules(policies, principal.store)
    user, entity = {"type": "User", "id": principal.user}, {"type": "Entity", "id": resource.uid}
    member_of = [{"type": "Group", "id": name} for name in principal.groups]
    entities = [
        {"uid": user, "attrs": {}, "parents": [*member_of, {"type": "Store", "id": principal.origin}]},
        {
            "uid": entity,
            "attrs": {"kind": resource.kind, "type": resource.type},
            "parents": [{"type": "LineageGroup", "id": policy.group} for policy in policies],
        },
    ]
    request = {"principal": user, "action": {"type": "Action", "id": action}, "resource": entity}
    found = cedarpy.is_authorized(request, rules, entities)
    if found.diagnostics.errors:
        return Decision(allowed=False, because=_unevaluated(found.diagnostics.errors, labels))
    if found.allowed:
        return Decision(allowed=True)
    forbidding = sorted(labels[id_] for id_ in found.diagnostics.reasons)
    return Decision(allowed=False, because=" and ".join(forbidding) or _nobody(policies))


def _unevaluated(errors: Collection[str], labels: dict[str, str]) -> str:
    plain = [re.sub(r"error while evaluating policy `([\d.]+)`", lambda m: labels[m[1]], error) for error in errors]
    return f"a policy cannot be evaluated, {'; '.join(sorted(plain))}"


def _nobody(policies: Collection[Policy]) -> str:
    if not policies:
        return "it is in no group whose policy permits it"
    return f"no policy of {' or '.join(f'group {policy.group!r}' for policy in policies)} permits it"


@functools.lru_cache(maxsize=256)
def _rules(policies: tuple[Policy, ...], store: str) -> tuple[cedarpy.PolicySet, dict[str, str]]:
    """All policies that count for one set of groups, and what each is called."""
    import cedarpy

    static: dict[str, Any] = {"base": _base(store)}
    labels = {"base": "the base rule"}
    for number, policy in enumerate(policies):
        for position, plain in enumerate(_parsed(policy.text).values(), start=1):
            id_, name = f"{number}.{position}", plain.get("annotations", {}).get("id")
            static[id_] = plain
            labels[id_] = f"policy {repr(name) if name else position} of group {policy.group!r}"
    rules = {"templates": {}, "staticPolicies": static, "templateLinks": []}
    return cedarpy.PolicySet.from_json_str(json.dumps(rules)), labels


def _base(store: str) -> dict[str, Any]:
    """Who opened the store itself may do everything."""
    owner = {"op": "in", "entity": {"type": "Store", "id": store}}
    everything = {"op": "All"}
    return {"effect": "permit", "principal": owner, "action": everything, "resource": everything, "conditions": []}


@functools.lru_cache(maxsize=256)
def _parsed(text: str) -> dict[str, dict[str, Any]]:
    """The policies of a text as Cedar's JSON, in their order.

    Raises:
        ValueError: It is no Cedar.
    """
    import cedarpy

    static: dict[str, dict[str, Any]] = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    return dict(sorted(static.items(), key=lambda item: int(item[0].removeprefix("policy"))))


def _parsed_or_none(text: str) -> dict[str, dict[str, Any]] | None:
    try:
        return _parsed(text)
    except ValueError:  # written by something else than `check` lets through
        return None


@functools.lru_cache(maxsize=1)
def _schema() -> cedarpy.Schema:
    import cedarpy

    return cedarpy.Schema.from_str(SCHEMA)
