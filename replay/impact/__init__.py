"""Blast radius: which models, approvals and deployments does this touch?"""

from replay.impact.report import SCHEMA, Impact
from replay.impact.tracing import impact

__all__ = ["SCHEMA", "Impact", "impact"]
