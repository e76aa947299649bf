"""Real servers, one of each kind for all tests; skipped where the machine lacks them."""

from __future__ import annotations

import pytest

from tests.needs import require


@pytest.fixture(scope="session")
def openbao_server():
    require("openbao")
    from tests.peers.openbao import OpenBao

    server = OpenBao()
    yield server
    server.stop()


@pytest.fixture
def openbao(openbao_server):
    """The server with a fresh transit key."""
    openbao_server.drop_key()
    openbao_server.make_key()
    return openbao_server


@pytest.fixture(scope="session")
def azure_server(tmp_path_factory):
    require("azure")
    from tests.peers.azure_vault import AzureVault

    server = AzureVault(tmp_path_factory.mktemp("azure"))
    yield server
    server.stop()


@pytest.fixture
def azure(azure_server):
    """The vault with one key of one version, and no faults."""
    azure_server.keys, azure_server.secrets = {}, {}
    azure_server.fault, azure_server.asked = None, []
    azure_server.rotate("patchbay")
    return azure_server


@pytest.fixture(scope="session")
def moto_server():
    require("moto")
    from tests.peers.aws import Aws

    server = Aws()
    yield server
    server.stop()


@pytest.fixture
def aws(moto_server, monkeypatch):
    """The server without anything in it, and credentials for it."""
    moto_server.reset()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return moto_server
