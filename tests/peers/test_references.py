"""References to real secret stores: read, rotated, deleted, forbidden and away."""

from __future__ import annotations

import dataclasses

import pytest

from tests.peers.azure_vault import Credential
from tests.peers.openbao import OpenBao
from webapp.keyconfig import AzureSettings, KeyPlaces, RefLimits
from webapp.vault import Corrupt, Denied, KeyMissing, Unavailable
from webapp.vault.microsoft_secrets import AzureSecrets
from webapp.vault.resolver import FRESH_S, Resolver

LIMITS = RefLimits(vault=("kv",), aws_sm=("patchbay",), aws_ssm=("/patchbay",))


@pytest.fixture
def vault(openbao, clock):
    """A resolver that reads the key-value engine with the rights of Patchbay."""
    return Resolver(KeyPlaces(vault=openbao.settings(), references=LIMITS), clock.monotonic)


def write(openbao: OpenBao, path, **members):
    openbao.root.secrets.kv.v2.create_or_update_secret(path, secret=members, mount_point="kv")


def test_vault_gives_a_member_and_any_version_of_it(openbao, vault, clock):
    write(openbao, "patchbay/mail", key="one", other="x")
    assert vault.value("vault:kv/patchbay/mail#key") == "one"
    write(openbao, "patchbay/mail", key="two")

    assert vault.value("vault:kv/patchbay/mail#key") == "one"
    clock.advance(FRESH_S)
    assert vault.value("vault:kv/patchbay/mail#key") == "two"
    assert vault.value("vault:kv/patchbay/mail#key@1") == "one"


def test_vault_says_what_is_not_there(openbao, vault):
    write(openbao, "patchbay/mail", key="one", number=1)
    for uri, error in (
        ("vault:kv/patchbay/none#key", KeyMissing),
        ("vault:kv/patchbay/mail#none", KeyMissing),
        ("vault:kv/patchbay/mail#number", Corrupt),
        ("vault:kv/house/mail#key", Denied),
    ):
        with pytest.raises(error):
            vault.value(uri)


def test_a_secret_that_was_deleted_in_vault_is_missing(openbao, vault):
    write(openbao, "patchbay/gone", key="one")
    openbao.root.secrets.kv.v2.delete_latest_version_of_secret("patchbay/gone", mount_point="kv")

    with pytest.raises(KeyMissing):
        vault.value("vault:kv/patchbay/gone#key")


def test_a_value_serves_on_while_vault_is_sealed(openbao, vault, clock):
    write(openbao, "patchbay/mail", key="one")
    vault.value("vault:kv/patchbay/mail#key")
    openbao.seal()
    try:
        clock.advance(FRESH_S)
        assert vault.value("vault:kv/patchbay/mail#key") == "one"
        with pytest.raises(Unavailable):
            vault.value("vault:kv/patchbay/other#key")
    finally:
        openbao.unseal()


@pytest.fixture
def amazon(aws, clock):
    return Resolver(KeyPlaces(aws=aws.settings(), references=LIMITS), clock.monotonic)


def test_secrets_manager_gives_texts_members_and_stages(aws, amazon):
    client = aws.client("secretsmanager")
    client.create_secret(Name="patchbay/mail", SecretString='{"key": "one"}')
    client.put_secret_value(SecretId="patchbay/mail", SecretString='{"key": "two"}')

    assert amazon.value("aws-sm:patchbay/mail") == '{"key": "two"}'
    assert amazon.value("aws-sm:patchbay/mail#key") == "two"
    assert amazon.value("aws-sm:patchbay/mail#key@AWSPREVIOUS") == "one"
    for uri, error in (
        ("aws-sm:patchbay/none", KeyMissing),
        ("aws-sm:patchbay/mail#none", KeyMissing),
        ("aws-sm:house/mail", Denied),
    ):
        with pytest.raises(error):
            amazon.value(uri)
    client.delete_secret(SecretId="patchbay/mail")
    amazon.forget()
    with pytest.raises(KeyMissing):
        amazon.value("aws-sm:patchbay/mail")


def test_a_secret_by_its_arn(aws, amazon):
    arn = aws.client("secretsmanager").create_secret(Name="patchbay/mail", SecretString="plain")["ARN"]

    assert amazon.value(f"aws-sm:{arn}") == "plain"
    with pytest.raises(Corrupt):
        amazon.value(f"aws-sm:{arn}#key")


def test_parameter_store_gives_what_it_keeps_encrypted(aws, amazon):
    aws.client("ssm").put_parameter(Name="/patchbay/mail", Value="one", Type="SecureString")

    assert amazon.value("aws-ssm:/patchbay/mail") == "one"
    with pytest.raises(KeyMissing):
        amazon.value("aws-ssm:/patchbay/none")


def test_azure_gives_a_secret_of_a_vault_that_is_allowed(azure, clock, monkeypatch):
    azure.secrets["mail-key"] = "one"
    places = KeyPlaces(
        azure=AzureSettings(azure.url, "patchbay", azure.ca_file), references=RefLimits(azure=(azure.url,))
    )
    resolver = Resolver(places, clock.monotonic)
    known = AzureSecrets(azure.ca_file, Credential(), verify_challenge_resource=False)
    monkeypatch.setitem(vars(resolver), "_azure", known)
    host = azure.url.removeprefix("https://")

    assert resolver.value(f"azure-kv:{host}/mail-key") == "one"
    with pytest.raises(KeyMissing):
        resolver.value(f"azure-kv:{host}/none")
    with pytest.raises(Denied):
        resolver.value("azure-kv:stranger/mail-key")
    azure.fault = (403, "Forbidden")
    with pytest.raises(Denied):
        resolver.value(f"azure-kv:{host}/other")


def test_a_store_that_is_not_configured_is_denied(clock):
    limits = dataclasses.replace(LIMITS, azure=())
    resolver = Resolver(KeyPlaces(references=limits), clock.monotonic)

    for uri in ("vault:kv/patchbay/mail#key", "aws-sm:patchbay/mail", "aws-ssm:/patchbay/mail"):
        with pytest.raises(Denied):
            resolver.value(uri)
