"""On SQLite, move attempts with their words and bodies out of the database into the files of their days.

What was copied stays copied when this is interrupted, and is not copied twice. The tables go at the end, in the transaction
that says that this is done; the room they took is used for other rows, and given back by `VACUUM`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

from webapp.log.dayfiles import DayFiles, files_of
from webapp.log.days import day_of
from webapp.log.dayschema import BODIES, ROWS, Kind
from webapp.log.searchtext import words_of
from webapp.log.wordindex import add_words

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SLICE = 2_000
Rows = Sequence[Mapping[Any, Any]]


def upgrade() -> None:
    op.add_column("log_days", sa.Column("applied", sa.BigInteger(), server_default="0", nullable=False))
    if (files := files_of(op.get_bind().engine)) is not None:
        move(files)


def move(files: DayFiles) -> None:
    """Copy all rows, bring the copies to the disk, take the tables away."""
    for table, kind in (("call_bodies", BODIES), ("call_logs", ROWS)):
        for rows in slices(table):
            for day, some in groupby(rows, lambda row: day_of(row["log_id"])):
                copy(files, day, kind, table, list(some))
    files.close()  # whoever is the last to let go of a file writes its journal back into it
    for table in ("call_words", "call_bodies", "call_logs"):
        op.execute(f"DROP TABLE {table}")


def copy(files: DayFiles, day: int, kind: Kind, table: str, rows: Rows) -> None:
    """The rows that the file has not, with their words."""
    with files.locked([day]), files.writing(day, kind) as file:
        between = (rows[0]["log_id"], rows[-1]["log_id"])
        query = f"SELECT log_id FROM {table} WHERE log_id BETWEEN ? AND ?"  # noqa: S608
        there = set(file.exec_driver_sql(query, between).scalars())
        new = [row for row in rows if row["log_id"] not in there]
        if new:
            names, holes = ", ".join(new[0]), ", ".join("?" * len(new[0]))
            insert = f"INSERT INTO {table} ({names}) VALUES ({holes})"  # noqa: S608
            file.exec_driver_sql(insert, [tuple(row.values()) for row in new])
        if kind is ROWS:
            add_words(file, [(row["log_id"], words_of(row)) for row in new if row["response_timestamp"]])


def slices(table: str) -> Iterator[Rows]:
    """All rows of a table in the order of their ids, some at a time."""
    connection, last = op.get_bind(), -1
    query = sa.text(f"SELECT * FROM {table} WHERE log_id > :last ORDER BY log_id LIMIT {SLICE}")  # noqa: S608
    while rows := connection.execute(query, {"last": last}).mappings().all():
        yield rows
        last = rows[-1]["log_id"]
