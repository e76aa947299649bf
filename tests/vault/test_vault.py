"""Sealing and opening: every value opens in its own place only, and the database never holds it."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from webapp.models.secret import DataKey, Secret
from webapp.vault import SecretUnreadable

VALUE = "s3cr3t+/value with spaces x9Qz"


@pytest.fixture
def vault(runtime):
    return runtime.vault


@pytest.fixture
def seal(vault, session):
    def seal(value=VALUE, owner="one", field="api_key", **options):
        secret = vault.seal(
            session,
            scope=f"svc:{owner}",
            owner_type="service",
            owner_id=owner,
            field=field,
            value=value,
            actor="lin@example.com",
            **options,
        )
        session.commit()
        return secret

    return seal


def reason(vault, session, secret):
    session.expire_all()
    with pytest.raises(SecretUnreadable) as unreadable:
        vault.open(session, secret.id)
    assert VALUE not in str(unreadable.value)
    return unreadable.value.reason


def test_a_sealed_secret_opens(vault, session, seal, clock):
    secret = seal()

    assert vault.open(session, secret.id) == VALUE
    assert secret.created_at == clock.now()
    assert (secret.created_by, secret.version, secret.kind) == ("lin@example.com", 1, "value")


@pytest.mark.parametrize("value", ["x", "密码🔑", "line\nline\x00", "p" * 8192, ""])
def test_any_text_survives(vault, session, seal, value):
    assert vault.open(session, seal(value).id) == value


def test_a_new_value_is_a_new_version_and_the_old_one_stays(vault, session, seal):
    old, new = seal("first"), seal("second")

    assert (old.version, new.version) == (1, 2)
    assert vault.open(session, old.id) == "first"
    assert vault.open(session, new.id) == "second"


def test_each_scope_has_one_key_and_counts_its_use(session, seal):
    seal(), seal(field="other"), seal(owner="two")

    session.expire_all()
    uses = {key.scope: key.enc_count for key in session.scalars(select(DataKey))}
    assert uses == {"system": 0, "svc:one": 2, "svc:two": 1}


def test_the_last_characters_are_kept_only_where_they_tell_little(seal):
    assert seal(show_last4=True).hint == "x9Qz"
    assert seal().hint is None
    assert seal("short-value", show_last4=True).hint is None


def test_equal_values_can_be_told_without_opening_them(seal):
    assert seal("same").fp == seal("same", owner="two").fp != seal("other").fp


def test_a_flipped_bit_spoils_one_secret_only(vault, session, seal):
    spoiled, whole = seal(), seal(field="other")
    head, _, packed = spoiled.ct.rpartition(".")
    spoiled.ct = f"{head}.{'B' if packed[0] == 'A' else 'A'}{packed[1:]}"
    session.commit()

    assert reason(vault, session, spoiled) == "corrupt"
    assert vault.open(session, whole.id) == VALUE


@pytest.mark.parametrize("stored", [VALUE, "", None, "pb0.a.AAAA", "pb9.a.AAAA"])
def test_a_plain_value_in_the_database_is_never_handed_back(vault, session, seal, stored):
    secret = seal()
    session.execute(update(Secret).where(Secret.id == secret.id).values(ct=stored))
    session.commit()

    assert reason(vault, session, secret) == "malformed"


@pytest.mark.parametrize("other", [{"field": "other"}, {"owner": "two"}])
def test_swapped_rows_do_not_open(vault, session, seal, other):
    one, two = seal("one-one-one"), seal("two-two-two", **other)
    one.ct, two.ct = two.ct, one.ct
    one.dek_id, two.dek_id = two.dek_id, one.dek_id
    session.commit()

    assert reason(vault, session, one) == "corrupt"
    assert reason(vault, session, two) == "corrupt"


@pytest.mark.parametrize(
    "change",
    [{"owner_id": "two"}, {"owner_type": "user"}, {"field": "username"}],
    ids=["owner", "type", "field"],
)
def test_a_secret_that_was_given_to_another_place_does_not_open(vault, session, seal, change):
    secret = seal()
    session.execute(update(Secret).where(Secret.id == secret.id).values(**change))
    session.commit()

    assert reason(vault, session, secret) == "corrupt"


def test_swapped_data_keys_do_not_open(vault, session, seal, clock):
    one, two = seal(), seal(owner="two")
    first, second = (session.get(DataKey, secret.dek_id) for secret in (one, two))
    first.wrapped, second.wrapped = second.wrapped, first.wrapped
    session.commit()
    vault.prepare()

    assert reason(vault, session, one) == "corrupt"
    assert reason(vault, session, two) == "corrupt"


@pytest.mark.parametrize("content", [b"pb1.bytes", b"\xff\xfe", None, ""])
def test_content_that_is_no_text_is_unreadable(vault, runtime, session, seal, content):
    if runtime.engine.dialect.name != "sqlite":
        pytest.skip("this database keeps bytes out of a column of text")
    secret = seal()
    session.execute(text("UPDATE secrets SET ct = :ct WHERE id = :id"), {"ct": content, "id": secret.id})
    session.commit()

    assert reason(vault, session, secret) == "malformed"


def test_an_unknown_key_is_named(vault, session, seal):
    secret = seal()
    secret.ct = secret.ct.replace(secret.dek_id, "0193f000-0000-7000-8000-000000000000")
    session.commit()

    with pytest.raises(SecretUnreadable, match="0193f000-0000-7000-8000-000000000000") as unreadable:
        vault.open(session, secret.id)
    assert unreadable.value.reason == "unknown_key"


def test_a_key_of_another_scope_is_refused(vault, session, seal):
    secret, other = seal(), seal(owner="two")
    secret.ct = secret.ct.replace(secret.dek_id, other.dek_id)
    session.commit()

    assert reason(vault, session, secret) == "corrupt"


def test_a_secret_that_does_not_exist_is_missing(vault, session):
    with pytest.raises(SecretUnreadable, match="missing"):
        vault.open(session, "0193f000-0000-7000-8000-000000000000")


def test_a_data_key_in_use_cannot_be_deleted(session, seal):
    key_id = seal().dek_id

    with pytest.raises(IntegrityError):
        session.execute(text("DELETE FROM data_keys WHERE id = :id"), {"id": key_id})


def test_a_scope_cannot_have_two_active_keys(session, seal):
    key = session.get(DataKey, seal().dek_id)
    session.add(DataKey(scope=key.scope, kek_id=key.kek_id, wrapped="x"))

    with pytest.raises(IntegrityError):
        session.flush()


def test_nothing_is_saved_when_the_caller_gives_up(vault, session):
    place = {"scope": "svc:one", "owner_type": "service", "owner_id": "one", "field": "api_key"}
    secret = vault.seal(session, **place, value=VALUE, actor="lin")
    session.rollback()

    with pytest.raises(SecretUnreadable, match="missing"):
        vault.open(session, secret.id)
    again = vault.seal(session, **place, value=VALUE, actor="lin")
    session.commit()
    assert vault.open(session, again.id) == VALUE


def test_derived_keys_differ_by_purpose_and_stay_the_same(vault):
    assert vault.derive(b"flask") == vault.derive(b"flask")
    assert vault.derive(b"flask") != vault.derive(b"audit")
    assert len(vault.derive(b"flask", 64)) == 64


def test_no_representation_shows_a_key_or_a_value(runtime, config, seal):
    shown = f"{runtime!r} {config!r} {seal()!r} {runtime.vault.keys!r}"

    for path in config.data_dir.iterdir():
        assert path.read_text().split()[2] not in shown
    assert VALUE not in shown


def test_the_database_holds_no_secret_in_any_encoding(session, seal, config, database_url):
    seal(show_last4=True)
    session.close()
    encodings = [
        VALUE.encode(),
        quote(VALUE).encode(),
        base64.b64encode(VALUE.encode()),
        VALUE.encode().hex().encode(),
    ]
    keys = [path.read_text().split()[2].encode() for path in config.data_dir.iterdir()]

    assert len(keys) == 2
    for dump in stored(session, database_url):
        for needle in encodings + keys + [base64.b64decode(key) for key in keys]:
            assert needle not in dump


def stored(session, url):
    """Everything the database keeps: its files on SQLite, the rows of its tables on PostgreSQL."""
    if url.startswith("sqlite:///"):
        path = url.removeprefix("sqlite:///")
        for suffix in ("", "-wal"):
            yield Path(path + suffix).read_bytes()
        return
    for table in ("keks", "data_keys", "secrets", "keystore_meta"):
        yield str(session.execute(text(f"SELECT * FROM {table}")).all()).encode()


def test_a_clock_that_is_set_anew_changes_no_cache(vault, session, seal, clock, monkeypatch):
    secret = seal()
    vault.open(session, secret.id)
    monkeypatch.setattr(
        type(vault.keys), "unwrap", None
    )  # would be asked if the cache took the time for passed

    for hours in (-1, 2):
        clock.at += timedelta(hours=hours)
        assert vault.open(session, secret.id) == VALUE
