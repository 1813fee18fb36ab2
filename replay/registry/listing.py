"""All model versions of a store, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replay.outcome import Verdict
from replay.recipe import Grade
from replay.registry.reading import standings
from replay.registry.standing import Standing
from replay.report.text_recipe import ModelRow

if TYPE_CHECKING:
    from replay.ask import Ground
    from replay.store.database import Store

_VERDICTS, _GRADES = set(Verdict), set(Grade)


def models(store: Store, ground: Ground) -> list[ModelRow]:
    """Every registered model version that the asker may see, with how it stands, by name and version."""
    found = standings((row.uid for row in store.models()), ground, origin=False)
    return [_row(standing) for standing in found.versions.values()]


def _row(standing: Standing) -> ModelRow:
    last = standing.replays[0] if standing.replays else None
    return ModelRow(
        model_id=standing.model_id,
        recorded=standing.recorded,
        commit=standing.commit,
        grade=Grade(standing.grade) if standing.grade in _GRADES else None,
        aliases=standing.aliases,
        verdict=Verdict(last.verdict) if last and last.verdict in _VERDICTS else None,
        replayed=last.when if last else "",
        status=standing.status.value if standing.status else "",
        stage=standing.stage.value if standing.stage else "",
        deployed=tuple(sorted({deployment.to for deployment in standing.running})),
    )
