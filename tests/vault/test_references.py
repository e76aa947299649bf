"""Secrets that stay elsewhere: what a reference may look like, how far it reaches, and how long it is kept."""

from __future__ import annotations

import dataclasses
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.keyconfig import KeyPlaces, RefLimits
from webapp.runtime import Runtime
from webapp.vault import BadReference, Corrupt, Denied, KeyMissing, Reference, SecretUnreadable, Unavailable
from webapp.vault.resolver import FRESH_S, USABLE_S, Resolver

EVERYTHING = RefLimits(
    vault=("kv/patchbay",),
    aws_sm=("patchbay",),
    aws_ssm=("/patchbay",),
    azure=("https://house.vault.azure.net",),
)
PLACE = {"scope": "svc:1", "owner_type": "service", "owner_id": "1", "field": "api_key", "actor": "lin"}


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("vault:kv/patchbay/mail#key", ("kv/patchbay/mail", "key", "")),
        ("vault:kv/patchbay/mail#key@3", ("kv/patchbay/mail", "key", "3")),
        ("aws-sm:patchbay/mail", ("patchbay/mail", "", "")),
        ("aws-sm:patchbay/mail#key@AWSPREVIOUS", ("patchbay/mail", "key", "AWSPREVIOUS")),
        (
            "aws-sm:arn:aws:secretsmanager:eu-central-1:123456789012:secret:patchbay/mail-AbCdEf#key",
            ("arn:aws:secretsmanager:eu-central-1:123456789012:secret:patchbay/mail-AbCdEf", "key", ""),
        ),
        ("aws-ssm:/patchbay/mail", ("/patchbay/mail", "", "")),
        ("azure-kv:house/mail-key", ("house", "mail-key", "")),
        ("azure-kv:house.vault.azure.net/mail-key@a1", ("house.vault.azure.net", "mail-key", "a1")),
        ("env:PATCHBAY_SECRET_MAIL", ("PATCHBAY_SECRET_MAIL", "", "")),
    ],
)
def test_a_reference_has_parts_and_may_reach_what_is_allowed(uri, parts):
    reference = Reference.parse(uri)

    assert (reference.path, reference.key, reference.version) == parts
    reference.check(EVERYTHING)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "vault:",
        "vault:kv",
        "vault:kv/mail",
        "vault:kv/../sys#key",
        "vault:kv/a//b#key",
        "vault:/kv/a#key",
        "vault:kv/a#key@latest",
        "vault:kv/a?x=1#key",
        "vault:kv/%2e%2e/sys#key",
        "env:PATH",
        "env:DATABASE_URL",
        "env:PATCHBAY_DATABASE_URL",
        "env:PATCHBAY_SECRET_mail",
        "file:/etc/passwd",
        "file:../patchbay.key",
        "file:a/../../b",
        "file:.hidden",
        "file:a\nb",
        "aws-ssm:../x",
        "azure-kv:house",
        "azure-kv:house/a/b",
        "http://example.com/",
        "vault:kv/a#key\x00",
        "VAULT:kv/a#key",
        "aws-ssm:" + "x" * 600,
    ],
)
def test_what_is_no_reference_is_refused(uri):
    with pytest.raises(BadReference):
        Reference.parse(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "vault:kv/patchbay2/mail#key",
        "vault:kv/other/mail#key",
        "vault:sys/patchbay#key",
        "aws-sm:other/mail",
        "aws-sm:arn:aws:secretsmanager:eu-central-1:123456789012:secret:other/patchbay",
        "aws-ssm:/patchbay2",
        "aws-ssm:patchbay/mail",
        "azure-kv:stranger/mail",
        "env:PATCHBAY_SECRET_KEY",
        "env:PATCHBAY_SECRET_KEY_FILE",
        "file:mail",
    ],
)
def test_what_lies_outside_the_limits_is_refused(uri):
    with pytest.raises(BadReference, match="does not let"):
        Reference.parse(uri).check(EVERYTHING)


@pytest.mark.parametrize("uri", ["vault:kv/a#k", "aws-sm:a", "aws-ssm:/a", "azure-kv:a/b", "file:a"])
def test_without_limits_only_variables_may_be_referred_to(uri):
    with pytest.raises(BadReference):
        Reference.parse(uri).check(RefLimits())
    Reference.parse("env:PATCHBAY_SECRET_MAIL").check(RefLimits())


@given(st.text(max_size=80))
def test_no_text_breaks_the_reading(text):
    for kind in ("", "vault:", "aws-sm:", "file:", "env:"):
        try:
            reference = Reference.parse(kind + text)
        except BadReference:
            continue
        assert ".." not in reference.uri
        assert reference.uri.isascii()


@pytest.fixture
def places(tmp_path):
    directory = tmp_path / "secrets"
    directory.mkdir()
    return KeyPlaces(references=dataclasses.replace(EVERYTHING, file_dir=directory))


@pytest.fixture
def resolver(places, clock):
    return Resolver(places, clock.monotonic)


def test_a_variable_is_read_when_it_is_needed(resolver, clock, monkeypatch):
    monkeypatch.setenv("PATCHBAY_SECRET_MAIL", "one")
    assert resolver.value("env:PATCHBAY_SECRET_MAIL") == "one"

    monkeypatch.setenv("PATCHBAY_SECRET_MAIL", "two")
    assert resolver.value("env:PATCHBAY_SECRET_MAIL") == "one"
    clock.advance(FRESH_S)
    assert resolver.value("env:PATCHBAY_SECRET_MAIL") == "two"
    monkeypatch.setenv("PATCHBAY_SECRET_MAIL", "three")
    resolver.forget("env:PATCHBAY_SECRET_MAIL")
    assert resolver.value("env:PATCHBAY_SECRET_MAIL") == "three"


def test_a_variable_that_is_not_set_is_missing(resolver):
    with pytest.raises(KeyMissing, match="PATCHBAY_SECRET_NONE"):
        resolver.value("env:PATCHBAY_SECRET_NONE")


def test_the_limits_hold_when_a_value_is_fetched_too(resolver):
    """So that a row that was changed in the database reaches no further than the form does."""
    for uri in ("env:PATH", "file:../x", "vault:kv/other#key", "nonsense"):
        with pytest.raises(Denied):
            resolver.value(uri)


def test_a_file_is_read_without_its_line_end(resolver, places):
    (places.references.file_dir / "mail").write_text("s3cret\n")

    assert resolver.value("file:mail") == "s3cret"


def test_a_link_within_the_directory_is_followed_and_one_out_of_it_is_not(resolver, places, tmp_path):
    directory = places.references.file_dir
    (directory / "v1").mkdir()
    (directory / "v1" / "mail").write_text("inside")
    (directory / "mail").symlink_to("v1/mail")
    (tmp_path / "outside").write_text("outside")
    (directory / "out").symlink_to(tmp_path / "outside")
    (directory / "up").symlink_to(tmp_path)

    assert resolver.value("file:mail") == "inside"
    for name in ("out", "up/outside"):
        with pytest.raises(Denied):
            resolver.value(f"file:{name}")


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda path: path.mkdir(), Denied),
        (os.mkfifo, Denied),
        (lambda path: path.write_bytes(b"\xff\xfe"), Corrupt),
        (lambda path: path.write_text(""), Corrupt),
        (lambda path: path.write_text("x" * 70_000), Corrupt),
        (str, KeyMissing),
    ],
    ids=["directory", "pipe", "binary", "empty", "long", "none"],
)
def test_what_is_no_secret_file_has_a_name(resolver, places, make, error):
    make(places.references.file_dir / "mail")

    with pytest.raises(error):
        resolver.value("file:mail")


def test_a_value_serves_on_while_its_source_is_away(resolver, clock, monkeypatch):
    monkeypatch.setattr(Resolver, "_vault", lambda *_: "value")
    assert resolver.value("vault:kv/patchbay/mail#key") == "value"
    monkeypatch.setattr(Resolver, "_vault", away)
    clock.advance(USABLE_S - 1)
    assert resolver.value("vault:kv/patchbay/mail#key") == "value"

    clock.advance(1)
    with pytest.raises(Unavailable):
        resolver.value("vault:kv/patchbay/mail#key")


def away(*_args):
    raise Unavailable("away")


def test_many_that_want_one_value_fetch_it_once(resolver, monkeypatch):
    asked, gate = [], threading.Event()

    def slow(*_args):
        asked.append(1)
        gate.wait(5)
        return "value"

    monkeypatch.setattr(Resolver, "_vault", slow)
    threads = [threading.Thread(target=resolver.value, args=["vault:kv/patchbay/mail#key"]) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(5)

    assert len(asked) == 1


def test_a_reference_is_stored_as_what_it_is(config, clock, monkeypatch):
    monkeypatch.setenv("PATCHBAY_SECRET_MAIL", "s3cret")
    runtime = Runtime.create(config, clock)
    with runtime.sessions() as session:
        secret = runtime.vault.refer(session, reference=Reference.parse("env:PATCHBAY_SECRET_MAIL"), **PLACE)
        session.commit()
        assert (secret.kind, secret.ref_uri, secret.ct, secret.dek_id, secret.hint) == (
            "ref", "env:PATCHBAY_SECRET_MAIL", None, None, None,
        )  # fmt: skip
        assert runtime.vault.open(session, secret.id) == "s3cret"
        assert runtime.vault.seal(session, value="typed", **PLACE).version == 2
        with pytest.raises(BadReference):
            runtime.vault.refer(session, reference=Reference.parse("vault:kv/x#y"), **PLACE)
    runtime.close()


def test_a_reference_that_leads_nowhere_is_unreadable_and_says_why(runtime, monkeypatch):
    with runtime.sessions() as session:
        secret = runtime.vault.refer(session, reference=Reference.parse("env:PATCHBAY_SECRET_MAIL"), **PLACE)
        session.commit()
        with pytest.raises(SecretUnreadable) as unreadable:
            runtime.vault.open(session, secret.id)
    assert unreadable.value.reason == "reference_key_missing"


def test_a_reference_works_while_keys_are_locked(config, clock, monkeypatch):
    monkeypatch.setenv("PATCHBAY_SECRET_MAIL", "s3cret")
    runtime = Runtime.create(config, clock)
    with runtime.sessions() as session:
        secret = runtime.vault.refer(session, reference=Reference.parse("env:PATCHBAY_SECRET_MAIL"), **PLACE)
        session.commit()
        (config.data_dir / "patchbay.key").unlink()
        runtime.vault.prepare()
        assert runtime.vault.state().locked
        assert runtime.vault.open(session, secret.id) == "s3cret"
    runtime.close()
