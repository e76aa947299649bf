"""The life of a key, step by step, and every step that is refused because it would lose secrets."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from tests.vault.stores import fill, job, new_primary, opened, primary
from webapp.models.audit import AuditEntry
from webapp.models.keystore import KeyProcess
from webapp.models.secret import Kek
from webapp.runtime import Runtime
from webapp.vault import KeyRefused, KeyStepRefused, SecretUnreadable, doctor, lifecycle
from webapp.vault.heartbeat import Heartbeat, living
from webapp.vault.keyfile import make_key, read_key, write_once
from webapp.vault.provider import fingerprint
from webapp.vault.sources import KEK_FILE


@pytest.fixture
def step(runtime):
    """Take a step in a transaction of its own."""

    def step(work, *args, **options):
        with runtime.sessions() as session:
            kek = work(session, runtime, *args, actor="lin", **options)
            session.commit()
            return kek

    return step


def test_a_key_that_is_added_waits_in_a_file_for_its_owner_only(config, runtime, step):
    kek = step(lifecycle.add)

    path = config.data_dir / "keys" / f"{kek.id}.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert kek.state == "decrypt"
    assert primary(runtime).id != kek.id


def test_the_whole_life_of_a_key(config, runtime, clock, step):
    values, old = fill(runtime), primary(runtime).fingerprint
    new = new_primary(runtime)
    job(runtime, "rewrap")
    assert step(lifecycle.retire, old).state == "retired"
    clock.advance(timedelta(days=31).total_seconds())
    assert step(lifecycle.destroy, old).state == "destroyed"

    assert not (config.data_dir / KEK_FILE).exists()
    again = Runtime.create(config, clock)
    assert primary(again).id == new
    assert opened(again, values) == values
    again.close()


def test_each_step_leaves_a_trace(runtime, clock, step):
    old = primary(runtime).fingerprint
    new_primary(runtime)
    job(runtime, "rewrap")
    step(lifecycle.retire, old)
    clock.advance(timedelta(days=31).total_seconds())
    step(lifecycle.destroy, old)

    with runtime.sessions() as session:
        actions = list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.seq)))
    assert actions == ["key.added", "key.promoted", "key.rewrap", "key.retired", "key.destroyed"]


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (lifecycle.promote, "in use already"),
        (lifecycle.retire, "only a key that is no longer in use"),
        (lifecycle.destroy, "Retire the key"),
    ],
)
def test_a_step_out_of_order_is_refused(runtime, step, work, words):
    with pytest.raises(KeyStepRefused, match=words):
        step(work, primary(runtime).fingerprint)


def test_an_unknown_key_is_refused(step):
    with pytest.raises(KeyStepRefused, match="no key 0000"):
        step(lifecycle.promote, "0000")


def test_a_key_that_data_keys_depend_on_is_not_retired(runtime, step):
    fill(runtime)
    old = primary(runtime).fingerprint
    new_primary(runtime)

    with pytest.raises(KeyStepRefused, match="4 data keys"):
        step(lifecycle.retire, old)


def test_a_key_is_not_destroyed_within_its_grace_time(config, runtime, clock, step):
    old = primary(runtime).fingerprint
    new_primary(runtime)
    job(runtime, "rewrap")
    step(lifecycle.retire, old)
    clock.advance(timedelta(days=29).total_seconds())

    with pytest.raises(KeyStepRefused, match="Backups"):
        step(lifecycle.destroy, old)
    assert (config.data_dir / KEK_FILE).exists()


def test_a_key_is_not_promoted_until_every_living_process_has_it(config, runtime, clock, step, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    write_once(elsewhere / KEK_FILE, read(config))
    other = Runtime.create(dataclasses.replace(config, data_dir=elsewhere), clock)
    Heartbeat(runtime).beat()
    Heartbeat(other, "worker").beat()
    kek = step(lifecycle.add)

    with pytest.raises(KeyStepRefused, match="cannot use the key"):
        step(lifecycle.promote, kek.fingerprint)

    Heartbeat(runtime).beat()
    (elsewhere / "keys").mkdir(mode=0o700)
    write_once(elsewhere / "keys" / f"{kek.id}.key", read(config, f"keys/{kek.id}.key"))
    clock.advance(61)
    Heartbeat(runtime).beat()
    Heartbeat(other).beat()
    assert step(lifecycle.promote, kek.fingerprint).state == "primary"
    values = fill(runtime)
    assert opened(other, values) == values
    other.close()


def read(config, name=KEK_FILE):
    return read_key(config.data_dir / name)


def test_a_process_that_went_away_is_not_waited_for(runtime, clock, step):
    Heartbeat(runtime).beat()
    with runtime.sessions() as session:
        session.scalars(select(KeyProcess)).one().fingerprints = []
        session.commit()
    kek = step(lifecycle.add)
    with pytest.raises(KeyStepRefused):
        step(lifecycle.promote, kek.fingerprint)

    clock.advance(61)
    assert step(lifecycle.promote, kek.fingerprint).state == "primary"


def test_a_process_that_stops_says_so(runtime, clock):
    heartbeat = Heartbeat(runtime)
    heartbeat.beat()
    heartbeat.stop()

    with runtime.sessions() as session:
        assert living(session, clock.now()) == []


def test_a_key_that_is_in_place_already_is_registered_by_its_fingerprint(config, runtime, step):
    key = make_key()
    (config.data_dir / "keys").mkdir(mode=0o700)
    write_once(config.data_dir / "keys" / "mine.key", key)

    assert step(lifecycle.add, existing=fingerprint(key)).fingerprint == fingerprint(key)
    with pytest.raises(KeyStepRefused, match="not registered yet"):
        step(lifecycle.add, existing=fingerprint(key))


def test_a_directory_that_cannot_be_written_is_named(config, runtime, step):
    (config.data_dir / "keys").write_text("")

    with pytest.raises(KeyRefused, match="cannot be written"):
        step(lifecycle.add)


def test_a_bad_file_among_the_keys_stops_the_start_and_not_what_runs(config, runtime, clock):
    values = fill(runtime)
    (config.data_dir / "keys").mkdir(mode=0o700)
    bad = config.data_dir / "keys" / "bad.key"
    bad.write_text("nonsense")
    bad.chmod(0o600)

    Heartbeat(runtime).beat()
    assert opened(runtime, values) == values
    with pytest.raises(KeyRefused, match=r"bad\.key"):
        Runtime.create(config, clock)


def test_yesterdays_database_names_the_key_it_needs_and_opens_with_it(config, runtime, clock, step):
    values, old = fill(runtime), primary(runtime).fingerprint
    key = read(config)
    with runtime.sessions() as session:
        rows = {
            name: session.execute(text(f"SELECT * FROM {name}")).mappings().all()
            for name in ("keks", "data_keys")
        }
    new = new_primary(runtime)
    job(runtime, "rewrap")
    step(lifecycle.retire, old)
    clock.advance(timedelta(days=31).total_seconds())
    step(lifecycle.destroy, old)
    restore(runtime, rows, new)

    restored = Runtime.create(config, clock)
    assert restored.vault.state().missing_fingerprint == old
    assert examined(restored).missing == [old]
    with pytest.raises(SecretUnreadable):
        opened(restored, values)

    write_once(config.data_dir / "keys" / "back.key", key)
    clock.advance(6)
    assert not restored.vault.state().locked
    assert opened(restored, values) == values
    assert examined(restored).healthy
    restored.close()


def examined(runtime):
    """What the doctor says of everything."""
    return list(doctor.examine(runtime, 1.0))[-1]


def restore(runtime, rows, new):
    """Put the rows of a backup back over those of today."""
    with runtime.sessions() as session:
        for row in rows["data_keys"]:
            session.execute(
                text("UPDATE data_keys SET wrapped = :wrapped, kek_id = :kek_id, rev = :rev WHERE id = :id"),
                {name: row[name] for name in ("wrapped", "kek_id", "rev", "id")},
            )
        session.execute(text("UPDATE keks SET state = 'retired' WHERE id = :id"), {"id": new})
        for row in rows["keks"]:
            session.execute(
                text("UPDATE keks SET state = :state WHERE id = :id"),
                {"state": row["state"], "id": row["id"]},
            )
        session.commit()


def test_flushing_reaches_every_process_at_its_next_beat(config, runtime, clock, step):
    values = fill(runtime)
    other = Runtime.create(config, clock)
    heartbeat = Heartbeat(other)
    heartbeat.beat()
    assert opened(other, values) == values
    forgotten = []
    other.vault.forget = lambda: forgotten.append(True)

    heartbeat.beat()
    assert forgotten == []
    step(lifecycle.flush)
    heartbeat.beat()
    assert forgotten == [True]
    other.close()


def test_only_one_key_is_primary(runtime):
    for _ in range(3):
        new_primary(runtime)

    with runtime.sessions() as session:
        states = sorted(session.scalars(select(Kek.state)))
    assert states == ["decrypt", "decrypt", "decrypt", "primary"]
