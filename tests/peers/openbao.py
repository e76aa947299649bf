"""A real OpenBao server on this machine, with a transit key, a secret store and ways to sign in."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time

import hvac
import requests

from tests.needs import OPENBAO
from tests.peers.ports import free_port
from webapp.keyconfig import VaultSettings

ROOT = "root-of-the-tests"
KEY = "patchbay"
# The least that Patchbay needs: no `create`, with which a mistyped name would make a key.
POLICY = """
path "transit/encrypt/patchbay" { capabilities = ["update"] }
path "transit/decrypt/patchbay" { capabilities = ["update"] }
path "transit/rewrap/patchbay"  { capabilities = ["update"] }
path "transit/keys/patchbay"    { capabilities = ["read"] }
path "kv/data/patchbay/*"       { capabilities = ["read"] }
"""


class OpenBao:
    """Starts the server; `root` is a client that may do everything."""

    def __init__(self) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        address = self.url.removeprefix("http://")
        command = [
            str(OPENBAO),
            "server",
            "-dev",
            f"-dev-root-token-id={ROOT}",
            f"-dev-listen-address={address}",
            "-dev-no-store-token",
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._said: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.root = hvac.Client(url=self.url, token=ROOT, timeout=10)
        self._wait()
        self._prepare()

    def _listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._said.append(line)

    def _wait(self) -> None:
        for _ in range(300):
            try:
                if requests.get(f"{self.url}/v1/sys/health", timeout=1).ok and self._unseal_key():
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.1)
        raise RuntimeError("".join(self._said))

    def _unseal_key(self) -> str | None:
        found = re.search(r"Unseal Key: (\S+)", "".join(self._said))
        return found[1] if found else None

    def _prepare(self) -> None:
        self.root.sys.enable_secrets_engine("transit")
        self.root.sys.enable_secrets_engine("kv", path="kv", options={"version": "2"})
        self.root.sys.create_or_update_policy("patchbay", POLICY)
        self.root.sys.enable_auth_method("approle")
        self.root.auth.approle.create_or_update_approle(
            "patchbay", token_policies=["patchbay"], token_ttl="1h"
        )
        self.make_key()

    def make_key(self, name: str = KEY, derived: bool = True) -> None:
        """Make a transit key."""
        self.root.secrets.transit.create_key(name, key_type="aes256-gcm96", derived=derived)

    def drop_key(self, name: str = KEY) -> None:
        """Delete a transit key, if there is one, with everything it wrapped."""
        try:
            self.root.secrets.transit.read_key(name)
        except hvac.exceptions.InvalidPath:
            return
        self.root.secrets.transit.update_key_configuration(name, deletion_allowed=True)
        self.root.secrets.transit.delete_key(name)

    def token(self, **options: object) -> str:
        """Make a token that may do what Patchbay needs."""
        made = self.root.auth.token.create(policies=["patchbay"], no_default_policy=False, **options)
        return str(made["auth"]["client_token"])

    def settings(self, **changes: object) -> VaultSettings:
        """Settings for Patchbay, with a token unless told otherwise."""
        values = {"url": self.url, "token": self.token(), "transit_key": KEY, **changes}
        return VaultSettings(**values)  # type: ignore[arg-type]

    def seal(self) -> None:
        """Close the server to everybody."""
        self.root.sys.seal()

    def unseal(self) -> None:
        """Open the server again."""
        self.root.sys.submit_unseal_key(self._unseal_key())

    def stop(self) -> None:
        """End the server."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
        self._listener.join(5)
        assert self.process.stdout
        self.process.stdout.close()
