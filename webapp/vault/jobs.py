"""Jobs over keys: written down before they begin, so that a page can follow them and another process go on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from webapp.models.keystore import KeyJob
from webapp.vault import audit, doctor, rotation
from webapp.vault.errors import AWAY, ProviderError, word
from webapp.vault.holders import holders
from webapp.vault.rotation import Batch

if TYPE_CHECKING:
    from webapp.runtime import Runtime

KINDS = ("rewrap", "rotate", "reencrypt", "doctor")
# A running job whose process gave no sign for so long is taken over; a waiting one is tried again after it.
SILENT = timedelta(seconds=30)
KEPT = timedelta(days=90)

_log = logging.getLogger(__name__)


def start(
    session: Session, runtime: Runtime, kind: str, *, actor: str, detail: dict[str, Any] | None = None
) -> KeyJob:
    """Write a job down for whoever runs jobs; one that is under way already is answered instead."""
    assert kind in KINDS
    query = select(KeyJob).where(KeyJob.kind == kind, KeyJob.state.in_(("waiting", "running")))
    if under_way := session.scalars(query.order_by(KeyJob.id)).first():
        return under_way
    job = KeyJob(kind=kind, actor=actor, created_at=runtime.clock.now(), detail=detail, done=0, failed=0)
    job.state, job.total = "waiting", _total(session, job)
    session.add(job)
    session.flush()
    audit.append(session, runtime, actor=actor, action=f"key.{kind}", target=f"job:{job.id}")
    return job


def _total(session: Session, job: KeyJob) -> int:
    if job.kind == "doctor":
        return sum(session.scalar(rotation.counted(holder)) or 0 for holder in holders())
    return rotation.left(session, job.kind, _before(job))


def _before(job: KeyJob) -> datetime:
    """Data keys made before this are due for rotation: all that were there, unless the job says otherwise."""
    given = (job.detail or {}).get("before")
    return datetime.fromisoformat(given) if given else job.created_at


def latest(session: Session, kind: str | None = None, limit: int = 10) -> list[KeyJob]:
    """The newest jobs first."""
    query = select(KeyJob).order_by(KeyJob.created_at.desc(), KeyJob.id.desc()).limit(limit)
    return list(session.scalars(query.where(KeyJob.kind == kind) if kind else query))


def run_due(runtime: Runtime, holder: str) -> int:
    """Run what waits, and what a dead process left behind; returns how many jobs were run."""
    count = 0
    while (job := _claim(runtime, holder)) is not None:
        run(runtime, job)
        count += 1
    return count


def _claim(runtime: Runtime, holder: str, job_id: str | None = None) -> KeyJob | None:
    """Take the oldest job that nobody runs, before anybody else does."""
    now = runtime.clock.now()
    silent = or_(KeyJob.beat_at.is_(None), KeyJob.beat_at < now - SILENT)
    free = [KeyJob.state.in_(("waiting", "running")), silent]
    with runtime.sessions() as session:
        query = (
            select(KeyJob.id).where(*free, KeyJob.id == job_id) if job_id else select(KeyJob.id).where(*free)
        )
        found = session.scalars(query.order_by(KeyJob.id).limit(1)).first()
        if found is None:
            return None
        change = update(KeyJob).where(KeyJob.id == found, *free)
        taken: Any = session.execute(change.values(state="running", holder=holder, beat_at=now))
        session.commit()
        return session.get(KeyJob, found) if taken.rowcount else None


def run_now(runtime: Runtime, job: KeyJob, holder: str) -> KeyJob:
    """Run one job here; another process that has it already goes on with it."""
    claimed = _claim(runtime, holder, job.id)
    return run(runtime, claimed) if claimed else job


def run(runtime: Runtime, job: KeyJob) -> KeyJob:
    """Run a claimed job to its end, or until its provider stops answering; then it waits for another turn."""
    try:
        with runtime.sessions() as session:
            job.total = job.done + _total(session, job)
        for batch in _work(runtime, job):
            if not _report(runtime, job, batch):
                return job  # taken over, because we were silent for too long
    except AWAY as error:
        return _end(runtime, job, "waiting", {"waiting_for": word(error)})
    except ProviderError as error:
        _log.error("The job %s over keys failed: %s", job.kind, error)
        return _end(runtime, job, "failed", {"error": word(error)})
    return _end(runtime, job, "done", None)


def _work(runtime: Runtime, job: KeyJob) -> Iterator[Batch]:
    if job.kind == "doctor":
        yield from _examined(runtime, job)
    if job.kind == "rewrap":
        yield from rotation.rewrap(runtime, everything=bool((job.detail or {}).get("everything")))
    if job.kind == "rotate":
        yield from rotation.rotate(runtime, before=_before(job))
    if job.kind in ("rotate", "reencrypt"):
        yield from rotation.reencrypt(runtime)


def _examined(runtime: Runtime, job: KeyJob) -> Iterator[Batch]:
    seen, bad = 0, 0
    for report in doctor.examine(runtime, float((job.detail or {}).get("sample", 1))):
        wrong = sum(report.reasons.values())
        batch = Batch(report.examined - seen - (wrong - bad), wrong - bad)
        seen, bad = report.examined, wrong
        job.detail = {**(job.detail or {}), "report": report.to_dict()}
        yield batch


def _report(runtime: Runtime, job: KeyJob, batch: Batch) -> bool:
    job.done, job.failed = job.done + batch.done, job.failed + batch.failed
    return _write(runtime, job, state="running", ended=None)


def _end(runtime: Runtime, job: KeyJob, state: str, detail: dict[str, Any] | None) -> KeyJob:
    job.state = state
    job.detail = {**(job.detail or {}), **detail} if detail else job.detail
    _write(runtime, job, state=state, ended=None if state == "waiting" else runtime.clock.now())
    if job.failed:
        _log.warning("The job %s over keys left %s rows that cannot be opened.", job.kind, job.failed)
    return job


def _write(runtime: Runtime, job: KeyJob, *, state: str, ended: datetime | None) -> bool:
    """Note how far the job is, as long as it is still ours."""
    values = {"total": job.total, "done": job.done, "failed": job.failed, "detail": job.detail}
    change = update(KeyJob).where(KeyJob.id == job.id, KeyJob.holder == job.holder)
    with runtime.sessions() as session:
        written: Any = session.execute(
            change.values(**values, state=state, beat_at=runtime.clock.now(), ended_at=ended)
        )
        session.commit()
    return bool(written.rowcount)
