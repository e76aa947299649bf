"""The doctor names every key, everything that does not open and why, and is quick about it."""

from __future__ import annotations

import dataclasses
import json
import time
import tracemalloc
import uuid

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import insert, select, update

from tests.vault.stores import fill, job, new_primary, primary
from webapp.ids import uuid7
from webapp.models.secret import DataKey, Secret
from webapp.runtime import Runtime
from webapp.vault import KeyStepRefused, rows
from webapp.vault.doctor import examine
from webapp.vault.export import export_keys, import_keys
from webapp.vault.keyset import context_of


def report(runtime, sample=1.0):
    return list(examine(runtime, sample))[-1]


def test_everything_is_well(runtime):
    fill(runtime)

    found = report(runtime)
    assert found.healthy
    assert found.examined == 7
    assert [(line.state, line.here, line.data_keys, line.secrets) for line in found.keys] == [
        ("primary", True, 4, 7)
    ]
    assert found.data_keys == {"active": 4}


def test_rows_are_counted_for_each_key(runtime, clock):
    fill(runtime, scopes=2)
    clock.advance(1)
    new_primary(runtime)
    fill(runtime, scopes=3)

    lines = [(line.state, line.data_keys, line.secrets) for line in report(runtime).keys]
    assert lines == [("decrypt", 3, 9), ("primary", 1, 2)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ct": "plain text"}, "malformed"),
        ({"ct": ""}, "malformed"),
        ({"ct": None}, "malformed"),
        ({"owner_id": "other"}, "corrupt"),
    ],
)
def test_what_does_not_open_is_named(runtime, change, reason):
    values = fill(runtime)
    broken = next(iter(values))
    with runtime.sessions() as session:
        session.execute(update(Secret).where(Secret.id == broken).values(**change))
        session.commit()

    found = report(runtime)
    assert not found.healthy
    assert found.reasons == {reason: 1}
    assert [(line.secret_id, line.field, line.reason) for line in found.unreadable] == [
        (broken, "field_0", reason)
    ]


def test_a_key_that_is_not_here_is_named_by_its_fingerprint(config, runtime, clock):
    fill(runtime)
    old = primary(runtime).fingerprint
    new_primary(runtime)
    with runtime.sessions() as session:
        canary = session.scalars(select(DataKey).where(DataKey.scope == "system")).one()
        keys = runtime.vault.keys
        target = keys.get(primary(runtime).id)
        canary.wrapped = target.wrap(keys.unwrap(canary), context_of(canary))
        canary.kek_id = target.describe().id
        session.commit()
    (config.data_dir / "patchbay.key").rename(config.data_dir / "patchbay.key.away")

    lacking = Runtime.create(config, clock)
    assert not lacking.vault.state().locked
    found = report(lacking)
    assert found.missing == [old]
    assert found.reasons == {"key_missing": 6}
    lacking.close()


def test_the_report_holds_no_value(runtime):
    values = fill(runtime)

    assert not [value for value in values.values() if value in str(report(runtime).to_dict())]


def test_a_job_keeps_the_report(runtime):
    fill(runtime)

    done = job(runtime, "doctor")
    assert (done.state, done.total, done.done) == ("done", 7, 7)
    assert done.detail["report"]["healthy"]


def test_a_sample_is_a_part(runtime):
    fill(runtime, scopes=10, each=20)

    assert 0 < report(runtime, 0.2).examined < 150


@pytest.mark.slow
def test_a_hundred_thousand_secrets_are_examined_in_five_seconds_and_little_memory(runtime, clock):
    scopes, each = 1000, 100
    with runtime.sessions() as session:
        kek, keys = rows.primary_id(session), runtime.vault.keys
        for scope in range(scopes):
            data_key = rows.new_key(keys, kek, f"svc:{scope}", clock.now())
            session.add(data_key)
            session.flush()
            key = AESGCM(keys.unwrap(data_key))
            session.execute(insert(Secret), [sealed(data_key, key, scope, n, clock) for n in range(each)])
        session.commit()

    began = time.process_time()
    found = report(runtime)
    took = time.process_time() - began
    runtime.vault.forget()
    tracemalloc.start()
    again = report(runtime)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert again.examined == found.examined
    assert most < 30_000_000
    assert report(runtime, 0.0).examined == 0
    assert found.examined == scopes * each + 1
    assert found.healthy
    assert took < 5


def sealed(data_key, key, scope, number, clock):
    secret = Secret(
        id=uuid7(),
        owner_type="service",
        owner_id=str(scope),
        field=f"f{number}",
        version=1,
        dek_id=data_key.id,
    )
    return {
        "id": secret.id,
        "owner_type": "service",
        "owner_id": str(scope),
        "field": f"f{number}",
        "version": 1,
        "dek_id": data_key.id,
        "ct": rows.sealed(secret, key, data_key.id, uuid.uuid4().hex),
        "created_by": "lin",
        "created_at": clock.now(),
    }


PASSPHRASE = "quarry lantern velvet moss"


def test_an_export_brings_every_key_to_another_place(config, runtime, tmp_path):
    fill(runtime)
    new_primary(runtime)
    text = export_keys(config, PASSPHRASE)
    elsewhere = dataclasses.replace(config, data_dir=tmp_path / "elsewhere")
    elsewhere.data_dir.mkdir(mode=0o700)

    assert import_keys(elsewhere, text, PASSPHRASE) == runtime.vault.keys.fingerprints()
    restored = Runtime.create(elsewhere, runtime.clock)
    assert report(restored).healthy
    restored.close()


def test_an_export_tells_nothing_without_its_passphrase(config, runtime):
    text = export_keys(config, PASSPHRASE)
    for key in config.data_dir.rglob("*"):
        if key.is_file():
            assert key.read_text().split()[2] not in text
    with pytest.raises(KeyStepRefused, match="does not fit"):
        import_keys(config, text, "another passphrase")


@pytest.mark.parametrize(
    "change",
    [
        ("sealed", "AAAA"),
        ("memory", 9000),
        ("fingerprints", ["0" * 16]),
        ("salt", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ],
)
def test_a_changed_export_is_refused(config, runtime, change):
    content = json.loads(export_keys(config, PASSPHRASE)) | dict([change])
    with pytest.raises(KeyStepRefused):
        import_keys(config, json.dumps(content), PASSPHRASE)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "x" * 300_000, '{"format": "patchbay-keys-1", "memory": 99999999}']
)
def test_what_is_no_export_is_refused(config, runtime, text):
    with pytest.raises(KeyStepRefused, match="not an export"):
        import_keys(config, text, PASSPHRASE)


def test_a_short_passphrase_is_refused(config, runtime):
    with pytest.raises(KeyStepRefused, match="12 characters"):
        export_keys(config, "short")
