"""Tables of a registry that an older version made, brought to what today's expects.

``create_all`` makes tables that are missing and leaves those alone that are there. What came later, columns and indexes,
is added here, and each new column gets its value for the rows that are there. A step does nothing where it was done.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, MetaData, inspect, text
from sqlalchemy.schema import CreateIndex

from ngc_cli.server.version_order import version_sort_key

# Rows whose value is computed here and not by the database, in one go.
_BATCH_ROWS = 1000


def add_columns(connection: Connection, metadata: MetaData) -> None:
    """Add the columns that came after the first release to tables that lack them, filled for every row."""
    for table, column, fill in _COLUMNS:
        inspector = inspect(connection)
        if not inspector.has_table(table) or column in {
            item["name"] for item in inspector.get_columns(table)
        }:
            continue
        kind = metadata.tables[table].c[column].type.compile(connection.dialect)
        connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {column} {kind} NOT NULL DEFAULT ''"))
        fill(connection)


def add_indexes(connection: Connection, metadata: MetaData) -> None:
    """Add the indexes that tables made before lack."""
    for table in metadata.sorted_tables:
        there = {item["name"] for item in inspect(connection).get_indexes(table.name)}
        for index in sorted(table.indexes, key=lambda item: str(item.name)):
            if index.name not in there:
                connection.execute(CreateIndex(index, if_not_exists=True))


def _fill_paths(connection: Connection) -> None:
    connection.execute(
        text(
            "UPDATE artifacts SET path = (SELECT name FROM orgs WHERE orgs.id = artifacts.org_id) || '/' ||"
            " coalesce((SELECT name FROM teams WHERE teams.id = artifacts.team_id) || '/', '') || name"
        )
    )


def _fill_sort_keys(connection: Connection) -> None:
    rows = connection.execute(text("SELECT id, name FROM versions")).all()
    for start in range(0, len(rows), _BATCH_ROWS):
        connection.execute(
            text("UPDATE versions SET sort_key = :key WHERE id = :id"),
            [{"id": row.id, "key": version_sort_key(row.name)} for row in rows[start : start + _BATCH_ROWS]],
        )


def _fill_folded_names(connection: Connection) -> None:
    connection.execute(text("UPDATE image_tags SET folded_name = lower(name)"))  # tags are ASCII


_COLUMNS: tuple[tuple[str, str, Callable[[Connection], None]], ...] = (
    ("artifacts", "path", _fill_paths),
    ("versions", "sort_key", _fill_sort_keys),
    ("image_tags", "folded_name", _fill_folded_names),
)
