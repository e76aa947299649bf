"""The audit chain: each entry carries a keyed hash over itself and the one before it.

The key is not in the database, so whoever can write there cannot forge an entry, take one out or reorder them
unseen. Entries cut off at the end are seen by the copy of the head that is kept beside the database.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from webapp.db import begin_write
from webapp.models.audit import AuditEntry
from webapp.vault import anchor

if TYPE_CHECKING:
    from webapp.runtime import Runtime

BEGINNING = "0" * 64
_WRITTEN = "audit written"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Break:
    """The first entry that is not as it was written, and how one can tell."""

    seq: int
    reason: str  # gap, order or changed; cut, replaced or anchor when the copy of the head tells


@dataclass(frozen=True, slots=True)
class Report:
    """What following the whole chain found; anchored is the last entry known outside the database."""

    entries: int
    flaw: Break | None
    anchored: int | None
    since: int | None


def append(
    session: Session,
    runtime: Runtime,
    *,
    actor: str,
    action: str,
    target: str,
    detail: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Add an entry within the caller's transaction: what was done and its trace are saved together or not at all."""
    begin_write(session, "audit")
    head = session.scalars(select(AuditEntry).order_by(AuditEntry.seq.desc()).limit(1)).one_or_none()
    entry = AuditEntry(
        seq=head.seq + 1 if head else 1,
        at=runtime.clock.now(),
        actor=actor,
        action=action,
        target=target,
        detail=json.loads(_canonical(dict(detail or {}))),
        prev=head.mac if head else BEGINNING,
    )
    entry.mac = _mac(_key(runtime), entry)
    session.add(entry)
    session.flush()
    session.info[_WRITTEN] = runtime
    return entry


def verify(session: Session, runtime: Runtime) -> Break | None:
    """Follow the chain from its beginning; None when every entry is as it was written and none is cut off."""
    return report(session, runtime).flaw


def report(session: Session, runtime: Runtime) -> Report:
    """Follow the chain from its beginning and compare it with the head kept outside the database."""
    query = select(AuditEntry).order_by(AuditEntry.seq).execution_options(yield_per=500)
    with closing(session.scalars(query)) as entries:
        flaw = _first_break(entries, _key(runtime))
    head = anchor.read(runtime)
    last = session.scalar(select(func.max(AuditEntry.seq))) or 0
    if head is None:
        return Report(last, flaw or (Break(last, "anchor") if anchor.exists(runtime) else None), None, None)
    return Report(last, flaw or _broken_anchor(session, head, last), head.seq, head.since)


def keep_head(runtime: Runtime) -> None:
    """Copy the head of the chain out of the database, unless that was done within the last minute."""
    if anchor.is_fresh(runtime):
        return
    with runtime.sessions() as session:
        last = session.scalars(select(AuditEntry).order_by(AuditEntry.seq.desc()).limit(1)).one_or_none()
        head = anchor.read(runtime)
        damaged = _broken_anchor(session, head, last.seq) if head and last else anchor.exists(runtime)
        if last is None or damaged:
            return  # the copy is the evidence; it must not move on
    anchor.write(runtime, last.seq, last.mac)


def reset_anchor(session: Session, runtime: Runtime, *, actor: str) -> None:
    """Take the chain as it is from here on, as after a restored backup; that this was done is an entry itself."""
    head = anchor.read(runtime)
    detail = {"seq": head.seq, "mac": head.mac} if head else {}
    entry = append(session, runtime, actor=actor, action="audit.reanchor", target="audit", detail=detail)
    session.commit()
    anchor.write(runtime, entry.seq, entry.mac, anew=True)


@event.listens_for(Session, "after_commit")
def _copy_after_commit(session: Session) -> None:
    """Only what is committed is copied: an entry that was rolled back never was."""
    if runtime := session.info.pop(_WRITTEN, None):
        try:
            keep_head(runtime)
        except SQLAlchemyError as error:  # what was committed stays committed; the next minute tries again
            _log.error("The head of the audit chain could not be read: %s", type(error).__name__)


@event.listens_for(Session, "after_rollback")
def _forget_after_rollback(session: Session) -> None:
    session.info.pop(_WRITTEN, None)


def _broken_anchor(session: Session, head: anchor.Head, last: int) -> Break | None:
    """Compare the chain with the copy of its head, which is older than the last entries at most."""
    if last < head.seq:
        return Break(last + 1, "cut")
    entry = session.get(AuditEntry, head.seq)
    if entry is None or not hmac.compare_digest(entry.mac, head.mac):
        return Break(head.seq, "replaced")
    return None


def _first_break(entries: Iterable[AuditEntry], key: bytes) -> Break | None:
    expected, before = 1, BEGINNING
    for entry in entries:
        if entry.seq != expected:
            return Break(expected, "gap")
        if entry.prev != before:
            return Break(entry.seq, "order")
        if not hmac.compare_digest(entry.mac, _mac(key, entry)):
            return Break(entry.seq, "changed")
        expected, before = entry.seq + 1, entry.mac
    return None


def _key(runtime: Runtime) -> bytes:
    return runtime.vault.derive(b"audit")


def _mac(key: bytes, entry: AuditEntry) -> str:
    content = {
        "seq": entry.seq,
        "at": entry.at,
        "actor": entry.actor,
        "action": entry.action,
        "target": entry.target,
        "detail": entry.detail,
    }
    return hmac.digest(key, entry.prev.encode() + _canonical(content).encode(), hashlib.sha256).hex()


def _canonical(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_plain)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
