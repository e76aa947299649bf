"""Keys are made on the first run and never again; what does not fit locks the vault or stops the start."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os

import pytest
from sqlalchemy import select, text

from adapters.kit.clock import FixedClock
from webapp.db import make_engine, make_sessions
from webapp.models.secret import DataKey, Kek
from webapp.runtime import Runtime
from webapp.vault import KeyRefused, KeysLocked, SecretUnreadable
from webapp.vault.keyfile import make_key, read_key, write_once
from webapp.vault.provider import fingerprint
from webapp.vault.sources import KEK_FILE

PLACE = {"scope": "svc:1", "owner_type": "service", "owner_id": "1", "field": "api_key", "actor": "lin"}


@pytest.fixture
def start(config, clock):
    """Start Patchbay anew over the same data, with some settings changed."""
    started = []

    def start(**changes):
        started.append(Runtime.create(dataclasses.replace(config, **changes), clock))
        return started[-1]

    yield start
    for runtime in started:
        runtime.close()


@pytest.fixture
def secret_id(start):
    runtime = start()
    with runtime.sessions() as session:
        secret = runtime.vault.seal(session, value="hunter2-hunter2", **PLACE)
        session.commit()
        return secret.id


def test_the_first_run_makes_a_key_for_its_owner_only(config, start):
    state = start().vault.state()

    path = config.data_dir / KEK_FILE
    assert not state.locked
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key(path) is not None


def test_the_next_run_finds_the_same_key(start, secret_id):
    runtime = start()

    with runtime.sessions() as session:
        assert runtime.vault.open(session, secret_id) == "hunter2-hunter2"
        assert len(session.scalars(select(Kek)).all()) == 1


def test_a_key_from_the_environment_makes_no_file(config, start):
    runtime = start(kek=make_key())

    assert not runtime.vault.state().locked
    assert not (config.data_dir / KEK_FILE).exists()


def test_a_lost_key_locks_the_vault_and_none_is_made(config, start, secret_id):
    path = config.data_dir / KEK_FILE
    lost = fingerprint(read_key(path))
    path.unlink()
    runtime = start()

    state = runtime.vault.state()
    assert (state.locked, state.reason, state.missing_fingerprint) == (True, "key_missing", lost)
    assert lost in str(state.message)
    assert not path.exists()
    with runtime.sessions() as session:
        with pytest.raises(KeysLocked, match=lost):
            runtime.vault.seal(session, value="x", **PLACE)
        with pytest.raises(SecretUnreadable) as unreadable:
            runtime.vault.open(session, secret_id)
    assert unreadable.value.reason == "locked"


def test_a_key_that_comes_back_unlocks_the_vault(config, start, secret_id, clock):
    path = config.data_dir / KEK_FILE
    path.rename(path.with_suffix(".away"))
    runtime = start()
    assert runtime.vault.state().locked

    path.with_suffix(".away").rename(path)
    clock.advance(6)

    assert not runtime.vault.state().locked
    with runtime.sessions() as session:
        assert runtime.vault.open(session, secret_id) == "hunter2-hunter2"


def test_a_wrong_key_locks_the_vault_and_both_are_named(config, start, secret_id):
    path = config.data_dir / KEK_FILE
    right = fingerprint(read_key(path))
    path.unlink()
    wrong = make_key()
    write_once(path, wrong)

    state = start().vault.state()
    assert (state.reason, state.missing_fingerprint) == ("key_differs", right)
    assert state.present_fingerprint == fingerprint(wrong)


def test_the_check_value_finds_a_wrong_key_behind_a_forged_fingerprint(config, start, secret_id):
    path = config.data_dir / KEK_FILE
    path.unlink()
    wrong = make_key()
    write_once(path, wrong)
    engine = make_engine(config.database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE keks SET fingerprint = :mark"), {"mark": fingerprint(wrong)})
    engine.dispose()

    assert start().vault.state().reason == "canary_failed"


def test_a_lost_check_value_locks_the_vault(config, start, secret_id):
    engine = make_engine(config.database_url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM keystore_meta"))
    engine.dispose()

    assert start().vault.state().reason == "canary_failed"


def test_a_different_key_in_environment_and_file_stops_the_start(config, start, secret_id, tmp_path):
    other = make_key()
    with pytest.raises(KeyRefused, match=fingerprint(other)) as refused:
        start(kek=other)
    assert "PATCHBAY_KEK" in str(refused.value)

    write_once(tmp_path / "other.key", other)
    with pytest.raises(KeyRefused, match="keep one"):
        start(kek_file=tmp_path / "other.key")


def test_the_same_key_in_both_is_fine(config, start, secret_id):
    assert not start(kek=read_key(config.data_dir / KEK_FILE)).vault.state().locked


def test_a_named_file_that_does_not_exist_stops_the_start(start, tmp_path):
    with pytest.raises(KeyRefused, match="does not exist"):
        start(kek_file=tmp_path / "none.key")


def test_a_credential_of_systemd_is_used(config, start, tmp_path):
    write_once(tmp_path / "patchbay-kek", make_key())

    assert not start(credentials_dir=tmp_path).vault.state().locked
    assert not (config.data_dir / KEK_FILE).exists()


def test_a_readable_key_file_stops_the_start(config, start, secret_id):
    (config.data_dir / KEK_FILE).chmod(0o644)

    with pytest.raises(KeyRefused, match="chmod 600"):
        start()


def test_a_database_without_tables_waits_for_its_migration(config, start, tmp_path):
    runtime = start(database_url=f"sqlite:///{tmp_path / 'new.sqlite3'}")

    assert runtime.vault.state().reason == "not_initialised"
    assert not (config.data_dir / KEK_FILE).exists()


def first_start(config, barrier, answers):
    barrier.wait(30)
    runtime = Runtime.create(config, FixedClock())
    with runtime.sessions() as session:
        runtime.vault.seal(session, **{**PLACE, "field": f"field-{os.getpid()}"}, value="x")
        session.commit()
    answers.put(runtime.vault.state().locked)


def test_eight_processes_that_start_at_once_agree_on_one_key(config):
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(8), context.SimpleQueue()
    processes = [context.Process(target=first_start, args=[config, barrier, answers]) for _ in range(8)]
    for process in processes:
        process.start()
    locked = [answers.get() for _ in processes]
    for process in processes:
        process.join(30)

    assert locked == [False] * 8
    engine = make_engine(config.database_url)
    with make_sessions(engine)() as session:
        assert len(session.scalars(select(Kek)).all()) == 1
        assert sorted(session.scalars(select(DataKey.scope))) == ["svc:1", "system"]
    engine.dispose()
