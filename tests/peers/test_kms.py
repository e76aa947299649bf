"""Data keys wrapped by KMS: moto answers over HTTP, and refusals that moto does not know come from a stub."""

from __future__ import annotations

import dataclasses
import socket
import time

import pytest
from botocore.stub import Stubber

from tests.vault.stores import fill, job, new_primary, opened, primary, wrapped_by
from webapp.keyconfig import KeyPlaces
from webapp.runtime import Runtime
from webapp.vault import Corrupt, Denied, KeyDisabled, KeyMissing, Unavailable
from webapp.vault.amazon import KmsKeyProvider, client_of
from webapp.vault.provider import KeyContext

CONTEXT = KeyContext("0193f000-0000-7000-8000-000000000000", "svc")
DEK = bytes(range(32))


@pytest.fixture
def provider(aws):
    return KmsKeyProvider(aws.settings(kms_key=aws.make_key()))


def test_what_is_wrapped_is_unwrapped(provider):
    blob = provider.wrap(DEK, CONTEXT)

    assert blob.startswith("kms1.")
    assert provider.unwrap(blob, CONTEXT) == DEK
    provider.health()


@pytest.mark.parametrize(
    "other", [KeyContext(CONTEXT.dek_id, "system"), KeyContext("0193f000-0000-7000-8000-000000000001", "svc")]
)
def test_a_wrapped_key_belongs_to_its_place(provider, other):
    with pytest.raises(Corrupt):
        provider.unwrap(provider.wrap(DEK, CONTEXT), other)


def test_rewrapping_never_shows_the_data_key(provider):
    blob = provider.wrap(DEK, CONTEXT)
    [fresh] = provider.rewrap([(blob, CONTEXT)])

    assert fresh != blob
    assert provider.unwrap(fresh, CONTEXT) == DEK


def test_key_material_that_aws_replaced_still_opens(aws, provider):
    blob = provider.wrap(DEK, CONTEXT)
    aws.client("kms").rotate_key_on_demand(KeyId=provider._key)

    assert provider.unwrap(blob, CONTEXT) == DEK


def test_another_key_does_not_open_it(aws, provider):
    blob = provider.wrap(DEK, CONTEXT)
    other = KmsKeyProvider(aws.settings(kms_key=aws.make_key()))

    with pytest.raises((Denied, Corrupt)):
        other.unwrap(blob, CONTEXT)


@pytest.mark.parametrize("blob", ["", "pb1.a.b", "kms1.", "kms1.?", "kms1.AAAA"])
def test_what_was_never_wrapped_is_corrupt(provider, blob):
    with pytest.raises(Corrupt):
        provider.unwrap(blob, CONTEXT)


def test_a_missing_key_is_missing(aws):
    with pytest.raises(KeyMissing):
        KmsKeyProvider(aws.settings(kms_key="0193f000-0000-7000-8000-000000000000")).health()


def test_a_disabled_key_is_seen(aws, provider):
    aws.client("kms").disable_key(KeyId=provider._key)

    with pytest.raises(KeyDisabled):
        provider.health()


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("DisabledException", 400, KeyDisabled),
        ("KMSInvalidStateException", 400, KeyDisabled),
        ("KeyUnavailableException", 500, Unavailable),
        ("IncorrectKeyException", 400, Corrupt),
        ("InvalidCiphertextException", 400, Corrupt),
        ("InvalidKeyUsageException", 400, KeyDisabled),
        ("DependencyTimeoutException", 500, Unavailable),
        ("KMSInternalException", 500, Unavailable),
        ("ThrottlingException", 400, Unavailable),
        ("AccessDeniedException", 400, Denied),
        ("UnrecognizedClientException", 400, Denied),
        ("ExpiredTokenException", 400, Denied),
        ("InvalidGrantTokenException", 400, Denied),
        ("SomethingNew", 503, Unavailable),
    ],
)
def test_refusals_have_names(aws, code, status, error):
    provider = KmsKeyProvider(aws.settings(kms_key="key"))
    provider._client = client_of("kms", provider._settings)
    with Stubber(provider._client) as stub:
        for _ in range(2):
            stub.add_client_error("decrypt", code, http_status_code=status)
        with pytest.raises(error):
            provider.unwrap("kms1.AAAA", CONTEXT)


@pytest.mark.parametrize("plain", [b"", DEK[:31], DEK + b"x"])
def test_a_key_of_the_wrong_length_is_corrupt(aws, plain):
    provider = KmsKeyProvider(aws.settings(kms_key="key"))
    provider._client = client_of("kms", provider._settings)
    with Stubber(provider._client) as stub:
        stub.add_response("decrypt", {"Plaintext": plain} if plain else {})
        with pytest.raises(Corrupt):
            provider.unwrap("kms1.AAAA", CONTEXT)


def test_without_credentials_it_says_so(aws, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    with pytest.raises(Denied, match="credentials"):
        KmsKeyProvider(aws.settings(kms_key="key")).health()


def test_a_server_that_is_not_there_is_unavailable(aws):
    with pytest.raises(Unavailable):
        KmsKeyProvider(aws.settings(endpoint_url="http://127.0.0.1:1", kms_key="key")).health()


def test_a_server_that_hangs_is_given_up_in_three_seconds(aws):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        provider = KmsKeyProvider(aws.settings(endpoint_url=url, kms_key="key"))
        provider._kms()
        began = time.monotonic()
        with pytest.raises(Unavailable):
            provider.health()
        assert time.monotonic() - began < 3.2


def test_moving_there_loses_nothing(aws, config, clock):
    runtime = Runtime.create(config, clock)
    values = fill(runtime)
    runtime.close()
    places = KeyPlaces(aws=aws.settings(kms_key=aws.make_key()))
    there = Runtime.create(dataclasses.replace(config, key_provider="aws-kms", places=places), clock)
    kek = new_primary(there)

    assert primary(there).kind == "aws-kms"
    assert job(there, "rewrap").failed == 0
    assert wrapped_by(there) == {kek: 4}
    clock.advance(1)
    assert job(there, "rotate").failed == 0
    assert opened(there, values) == values
    there.close()
