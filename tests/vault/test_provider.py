"""The local key provider: a data key opens only for the context it was wrapped in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from webapp.vault import Corrupt, KeyContext, KeyMissing, LocalKeyProvider
from webapp.vault.keyfile import make_key

ROOT = Path(__file__).parents[2]
CONTEXT = KeyContext.of("0193", "svc:42")


@pytest.fixture
def provider():
    return LocalKeyProvider(make_key(), "env:PATCHBAY_KEK")


def test_a_wrapped_key_unwraps(provider):
    dek = make_key()
    blob = provider.wrap(dek, CONTEXT)

    assert provider.unwrap(blob, CONTEXT) == dek
    assert blob.startswith(f"pb1.{provider.describe().id}.")


@pytest.mark.parametrize("other", [KeyContext.of("0194", "svc:42"), KeyContext.of("0193", "links:42")])
def test_another_context_is_refused(provider, other):
    blob = provider.wrap(make_key(), CONTEXT)

    with pytest.raises(Corrupt):
        provider.unwrap(blob, other)


def test_rewrapping_keeps_the_key_and_changes_the_blob(provider):
    dek = make_key()
    blob = provider.wrap(dek, CONTEXT)
    [again] = provider.rewrap([(blob, CONTEXT)])

    assert again != blob
    assert provider.unwrap(again, CONTEXT) == dek


def test_the_key_of_another_provider_is_missing(provider):
    other = LocalKeyProvider(make_key(), "env:PATCHBAY_KEK")

    with pytest.raises(KeyMissing, match=other.describe().id):
        provider.unwrap(other.wrap(make_key(), CONTEXT), CONTEXT)


@pytest.mark.parametrize("dek", [b"", b"x" * 31, b"x" * 33])
def test_a_data_key_of_another_length_is_refused(provider, dek):
    with pytest.raises(Corrupt):
        provider.wrap(dek, CONTEXT)


def test_it_is_always_healthy_and_says_nothing_of_its_key(provider):
    provider.health()

    about = provider.describe()
    assert (about.kind, about.uri, about.id) == ("local", "env:PATCHBAY_KEK", f"local-{about.fingerprint}")
    assert repr(provider) == f"LocalKeyProvider({about.id})"


CLIENTS = {"hvac", "boto3", "botocore", "azure"}


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """A data directory with a key of its own, as `make run` leaves it."""
    data = tmp_path_factory.mktemp("data")
    run(data, ["-m", "flask", "--app", "wsgi", "init"])
    return data


def run(data, command, **settings):
    environment = os.environ | {"PATCHBAY_DATA_DIR": str(data)} | settings
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "taken"),
    [
        ({}, set()),
        (
            {
                "PATCHBAY_VAULT_URL": "http://127.0.0.1:9",
                "PATCHBAY_VAULT_TRANSIT_KEY": "patchbay",
                "PATCHBAY_VAULT_TOKEN": "t",
            },
            {"hvac"},
        ),
        (
            {
                "PATCHBAY_AWS_REGION": "eu-central-1",
                "PATCHBAY_AWS_KMS_KEY": "0193f000-0000-7000-8000-000000000000",
            },
            {"boto3", "botocore"},
        ),
        ({"PATCHBAY_AZURE_KEY": "https://house.vault.azure.net/keys/patchbay"}, {"azure"}),
    ],
    ids=["local", "vault", "aws", "azure"],
)
def test_client_libraries_are_imported_only_where_they_are_configured(installation, settings, taken):
    code = f"import sys, wsgi; print(*({CLIENTS!r} & {{name.partition('.')[0] for name in sys.modules}}))"

    assert set(run(installation, ["-c", code], **settings)) == taken
