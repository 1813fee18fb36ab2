"""ML Metadata's side of the race, in an environment of its own: it wants an older protobuf than ours.

Started with the graph's arrays (.npz) and a folder; builds the same graph in ML Metadata's SQLite store, says
``ready``, and then answers each line, such as ``id 17`` or ``name 17``, with the seconds that the upstream closure of
node 17 took, found in this way, and how many nodes it has. Imports nothing of replay.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

BATCH = 5_000
HOPS = 30
"""More than the deepest closure has."""


class Side:
    """The graph in ML Metadata."""

    def __init__(self, arrays: Path, folder: Path) -> None:
        """Load the graph."""
        config = pb.ConnectionConfig()
        config.sqlite.filename_uri = str(folder / "mlmd.db")
        config.sqlite.connection_mode = 3  # READWRITE_OPENCREATE
        self.store = metadata_store.MetadataStore(config)
        with np.load(arrays) as graph:
            self.is_run, younger, older = graph["is_run"], graph["younger"], graph["older"]
        artifact = self.store.put_artifact_type(pb.ArtifactType(name="artifact"))
        execution = self.store.put_execution_type(pb.ExecutionType(name="run"))
        self.ids = np.zeros(len(self.is_run), dtype=np.int64)
        for start in range(0, len(self.is_run), BATCH):
            numbers = np.arange(start, min(start + BATCH, len(self.is_run)))
            runs, others = numbers[self.is_run[numbers]], numbers[~self.is_run[numbers]]
            self.ids[runs] = self.store.put_executions([self._execution(execution, n) for n in runs])
            self.ids[others] = self.store.put_artifacts([self._artifact(artifact, n) for n in others])
        for start in range(0, len(younger), BATCH):
            part = slice(start, start + BATCH)
            self.store.put_events([self._event(y, o) for y, o in zip(younger[part], older[part], strict=True)])

    @staticmethod
    def _artifact(type_id: int, number: int) -> pb.Artifact:
        made = pb.Artifact(type_id=type_id, name=f"artifact-{number}", uri=f"s3://bucket/{number}")
        made.custom_properties["attributes"].string_value = "x" * 300
        return made

    @staticmethod
    def _execution(type_id: int, number: int) -> pb.Execution:
        made = pb.Execution(type_id=type_id, name=f"run-{number}")
        made.custom_properties["attributes"].string_value = "x" * 300
        return made

    def _event(self, younger: int, older: int) -> pb.Event:
        used = bool(self.is_run[younger])
        run, artifact = (younger, older) if used else (older, younger)
        kind = pb.Event.INPUT if used else pb.Event.OUTPUT
        return pb.Event(artifact_id=int(self.ids[artifact]), execution_id=int(self.ids[run]), type=kind)

    def closure(self, by: str, number: int) -> tuple[float, int]:
        """Seconds and nodes of an upstream closure, asked for with as little as it can return."""
        start = f"id = {self.ids[number]}" if by == "id" else f"name = 'artifact-{number}'"
        options = pb.LineageSubgraphQueryOptions(
            starting_artifacts=pb.LineageSubgraphQueryOptions.StartingNodes(filter_query=start),
            max_num_hops=HOPS,
            direction=pb.LineageSubgraphQueryOptions.Direction.UPSTREAM,
        )
        begun = time.perf_counter()
        graph = self.store.get_lineage_subgraph(options, ["artifacts", "executions"])
        return time.perf_counter() - begun, len(graph.artifacts) + len(graph.executions)


def main() -> None:
    """Load, then answer until the input ends."""
    side = Side(Path(sys.argv[1]), Path(sys.argv[2]))
    print("ready", flush=True)
    for line in sys.stdin:
        by, number = line.split()
        seconds, nodes = side.closure(by, int(number))
        print(seconds, nodes, flush=True)


if __name__ == "__main__":
    main()
