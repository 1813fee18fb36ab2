"""What policy texts may hold, and what they decide."""

from __future__ import annotations

import cedarpy
import pytest
from cedarpy import pst

from replay.access import policies
from replay.access.policies import Policy, Principal, Resource, check, decide, permit, quoted
from replay.errors import UsageError

HERE, THERE = "01J00000000000000000000HERE", "01J0000000000000000000THERE"
DATASET = Resource(kind="dataset", type="")
ODD = 'a"b\\ \n\r\t\0\x7f\u202eé😀 \'"); permit (principal, action, resource); //'
"""A name that would end its literal, the policy and the line, if anything let it."""


def direct(user: str = "ann", *groups: str) -> Principal:
    return Principal(user=user, groups=groups, origin=HERE, store=HERE)


def foreign(user: str = "ann", *groups: str) -> Principal:
    return Principal(user=user, groups=groups, origin=THERE, store=HERE)


def allowed(text: str, principal: Principal, action: str = "read", resource: Resource = DATASET) -> bool:
    return decide((Policy(group="desk", text=text),), principal, action, resource).allowed


@pytest.mark.parametrize(
    ("text", "principal", "action", "resource", "expected"),
    [
        # Who opened the store may do everything that no policy forbids.
        ("permit (principal == User::\"bob\", action, resource);", direct(), "delete", DATASET, True),
        ("forbid (principal, action, resource);", direct(), "read", DATASET, False),
        ("forbid (principal == User::\"bob\", action, resource);", direct(), "read", DATASET, True),
        ("forbid (principal == User::\"bob\", action, resource);", direct("bob"), "read", DATASET, False),
        ("forbid (principal, action == Action::\"use\", resource);", direct(), "use", DATASET, False),
        ("forbid (principal, action == Action::\"use\", resource);", direct(), "read", DATASET, True),
        ('forbid (principal, action, resource) unless { principal in Group::"risk" };',
         direct(), "read", DATASET, False),
        ('forbid (principal, action, resource) unless { principal in Group::"risk" };',
         direct("ann", "risk"), "read", DATASET, True),
        # Somebody from another store needs a permit, and a forbid goes before it.
        ("permit (principal, action == Action::\"read\", resource);", foreign(), "read", DATASET, True),
        ("permit (principal, action == Action::\"read\", resource);", foreign(), "use", DATASET, False),
        ("permit (principal, action, resource); forbid (principal, action, resource);",
         foreign(), "read", DATASET, False),
        (f'permit (principal in Store::"{THERE}", action, resource);', foreign(), "approve", DATASET, True),
        (f'permit (principal in Store::"{HERE}", action, resource);', foreign(), "approve", DATASET, False),
        ('permit (principal in Group::"quants", action, resource);', foreign(), "read", DATASET, False),
        ('permit (principal in Group::"quants", action, resource);', foreign("ann", "quants"), "read", DATASET, True),
        # Kind, type and group are all that can be known of a resource.
        ('permit (principal, action, resource) when { resource.kind == "dataset" };', foreign(), "read", DATASET, True),
        ('permit (principal, action, resource) when { resource.kind == "dataset" };',
         foreign(), "read", Resource(kind="run", type=""), False),
        ('permit (principal, action, resource) when { resource.type == "trial" };',
         foreign(), "read", Resource(kind="collection", type="trial"), True),
        ('permit (principal, action, resource in LineageGroup::"desk");', foreign(), "read", DATASET, True),
        ('permit (principal, action, resource in LineageGroup::"other");', foreign(), "read", DATASET, False),
        ('permit (principal, action, resource == Entity::"x");', foreign(), "read", DATASET, False),
        ('permit (principal, action, resource == Entity::"x");',
         foreign(), "read", Resource(kind="dataset", type="", uid="x"), True),
    ],
)  # fmt: skip
def test_what_a_policy_decides(
    text: str, principal: Principal, action: str, resource: Resource, expected: bool
) -> None:
    assert allowed(text, principal, action, resource) is expected


def test_without_a_group_only_the_store_itself_counts() -> None:
    assert decide((), direct(), "delete", DATASET).allowed
    assert decide((), foreign(), "read", DATASET).because == "it is in no group whose policy permits it"


def test_a_forbid_of_one_group_goes_before_the_permit_of_another() -> None:
    one = Policy(group="one", text="permit (principal, action, resource);")
    other = Policy(group="other", text='@id("embargo") forbid (principal, action, resource);')
    assert decide((one,), foreign(), "read", DATASET).allowed
    found = decide((one, other), foreign(), "read", DATASET)
    assert (found.allowed, found.because) == (False, "policy 'embargo' of group 'other'")


def test_a_refusal_names_the_policy_by_its_id_or_its_place() -> None:
    text = "permit (principal, action, resource);\n" * 11 + "forbid (principal, action, resource);"
    assert decide((Policy(group="g", text=text),), direct(), "read", DATASET).because == "policy 12 of group 'g'"
    nobody = decide((Policy(group="g", text='permit (principal == User::"z", action, resource);'),), foreign(), "read",
                    DATASET)  # fmt: skip
    assert nobody.because == "no policy of group 'g' permits it"


def test_what_cannot_be_read_or_evaluated_forbids() -> None:
    broken = decide((Policy(group="g", text="permit ("),), direct(), "read", DATASET)
    assert (broken.allowed, broken.because) == (False, "the policy of group 'g' is no Cedar")
    assert policies.forbids([Policy(group="g", text="permit (")])
    overflow = "forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };"
    found = decide((Policy(group="g", text=overflow),), direct(), "read", DATASET)
    assert not found.allowed
    assert "cannot be evaluated, policy 1 of group 'g': integer overflow" in found.because


def test_names_are_never_read_as_cedar() -> None:
    """A user, a group, a store and a lineage group of any name are just that name."""
    text = "permit (principal, action, resource);"
    assert decide((Policy(group=ODD, text=text),), foreign(ODD, ODD), "read", DATASET).allowed
    sly = 'bob" || true || principal == User::"'
    assert not allowed('permit (principal == User::"bob", action, resource);', foreign(sly))
    assert not allowed('permit (principal == User::"bob", action, resource);', foreign("ann", 'bob"'))


@pytest.mark.parametrize("name", ["bob", ODD, "", "\\u{41}", "ö\u2028", "'"])
def test_a_permit_that_is_written_permits_just_that_name(name: str) -> None:
    text = permit(name, ("User", name), ["use", "read"])
    (written,) = cedarpy.policies_to_pst(text).static_policies.values()
    assert isinstance(written.principal, pst.ScopeEq)
    assert written.principal.entity == pst.EntityUid(pst.EntityType("User"), name)
    assert isinstance(written.resource, pst.ScopeIn)
    assert written.resource.entity == pst.EntityUid(pst.EntityType("LineageGroup"), name)
    check(text, name, [])
    policy = (Policy(group=name, text=text),)
    assert decide(policy, foreign(name), "read", DATASET).allowed
    assert not decide(policy, foreign(name + "x"), "read", DATASET).allowed
    assert not decide(policy, foreign(name), "replay", DATASET).allowed


def test_quoting_keeps_every_character() -> None:
    every = "".join(map(chr, [*range(0x300), 0x2028, 0xFFFD, 0x1F600]))
    text = f"permit (principal == User::{quoted(every)}, action, resource);"
    (found,) = pst.entity_uids(cedarpy.policies_to_pst(text))
    assert found.id == every


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "without a policy"),
        ("// nothing", "without a policy"),
        ("permit (", "is no Cedar: unexpected end of input"),
        ("let everybody in", "is no Cedar"),
        ("permit (principal, action, resource);\0", "is no Cedar"),
        (f"permit (principal, action, resource) when {{ {'!' * 200}true }};", "is no Cedar"),
        ("permit (principal, action, resource);\n" * 3000, "expected at most 65536"),
        ('permit (principal, action == Action::"fly", resource);', 'unrecognized action `Action::"fly"`'),
        ("permit (principal, action, resource); permit (principal, action, resource) when { resource.owner == 1 };",
         "policy 2: attribute `owner`"),
        ('permit (principal in Team::"x", action, resource);', "unrecognized entity type `Team`"),
        ("permit (principal, action, resource) when { context.ip == 1 };", "attribute `ip` in context"),
        ("permit (principal == ?principal, action, resource);", "a template"),
        ('permit (principal, action, resource in LineageGroup::"other");',
         "it names the group 'other', and can only speak of 'desk'"),
        ('forbid (principal, action, resource) when { resource == Entity::"sha256:ab" };',
         "it names 'sha256:ab', which is not in the group 'desk'"),
        ('@id("a") permit (principal, action, resource); @id("a") forbid (principal, action, resource);',
         "two policies are called 'a'"),
    ],
)  # fmt: skip
def test_a_text_that_cannot_be_used_is_refused_with_the_reason(text: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(text, "desk", ["sha256:cd"])
    assert expected in str(caught.value)
    assert caught.value.hint


def test_a_text_may_name_its_own_group_and_members() -> None:
    check('permit (principal, action, resource in LineageGroup::"desk");', "desk", [])
    check('permit (principal, action, resource == Entity::"sha256:cd");', "desk", ["sha256:cd"])
    named = policies.names_of([Policy(group="desk", text='forbid (principal, action, resource == Entity::"e");'),
                               Policy(group="bad", text="permit (")])  # fmt: skip
    assert named == {"e"}
