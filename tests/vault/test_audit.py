"""The audit chain: an entry that was changed, taken out or moved is named."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select, text

from webapp.models import AuditEntry
from webapp.vault.audit import Break, append, verify


@pytest.fixture
def chain(runtime, session):
    """Five entries."""
    for number in range(5):
        append(
            session,
            runtime,
            actor="lin",
            action="service.create",
            target=f"t{number}",
            detail={"名": [number, 1.5]},
        )
    session.commit()


@pytest.fixture
def forge(session):
    """Change the table as somebody would who may do anything in the database."""

    def forge(*statements):
        sqlite = session.connection().dialect.name == "sqlite"
        disarm = ["DROP TRIGGER audit_entries_no_update", "DROP TRIGGER audit_entries_no_delete"]
        if not sqlite:
            disarm = ["ALTER TABLE audit_entries DISABLE TRIGGER ALL"]
        for statement in [*disarm, *statements]:
            session.execute(text(statement))
        if not sqlite:
            session.execute(text("ALTER TABLE audit_entries ENABLE TRIGGER ALL"))
        session.commit()
        session.expire_all()

    return forge


def test_an_empty_chain_is_whole(runtime, session):
    assert verify(session, runtime) is None


def test_an_untouched_chain_is_whole(runtime, session, chain, clock):
    first = session.get(AuditEntry, 1)

    assert verify(session, runtime) is None
    assert (first.at, first.prev, first.detail) == (clock.now(), "0" * 64, {"名": [0, 1.5]})


@pytest.mark.parametrize("column", ["actor", "action", "target"])
def test_a_changed_entry_is_named(runtime, session, chain, forge, column):
    forge(f"UPDATE audit_entries SET {column} = 'other' WHERE seq = 3")

    assert verify(session, runtime) == Break(3, "changed")


def test_a_changed_detail_is_named(runtime, session, chain, forge):
    forge("UPDATE audit_entries SET detail = '{}' WHERE seq = 2")

    assert verify(session, runtime) == Break(2, "changed")


def test_an_entry_taken_out_leaves_a_gap(runtime, session, chain, forge):
    forge("DELETE FROM audit_entries WHERE seq = 3")

    assert verify(session, runtime) == Break(3, "gap")


def test_closing_the_gap_shows_in_the_order(runtime, session, chain, forge):
    forge(
        "DELETE FROM audit_entries WHERE seq = 3",
        "UPDATE audit_entries SET seq = 3 WHERE seq = 4",
        "UPDATE audit_entries SET seq = 4 WHERE seq = 5",
    )

    assert verify(session, runtime) == Break(3, "order")


def test_an_entry_is_saved_with_what_it_tells_or_not_at_all(runtime, session):
    append(session, runtime, actor="lin", action="a", target="t")
    session.rollback()

    assert session.scalar(select(func.count()).select_from(AuditEntry)) == 0


def test_writers_take_turns(runtime, session):
    def write():
        for _ in range(5):
            with runtime.sessions() as own:
                append(own, runtime, actor="lin", action="a", target="t")
                own.commit()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert session.scalar(select(func.max(AuditEntry.seq))) == 20
    assert verify(session, runtime) is None
