"""Data keys wrapped through the real Azure library, against a small vault over TLS."""

from __future__ import annotations

import dataclasses
import time

import pytest

from tests.peers.azure_vault import Credential
from tests.vault.stores import fill, job, new_primary, opened, wrapped_by
from webapp.keyconfig import AzureSettings, KeyPlaces
from webapp.runtime import Runtime
from webapp.vault import Corrupt, Denied, KeyDisabled, KeyMissing, Unavailable, microsoft
from webapp.vault.microsoft import AzureKeyProvider
from webapp.vault.provider import KeyContext

CONTEXT = KeyContext("0193f000-0000-7000-8000-000000000000", "svc")
DEK = bytes(range(32))


@pytest.fixture
def provider(azure):
    return make(azure)


def make(azure, name="patchbay"):
    settings = AzureSettings(azure.url, name, azure.ca_file)
    return AzureKeyProvider(settings, Credential(), verify_challenge_resource=False)


def test_what_is_wrapped_is_unwrapped_and_only_that_is_asked_of_azure(azure, provider):
    version = next(iter(azure.keys["patchbay"]))
    blob = provider.wrap(DEK, CONTEXT)

    assert blob.startswith(f"akv1.{version}.")
    assert provider.unwrap(blob, CONTEXT) == DEK
    assert {line.rpartition("/")[2] for line in azure.asked} <= {"unwrapkey", "patchbay", "", version}
    assert not [line for line in azure.asked if line.endswith("wrapkey") and not line.endswith("unwrapkey")]


def test_an_old_blob_is_unwrapped_by_the_version_that_wrapped_it(azure, provider):
    old = provider.wrap(DEK, CONTEXT)
    version = azure.rotate("patchbay")
    new = provider.wrap(DEK, CONTEXT)

    assert new.startswith(f"akv1.{version}.")
    assert provider.unwrap(old, CONTEXT) == provider.unwrap(new, CONTEXT) == DEK
    [fresh] = provider.rewrap([(old, CONTEXT)])
    assert fresh.startswith(f"akv1.{version}.")
    mixed = f"akv1.{version}.{old.rpartition('.')[2]}"
    with pytest.raises(Corrupt):
        provider.unwrap(mixed, CONTEXT)


def test_a_wrapped_key_belongs_to_its_place(provider):
    with pytest.raises(Corrupt):
        provider.unwrap(provider.wrap(DEK, CONTEXT), KeyContext("other", "svc"))


@pytest.mark.parametrize("blob", ["", "pb1.a.b", "akv1..", "akv1.a/b.AAAA", "akv1.a.A"])
def test_what_was_never_wrapped_is_corrupt(provider, blob):
    with pytest.raises(Corrupt):
        provider.unwrap(blob, CONTEXT)


def test_a_short_rsa_key_is_refused(azure):
    azure.rotate("short", 2048)

    with pytest.raises(Denied, match="3072"):
        make(azure, "short").health()


def test_a_missing_key_is_missing(azure):
    with pytest.raises(KeyMissing):
        make(azure, "none").health()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ((403, "Forbidden"), Denied),
        ((403, "KeyDisabled"), KeyDisabled),
        ((401, "Unauthorized"), Denied),
        ((429, "Throttled"), Unavailable),
        ((500, "Internal"), Unavailable),
        ((503, "Busy"), Unavailable),
    ],
)
def test_refusals_have_names(azure, provider, fault, error):
    blob = provider.wrap(DEK, CONTEXT)
    azure.fault = fault

    with pytest.raises(error):
        provider.unwrap(blob, CONTEXT)


def test_a_vault_that_hangs_is_given_up_in_three_seconds(azure, provider):
    blob = provider.wrap(DEK, CONTEXT)
    azure.fault = (0, "hang")
    began = time.monotonic()

    with pytest.raises(Unavailable):
        provider.unwrap(blob, CONTEXT)
    assert time.monotonic() - began < 3.2


def test_a_stranger_with_a_certificate_of_its_own_is_not_spoken_to(azure):
    settings = AzureSettings(azure.url, "patchbay")
    with pytest.raises(Unavailable):
        AzureKeyProvider(settings, Credential(), verify_challenge_resource=False).health()
    assert azure.asked == []


def test_a_token_is_only_sent_to_the_vault_it_is_for(azure):
    """The challenge names another resource than this host, as a forged one would."""
    settings = AzureSettings(azure.url, "patchbay", azure.ca_file)
    with pytest.raises((Unavailable, Denied, Corrupt)):
        AzureKeyProvider(settings, Credential()).health()
    assert azure.asked == []


def test_moving_there_loses_nothing(azure, config, clock, monkeypatch):
    runtime = Runtime.create(config, clock)
    values = fill(runtime)
    runtime.close()
    real = microsoft.AzureKeyProvider.__init__

    def known(self, settings, *_args):
        real(self, settings, Credential(), verify_challenge_resource=False)

    monkeypatch.setattr(microsoft.AzureKeyProvider, "__init__", known)
    places = KeyPlaces(azure=AzureSettings(azure.url, "patchbay", azure.ca_file))
    there = Runtime.create(dataclasses.replace(config, key_provider="azure-keyvault", places=places), clock)
    kek = new_primary(there)

    assert job(there, "rewrap").failed == 0
    assert wrapped_by(there) == {kek: 4}
    assert opened(there, values) == values
    there.close()
