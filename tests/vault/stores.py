"""What the tests of keys share: many sealed secrets, and proof that all of them still open."""

from __future__ import annotations

from sqlalchemy import func, select

from webapp.models.secret import DataKey, Kek, Secret
from webapp.vault import jobs, lifecycle


def fill(runtime, scopes=3, each=2):
    """Seal some secrets; answer the value of each by its id."""
    values = {}
    with runtime.sessions() as session:
        for scope in range(scopes):
            for field in range(each):
                value = f"value {scope} {field} 密码"
                secret = runtime.vault.seal(
                    session,
                    scope=f"svc:{scope}",
                    owner_type="service",
                    owner_id=str(scope),
                    field=f"field_{field}",
                    value=value,
                    actor="lin",
                )
                values[secret.id] = value
        session.commit()
    return values


def opened(runtime, ids):
    """The values of secrets, past the cache of data keys."""
    runtime.vault.forget()
    with runtime.sessions() as session:
        return {secret_id: runtime.vault.open(session, secret_id) for secret_id in ids}


def drain(batches):
    """Run a pass to its end; answer how many rows it moved and how many it could not."""
    batches = list(batches)
    return sum(batch.done for batch in batches), sum(batch.failed for batch in batches)


def on_older_keys(runtime):
    """How many secrets are not under the active data key of their scope."""
    with runtime.sessions() as session:
        query = select(func.count()).select_from(Secret).join(DataKey, DataKey.id == Secret.dek_id)
        return session.scalar(query.where(DataKey.state != "active"))


def wrapped_by(runtime):
    """How many data keys each key-encryption key wraps."""
    with runtime.sessions() as session:
        query = select(DataKey.kek_id, func.count()).where(DataKey.state != "destroyed")
        return dict(session.execute(query.group_by(DataKey.kek_id)).all())


def active_keys(runtime):
    with runtime.sessions() as session:
        return dict(session.execute(select(DataKey.scope, DataKey.id).where(DataKey.state == "active")).all())


def new_primary(runtime):
    """Add a key and promote it; answer its id."""
    with runtime.sessions() as session:
        kek = lifecycle.add(session, runtime, actor="lin")
        lifecycle.promote(session, runtime, kek.fingerprint, actor="lin")
        session.commit()
        return kek.id


def primary(runtime):
    with runtime.sessions() as session:
        return session.scalars(select(Kek).where(Kek.state == "primary")).one()


def job(runtime, kind, **detail):
    """Run a job of a kind to its end; answer its row."""
    with runtime.sessions() as session:
        started = jobs.start(session, runtime, kind, actor="lin", detail=detail or None)
        session.commit()
    return jobs.run_now(runtime, started, "tests")
