"""Writing very many nodes and edges at once: many transactions of the chain in one commit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from replay.lineage import Edge, Node
from replay.store.collecting import nothing_to_collect
from replay.store.interface import Database
from replay.store.writes import EMPTY, HEAD, Transaction, add_checkpoint, now


def load(database: Database, batches: Iterable[tuple[Sequence[Node], Sequence[Edge]]]) -> int:
    """Insert many batches, each a transaction of the chain, in one durable commit; how many nodes there were.

    Raises:
        StoreError: An edge's end is no recorded node, or the database cannot be written; nothing was added.
    """
    count = 0
    ids: dict[str, int] = {}
    with database.loading() as cursor, nothing_to_collect():
        head = cursor.rows(HEAD)
        tx, before, prev, node, facet = head[0] if head else EMPTY
        numbers = (node or 0) + 1, (facet or 0) + 1
        for nodes, edges in batches:
            transaction = Transaction(cursor, tx + 1, *numbers)
            if node is None:
                transaction.knows_all(ids)
            transaction.add(nodes, edges, ordered=True)
            entry = transaction.sealed(prev, before := max(now(), before))
            if entry is not None:
                transaction.insert(entry)
                tx, prev, numbers = entry.tx, entry.leaf, transaction.next_numbers
                count += len(transaction.rows["nodes"])
        if count:
            add_checkpoint(cursor, before)
    return count
