"""Keys are replaced while everything stays readable: wrapped anew, rotated, sealed anew, destroyed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import IntegrityError

from tests.vault.stores import (
    active_keys,
    drain,
    fill,
    job,
    new_primary,
    on_older_keys,
    opened,
    primary,
    wrapped_by,
)
from webapp.db import make_engine
from webapp.models.keystore import KeyJob
from webapp.models.secret import DataKey, Secret
from webapp.runtime import Runtime
from webapp.vault import SecretUnreadable, Unavailable, jobs, rotation
from webapp.vault.upkeep import upkeep


def test_rewrapping_moves_every_data_key_to_the_new_key(runtime):
    values, old = fill(runtime), primary(runtime).id
    new = new_primary(runtime)
    assert wrapped_by(runtime) == {old: 4}

    assert drain(rotation.rewrap(runtime, size=3)) == (4, 0)
    assert wrapped_by(runtime) == {new: 4}
    assert opened(runtime, values) == values
    assert drain(rotation.rewrap(runtime)) == (0, 0)


def test_new_scopes_use_the_new_key_at_once(runtime):
    new = new_primary(runtime)
    fill(runtime, scopes=2)

    assert wrapped_by(runtime)[new] == 2


def test_rewrapping_everything_includes_what_the_primary_key_wrapped(runtime):
    values = fill(runtime)
    with runtime.sessions() as session:
        before = dict(session.execute(select(DataKey.id, DataKey.wrapped)).all())

    assert drain(rotation.rewrap(runtime, everything=True)) == (4, 0)
    with runtime.sessions() as session:
        after = dict(session.execute(select(DataKey.id, DataKey.wrapped)).all())
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())
    assert opened(runtime, values) == values


def test_a_data_key_that_does_not_open_is_counted_and_left(runtime):
    values = fill(runtime)
    with runtime.sessions() as session:
        session.execute(update(DataKey).where(DataKey.scope == "svc:1").values(wrapped="pb1.none.AAAA"))
        session.commit()
    new_primary(runtime)

    assert drain(rotation.rewrap(runtime)) == (3, 1)
    readable = [secret_id for secret_id, value in values.items() if not value.startswith("value 1")]
    assert opened(runtime, readable) == {secret_id: values[secret_id] for secret_id in readable}


def test_rotating_gives_each_scope_a_new_data_key_and_seals_everything_under_it(runtime, clock):
    values, before = fill(runtime), active_keys(runtime)
    clock.advance(1)

    assert drain(rotation.rotate(runtime, before=clock.now(), size=2)) == (4, 0)
    assert on_older_keys(runtime) == 7
    assert opened(runtime, values) == values
    assert drain(rotation.reencrypt(runtime, size=3)) == (7, 0)
    assert on_older_keys(runtime) == 0
    assert opened(runtime, values) == values
    after = active_keys(runtime)
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())
    assert drain(rotation.rotate(runtime, before=clock.now())) == (0, 0)


def test_the_check_value_survives_rotation(config, runtime, clock):
    clock.advance(1)
    new_primary(runtime)
    job(runtime, "rewrap")
    job(runtime, "rotate")

    again = Runtime.create(config, clock)
    assert not again.vault.state().locked
    again.close()


def test_an_unreadable_secret_is_counted_and_left(runtime, clock):
    values = fill(runtime)
    broken = next(iter(values))
    with runtime.sessions() as session:
        secret = session.get(Secret, broken)
        secret.ct = secret.ct[:-4] + "AAAA"
        session.commit()
    clock.advance(1)
    drain(rotation.rotate(runtime, before=clock.now()))

    assert drain(rotation.reencrypt(runtime, size=2)) == (6, 1)
    with pytest.raises(SecretUnreadable):
        opened(runtime, [broken])
    rest = values.keys() - {broken}
    assert opened(runtime, rest) == {secret_id: values[secret_id] for secret_id in rest}


def test_a_row_that_changed_meanwhile_is_left_to_the_next_pass(runtime, clock):
    values = fill(runtime)
    clock.advance(1)
    drain(rotation.rotate(runtime, before=clock.now()))
    batches = rotation.reencrypt(runtime, size=7)
    change = update(Secret).values(rev=Secret.rev + 1)
    bump_before_write(runtime, change)

    assert next(batches).done == 0
    assert on_older_keys(runtime) == 7
    assert drain(rotation.reencrypt(runtime)) == (7, 0)
    assert opened(runtime, values) == values


def bump_before_write(runtime, change):
    """Let another transaction in between the reading of a page and the writing of it."""
    real, calls = runtime.sessions, []

    def sessions():
        calls.append(1)
        if len(calls) == 2:
            with real() as other:
                other.execute(change)
                other.commit()
            runtime.sessions = real
        return real()

    runtime.sessions = sessions


def test_data_keys_are_destroyed_after_their_grace_and_only_when_unused(runtime, clock):
    values = fill(runtime)
    clock.advance(1)
    drain(rotation.rotate(runtime, before=clock.now()))
    clock.advance(timedelta(days=31).total_seconds())
    assert drain(rotation.destroy(runtime)) == (0, 0)

    drain(rotation.reencrypt(runtime))
    assert drain(rotation.destroy(runtime, size=3)) == (4, 0)
    with runtime.sessions() as session:
        destroyed = list(session.scalars(select(DataKey).where(DataKey.state == "destroyed")))
    assert {key.wrapped for key in destroyed} == {""}
    assert opened(runtime, values) == values


def test_data_keys_wait_for_their_grace(runtime, clock):
    fill(runtime)
    clock.advance(1)
    job(runtime, "rotate")
    clock.advance(timedelta(days=29).total_seconds())

    assert drain(rotation.destroy(runtime)) == (0, 0)


def test_a_data_key_in_use_cannot_be_deleted_even_after_rotation(runtime, clock):
    fill(runtime)
    clock.advance(1)
    drain(rotation.rotate(runtime, before=clock.now()))

    with runtime.sessions() as session, pytest.raises(IntegrityError):
        session.execute(delete(DataKey).where(DataKey.state == "decrypt"))


def test_a_job_is_run_once_and_tells_how_it_went(runtime, clock):
    fill(runtime)
    clock.advance(1)
    with runtime.sessions() as session:
        first = jobs.start(session, runtime, "rotate", actor="lin")
        assert jobs.start(session, runtime, "rotate", actor="wei").id == first.id
        session.commit()

    assert jobs.run_due(runtime, "one") == 1
    assert jobs.run_due(runtime, "two") == 0
    with runtime.sessions() as session:
        row = session.get(KeyJob, first.id)
    assert (row.state, row.total, row.done, row.failed) == ("done", 11, 11, 0)
    assert row.ended_at is not None


def test_a_job_of_a_dead_process_is_taken_over(runtime, clock):
    values = fill(runtime)
    new_primary(runtime)
    with runtime.sessions() as session:
        dead = jobs.start(session, runtime, "rewrap", actor="lin")
        dead.state, dead.holder, dead.beat_at = "running", "dead", clock.now()
        session.commit()
    assert jobs.run_due(runtime, "living") == 0

    clock.advance(31)
    assert jobs.run_due(runtime, "living") == 1
    assert opened(runtime, values) == values


def test_a_job_waits_while_its_provider_is_away(runtime, clock, monkeypatch):
    fill(runtime)
    new = new_primary(runtime)
    provider = runtime.vault.keys.get(new)
    with monkeypatch.context() as patch:
        patch.setattr(type(provider), "wrap", away)
        waiting = job(runtime, "rewrap")
    assert (waiting.state, waiting.detail) == ("waiting", {"waiting_for": "unavailable"})

    clock.advance(31)
    assert jobs.run_due(runtime, "tests") == 1
    assert wrapped_by(runtime) == {new: 4}


def away(*_args):
    raise Unavailable("away")


def test_upkeep_finishes_what_was_left_and_replaces_worn_keys(runtime, clock):
    values = fill(runtime)
    clock.advance(1)
    drain(rotation.rotate(runtime, before=clock.now()))
    upkeep(runtime)
    jobs.run_due(runtime, "tests")
    assert on_older_keys(runtime) == 0

    before = active_keys(runtime)
    with runtime.sessions() as session:
        session.execute(update(DataKey).where(DataKey.scope == "svc:0").values(enc_count=rotation.MOST_USES))
        session.commit()
    upkeep(runtime)
    jobs.run_due(runtime, "tests")
    after = active_keys(runtime)
    assert {scope for scope in after if after[scope] != before[scope]} == {"svc:0"}

    clock.advance(timedelta(days=366).total_seconds())
    upkeep(runtime)
    jobs.run_due(runtime, "tests")
    assert not set(active_keys(runtime).values()) & set(after.values())
    assert opened(runtime, values) == values


def test_re_encryption_uses_its_index(config, runtime):
    """Without it, a pass over ten thousand rows takes twenty times as long."""
    engine = make_engine(config.database_url)
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            plan = connection.execute(
                text("EXPLAIN QUERY PLAN SELECT id FROM secrets WHERE dek_id IN ('a', 'b')")
            )
            assert "ix_secrets_dek_id" in str(plan.all())
    engine.dispose()
