"""Whatever is encrypted in the database is reached by key rotation; this fails for a column that is not."""

from __future__ import annotations

import re

import pytest

from tests.logfiles import rows_of
from tests.vault.stores import fill
from webapp.models import Base
from webapp.models.secret import DataKey, Secret
from webapp.vault import holders

# What a ciphertext column would be called by somebody who does not know of SEALED.
SUSPECT = re.compile(r"(^|_)(ct|sealed|encrypted|cipher|ciphertext|wrapped)(_|$)")
TOKEN = re.compile(r"pb[0-9]+\.[A-Za-z0-9-]+\.|vault:v[0-9]+:")


def columns():
    return [(table, column) for table in Base.metadata.sorted_tables for column in table.c]


def test_every_column_that_is_marked_as_sealed_is_covered():
    assert holders.marked(Base.metadata.sorted_tables) == holders.covered()


def test_every_column_that_is_named_like_ciphertext_is_covered():
    named = {(table.name, column.name) for table, column in columns() if SUSPECT.search(column.name)}

    assert named - holders.covered() == set()


def test_no_other_column_holds_ciphertext(runtime, session):
    fill(runtime)
    found = set()
    for table in Base.metadata.sorted_tables:
        for row in rows_of(runtime.engine, table):
            found |= {(table.name, name) for name, value in row.items() if TOKEN.match(str(value))}

    assert found == {("secrets", "ct"), ("data_keys", "wrapped")}
    assert found <= holders.covered()


def test_a_pointer_to_a_sealed_value_is_a_foreign_key():
    """So that nobody keeps an id of a secret that rotation or deletion would not know of."""
    loose = {
        f"{table.name}.{column.name}"
        for table, column in columns()
        if column.name.endswith("secret_id") and not column.foreign_keys
    }
    assert loose == set()


def test_a_table_of_another_area_can_register(monkeypatch):
    monkeypatch.setattr(holders, "_holders", [holders.SECRETS])
    other = holders.Holder(
        DataKey.__table__, [DataKey.__table__.c.id], holders.SECRETS.unseal, holders.SECRETS.seal
    )
    holders.register(other)
    holders.register(other)

    assert [holder.table.name for holder in holders.holders()] == [
        Secret.__tablename__,
        DataKey.__tablename__,
    ]


@pytest.mark.parametrize("name", ["id", "dek_id", "rev", "ct"])
def test_a_holder_reads_what_rotation_needs(name):
    for holder in holders.holders():
        assert name in {column.name for column in holder.columns}
