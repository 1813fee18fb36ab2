"""The registry: what people decide about what is recorded, each decision an action of the lineage."""

from replay.registry.aliasing import alias, unalias
from replay.registry.annotating import annotate
from replay.registry.approving import approve, reject
from replay.registry.deploying import deploy, withdraw
from replay.registry.doing import SCHEMA, Done
from replay.registry.linking import link

__all__ = ["SCHEMA", "Done", "alias", "annotate", "approve", "deploy", "link", "reject", "unalias", "withdraw"]
