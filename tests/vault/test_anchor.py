"""The copy of the audit's head outside the database: what it notices, and what it must not forget."""

from __future__ import annotations

import json
import os
import stat

import pytest
from sqlalchemy import text

from webapp.vault import anchor, audit
from webapp.vault.audit import Break


def write(session, runtime, count=1, target="t"):
    for _ in range(count):
        audit.append(session, runtime, actor="lin", action="a", target=target)
    session.commit()


@pytest.fixture
def path(runtime):
    return runtime.config.data_dir / anchor.FILE


@pytest.fixture
def a_minute_later(path):
    """Let the file look a minute old."""

    def age():
        os.utime(path, (0, 0))

    return age


@pytest.fixture
def forge(session):
    """Change the table as somebody would who may do anything in the database."""

    def forge(statement):
        if session.connection().dialect.name == "sqlite":
            for trigger in ("no_update", "no_delete"):
                session.execute(text(f"DROP TRIGGER IF EXISTS audit_entries_{trigger}"))
        else:
            session.execute(text("ALTER TABLE audit_entries DISABLE TRIGGER ALL"))
        session.execute(text(statement))
        session.commit()
        session.expire_all()

    return forge


def test_the_first_commit_writes_it_for_its_owner_only(runtime, session, path):
    write(session, runtime)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert anchor.read(runtime) == anchor.Head(1, session.get(audit.AuditEntry, 1).mac, 1)


def test_it_is_written_once_a_minute_at_most(runtime, session, a_minute_later):
    write(session, runtime)
    write(session, runtime)
    assert anchor.read(runtime).seq == 1

    a_minute_later()
    write(session, runtime)

    assert anchor.read(runtime).seq == 3
    assert anchor.read(runtime).since == 1


def test_the_monitor_keeps_it_without_anything_being_written(runtime, session, a_minute_later):
    write(session, runtime)
    write(session, runtime)
    a_minute_later()

    audit.keep_head(runtime)

    assert anchor.read(runtime).seq == 2


def test_what_was_rolled_back_is_not_copied(runtime, session, path):
    audit.append(session, runtime, actor="lin", action="a", target="t")
    session.rollback()
    session.commit()

    assert not path.exists()


def test_a_tail_cut_off_is_named(runtime, session, a_minute_later, forge):
    write(session, runtime, 5)

    forge("DELETE FROM audit_entries WHERE seq > 3")

    assert audit.verify(session, runtime) == Break(4, "cut")


def test_a_tail_cut_off_and_written_anew_is_named(runtime, session, a_minute_later, forge):
    write(session, runtime, 5)
    forge("DELETE FROM audit_entries WHERE seq > 3")
    a_minute_later()

    write(session, runtime, 4, "other")

    assert audit.verify(session, runtime) == Break(5, "replaced")
    assert anchor.read(runtime).seq == 5, "the copy is the evidence and stays"


def test_an_emptied_table_is_named(runtime, session, forge):
    write(session, runtime, 3)

    forge("DELETE FROM audit_entries")

    assert audit.verify(session, runtime) == Break(1, "cut")


@pytest.mark.parametrize("content", ["", "{}", "[]", "nonsense", '{"seq": 1}', "\x00"])
def test_a_file_that_makes_no_sense_is_named_and_kept(runtime, session, path, content, a_minute_later):
    write(session, runtime)
    path.write_text(content)
    a_minute_later()

    write(session, runtime)

    assert audit.verify(session, runtime) == Break(2, "anchor")
    assert path.read_text() == content


def test_a_forged_file_is_named(runtime, session, path):
    write(session, runtime, 2)
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"seq": 1, "mac": session.get(audit.AuditEntry, 1).mac}))

    assert audit.verify(session, runtime) == Break(2, "anchor")


def test_a_missing_file_is_told_and_a_new_one_says_since_when_it_knows(runtime, session, path):
    write(session, runtime, 3)
    path.unlink()
    assert audit.report(session, runtime) == audit.Report(3, None, None, None)

    write(session, runtime)

    assert audit.report(session, runtime) == audit.Report(4, None, 4, 4)


def test_after_a_restored_backup_the_operator_begins_anew(runtime, session, forge):
    write(session, runtime, 5)
    forge("DELETE FROM audit_entries WHERE seq > 3")

    audit.reset_anchor(session, runtime, actor="cli")

    report = audit.report(session, runtime)
    assert (report.flaw, report.anchored) == (None, 4)
    assert session.get(audit.AuditEntry, 4).detail["seq"] == 5


def test_a_data_directory_that_cannot_be_written_stops_no_work(runtime, session, monkeypatch, caplog):
    monkeypatch.setattr(anchor, "FILE", "missing/audit-head.json")

    write(session, runtime)

    assert audit.report(session, runtime).entries == 1
    assert "cannot be kept outside" in caplog.text
