"""Plans: the versions of a pipeline definition or template, and which executions followed each."""

from replay.plans.changes import PlanChange, changes_between
from replay.plans.versions import PlanVersion, versions_of

__all__ = ["PlanChange", "PlanVersion", "changes_between", "versions_of"]
