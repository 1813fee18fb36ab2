"""The tables of the search index. It follows from the record, is no part of it, and is made anew when in doubt.

Nodes have the numbers of the record; those below zero are *parts*: attributes that many nodes have alike, kept once.
Every row says since which transaction of the record it holds, and some until which one, so that a search sees the
record as it was at one transaction, whatever is added meanwhile.
"""

from __future__ import annotations

VERSION = 1
"""An index of another version is made anew."""

_TABLES: dict[str, tuple[str, str]] = {
    "search_state": ("store text, tx int, leaf blob, node int, facet int, text int, part int", ""),
    "search_keys": ("id int, name text", "name"),
    "search_nodes": ("node int, kind int, class int, since int", "node"),
    "search_numbers": (
        "key int, num real, exact text, node int, since int, until int?",
        "key, num, exact, node, since",
    ),
    "search_strings": (
        "key int, head text, rest text, node int, since int, until int?",
        "key, head, rest, node, since",
    ),
    "search_links": ("carrier int, flow int, doc int, since int", "carrier, flow, doc"),
    "search_items": (
        "list int, owner int, node int, role text, path text, storage text, num real?, exact text, head text?, "
        "rest text, since int",
        "",
    ),
    "search_parts": ("digest blob, id int", "digest"),
    "search_texts": ("id int, node int, facet int, since int, until int?", "id"),
}
"""Of each table its columns (``?``: may be empty) and its key."""

_LINKS = "CREATE INDEX search_links_doc ON search_links (doc, flow, carrier)"
"""Is needed while the tables are filled."""
_KEY_OF_LINKS = "CREATE UNIQUE INDEX search_links_key ON search_links (carrier, flow, doc)"
_INDEXES = (
    ("search_nodes_kind", "search_nodes (kind, node)"),
    ("search_numbers_node", "search_numbers (node, key, num, exact, since, until)"),
    ("search_strings_node", "search_strings (node, key, since, until)"),
    ("search_items_list", "search_items (list)"),
    ("search_items_node", "search_items (node, list)"),
    ("search_items_owner", "search_items (owner, list)"),
    ("search_texts_facet", "search_texts (facet) WHERE facet > 0"),
)
_SQLITE = {"int": "INTEGER", "real": "REAL", "text": "TEXT", "blob": "BLOB"}
_POSTGRES = {"int": "bigint", "real": "double precision", "text": 'text COLLATE "C"', "blob": "bytea"}

TABLES = tuple(_TABLES)


def sqlite() -> list[str]:
    """What makes the tables in an empty file."""
    made = [
        f"CREATE TABLE {table} ({_columns(columns, _SQLITE)}{f', PRIMARY KEY ({key})' if key else ''})"
        f"{' WITHOUT ROWID' if ',' in key else ''}"
        for table, (columns, key) in _TABLES.items()
    ]
    # The words come one by one from `words`; whatever is no ASCII belongs to a word for this tokenizer.
    words = "CREATE VIRTUAL TABLE search_words USING fts5(words, content='', columnsize=0, tokenize='ascii')"
    return [*made, _LINKS, words]


def sqlite_indexes() -> list[str]:
    """What makes the indexes once the tables are filled."""
    return [f"CREATE INDEX {name} ON {columns}" for name, columns in _INDEXES]


def postgres() -> list[str]:
    """What makes the tables in place of those that are there. They are not logged: after a crash they are made anew."""
    drop = f"DROP TABLE IF EXISTS {', '.join(_TABLES)}"
    made = [
        f"CREATE UNLOGGED TABLE {table} ({_columns(columns, _POSTGRES)})" for table, (columns, _) in _TABLES.items()
    ]
    return [drop, *made, "ALTER TABLE search_texts ADD COLUMN words tsvector NOT NULL", _KEY_OF_LINKS, _LINKS]


def postgres_indexes() -> list[str]:
    """What makes the indexes once the tables are filled."""
    ordered = {
        "search_numbers": "key, num, node",
        "search_strings": "key, head, node",
    }
    keys = [
        f"CREATE {'' if table in ordered else 'UNIQUE '}INDEX {table}_key ON {table} ({ordered.get(table, key)})"
        for table, (_, key) in _TABLES.items()
        if key and table != "search_links"
    ]
    words = "CREATE INDEX search_texts_words ON search_texts USING gin (words) WITH (fastupdate = off)"
    return [*keys, *sqlite_indexes(), "CREATE INDEX search_texts_node ON search_texts (node)", words]


def _columns(text: str, types: dict[str, str]) -> str:
    made = []
    for column in text.split(", "):
        name, type_ = column.split(" ")
        made.append(f"{name} {types[type_.rstrip('?')]}{'' if type_.endswith('?') else ' NOT NULL'}")
    return ", ".join(made)
