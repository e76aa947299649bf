"""The words of attempts in the database: `call_words`, which each of the two databases keeps in its own way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

# Nothing but words is kept: neither the text, nor places, nor lengths. ASCII letters and digits make a word, and
# everything beyond ASCII does, so that words stay as `webapp.log.words` made them.
SQLITE_DDL = (
    "CREATE VIRTUAL TABLE call_words USING fts5"
    " (words, content='', columnsize=0, detail=none, tokenize='ascii')"
)
# On PostgreSQL: call_words (log_id bigint, words text[]), with a GIN index on the words, by day as the attempts.

Words = tuple[int, Sequence[str]]


def add_words(connection: Connection, rows: Iterable[Words]) -> None:
    """Write the words of attempts that have none yet."""
    values = [(log_id, " ".join(words)) for log_id, words in rows]
    if not values:
        return
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("INSERT INTO call_words (rowid, words) VALUES (?, ?)", values)
        return
    ids, texts = (list(column) for column in zip(*values, strict=True))
    connection.exec_driver_sql(
        "INSERT INTO call_words (log_id, words) SELECT id, string_to_array(words, ' ')"
        " FROM unnest(%s::bigint[], %s::text[]) AS given (id, words) ON CONFLICT DO NOTHING",
        (ids, texts),
    )


def remove_words(connection: Connection, rows: Iterable[Words]) -> None:
    """Take away the words of attempts; they must be the ones that were added."""
    values = [(log_id, " ".join(words)) for log_id, words in rows]
    if not values:
        return
    if connection.dialect.name == "sqlite":
        statement = "INSERT INTO call_words (call_words, rowid, words) VALUES ('delete', ?, ?)"
        connection.exec_driver_sql(statement, values)
        return
    ids = [log_id for log_id, _ in values]
    connection.exec_driver_sql("DELETE FROM call_words WHERE log_id = ANY(%s)", (ids,))
