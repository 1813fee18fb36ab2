"""From nodes to what they touch: one walk downstream, and how the model versions on it stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from replay.ask import Ground, ask
from replay.impact.report import Impact, Subject, headline_of, summary_of, worst_first
from replay.lineage import Kind
from replay.query import Answer, Direction, Query
from replay.registry.reading import deployments, standings
from replay.registry.standing import Deployment


def impact(start: Sequence[str], ground: Ground, *, as_of: str | None = None) -> Impact:
    """Everything that these nodes touch: the model versions that stand on them, and how each of these stands.

    A model version that made the same bytes by itself is not touched by whoever made them too; it is named apart. The
    number of questions to the lineage does not depend on how much is touched.

    Args:
        start: The uids of the nodes.
        ground: Where to ask.
        as_of: As it was recorded at that time.

    Raises:
        ResolveError: A node is not recorded, or the asker may not see it.
        UsageError: The time is none.
    """
    query = Query(start=tuple(dict.fromkeys(start)), direction=Direction.DOWN, as_of=as_of)
    answer = ask(query, ground)
    everyone = (*answer.query.start, *answer.found)
    found = standings([uid for uid in everyone if answer.nodes[uid].kind is Kind.MODEL_VERSION], ground, as_of=as_of)
    models = worst_first(found.versions.values())
    known = {one.uid for model in models for one in model.deployments}
    others = _others(answer, [uid for uid in answer.found if uid not in known], ground)
    summary = summary_of(models, others)
    return Impact(
        start=tuple(_subject(uid, answer) for uid in answer.query.start),
        as_of=answer.query.as_of,
        headline=headline_of(summary),
        summary=summary,
        models=models,
        other_deployments=others,
        same_bytes=_same_bytes(answer, ground),
        touched=dict(sorted(Counter(answer.nodes[uid].kind.value for uid in answer.found).items())),
        complete=answer.complete and not found.hidden,
        truncated_by=answer.truncated_by or (("access",) if found.hidden else ()),
        unresolved=answer.unresolved,
        hidden=answer.hidden,
        findings=(*answer.findings, *_hidden(found.hidden)),
    )


def _same_bytes(answer: Answer, ground: Ground) -> tuple[Subject, ...]:
    """The model versions that were left out because their own runs made the same bytes."""
    if not answer.elsewhere:
        return ()
    wider = replace(answer.query, same_bytes=True, kinds=(Kind.MODEL_VERSION,), include_edges=False)
    more = ask(wider, ground)
    return tuple(_subject(uid, more) for uid in more.found if uid not in answer.nodes)


def _others(answer: Answer, uids: Sequence[str], ground: Ground) -> tuple[Deployment, ...]:
    """Deployments downstream that are none of a model version's."""
    rest = [uid for uid in uids if answer.nodes[uid].kind is Kind.DEPLOYMENT]
    return tuple(deployments(rest, ground, as_of=answer.query.as_of).values())


def _subject(uid: str, answer: Answer) -> Subject:
    entry = answer.nodes[uid]
    return Subject(uid=uid, kind=entry.kind.value, type=entry.type, name=entry.name)


def _hidden(count: int) -> list[str]:
    """What is not known of the model versions that are told."""
    return (
        [f"{count:,} nodes about these models may not be seen: decisions, people or later deployments"] if count else []
    )
