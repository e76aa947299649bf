"""What has to happen to keys without anybody asking: finishing rotations, replacing worn keys, spot checks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete
from sqlalchemy.orm import Session

from webapp.models.keystore import KeyJob
from webapp.vault import jobs, rotation

if TYPE_CHECKING:
    from webapp.runtime import Runtime

ACTOR = "system"
WORN = timedelta(days=365)
DOCTOR_EVERY, WHOLE_EVERY, SAMPLE = timedelta(days=1), timedelta(days=7), 0.01


def upkeep(runtime: Runtime) -> None:
    """Start what is due and destroy data keys past their grace; for the leading process, once an hour."""
    if runtime.vault.state().locked:
        return
    with runtime.sessions() as session:
        before = runtime.clock.now() - WORN
        if rotation.worn(session, before):
            jobs.start(session, runtime, "rotate", actor=ACTOR, detail={"before": before.isoformat()})
        for kind in ("rewrap", "reencrypt"):
            if _needed(session, kind, before):
                jobs.start(session, runtime, kind, actor=ACTOR)
        _visit(session, runtime)
        session.execute(delete(KeyJob).where(KeyJob.ended_at < runtime.clock.now() - jobs.KEPT))
        session.commit()
    for _ in rotation.destroy(runtime):
        pass


def _needed(session: Session, kind: str, before: datetime) -> bool:
    """Whether rows are left that the last pass did not already find to be unreadable."""
    last = next(iter(jobs.latest(session, kind, 1)), None)
    return rotation.left(session, kind, before) > (last.failed if last else 0)


def _visit(session: Session, runtime: Runtime) -> None:
    """A part of everything each day, all of it each week."""
    now, visits = runtime.clock.now(), jobs.latest(session, "doctor", 20)
    if visits and visits[0].created_at > now - DOCTOR_EVERY:
        return
    whole = any(v.created_at > now - WHOLE_EVERY and not (v.detail or {}).get("sample") for v in visits)
    jobs.start(session, runtime, "doctor", actor=ACTOR, detail={"sample": SAMPLE} if whole else None)
