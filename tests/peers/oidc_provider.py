"""A real, certified provider of OpenID Connect (npm oidc-provider) on this machine, and people who use it.

`OidcProvider` starts the server and can disturb it; a `Person` walks through its pages as a browser would.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest
import requests

from tests.needs import require
from tests.peers.ports import free_port

HERE = Path(__file__).parent
SERVER = HERE / "oidc_provider.mjs"
CLIENT_ID, CLIENT_SECRET = "patch bay", "s3cret/with:signs-canary-7f3a"
SCOPES = ["openid", "offline_access", "email", "profile", "calendar"]
_PATIENCE_S = 30


class OidcProvider:
    """The server. Each redirect address has to be registered, as at any other provider."""

    def __init__(self) -> None:
        port = free_port()
        self.issuer = f"http://127.0.0.1:{port}"
        client = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "redirect_uris": ["http://127.0.0.1:9/none"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "client_secret_basic",
        }
        settings = {"port": port, "clients": [client]}
        self.process = subprocess.Popen(
            [shutil.which("node") or "node", str(SERVER), json.dumps(settings)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=HERE,
        )
        self._wait()

    def _wait(self) -> None:
        stop = threading.Timer(_PATIENCE_S, self.process.kill)
        stop.start()
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        stop.cancel()
        assert said.strip() == "ready", "the provider did not start"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(_PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def register(self, redirect_uri: str) -> None:
        """Let people be sent back to exactly this address."""
        self._control("register", redirect_uri)

    def disturb(self, path: str, kind: str, times: int = 1, body: object = None) -> None:
        """Let the next requests to a path end in a status, garbage, silence or a hangup; hold lets them wait."""
        self._control("fault", {"path": path, "kind": kind, "times": times, "body": body})

    def recover(self) -> None:
        self._control("fault", None)

    def forget(self) -> None:
        """Forget what was asked so far."""
        self._control("forget", None)

    def asked(self, line: str) -> int:
        """How often something such as `POST /token` was asked."""
        return self._control("asked", None).count(line)

    def wait_for(self, line: str, times: int) -> None:
        """Wait until something was asked so often."""
        for _ in range(500):
            if self.asked(line) >= times:
                return
            time.sleep(0.01)
        raise AssertionError(f"{line} was asked {self.asked(line)} times")

    def is_live(self, token: str) -> bool:
        """Whether a token works."""
        said = requests.post(
            f"{self.issuer}/token/introspection",
            data={"token": token},
            auth=(requests.utils.quote(CLIENT_ID, safe=""), requests.utils.quote(CLIENT_SECRET, safe="")),
            timeout=10,
        )
        return bool(said.json()["active"])

    def end_grant(self, refresh_token: str) -> None:
        """What happens when a person takes the permission back at the provider."""
        requests.post(
            f"{self.issuer}/token/revocation",
            data={"token": refresh_token},
            auth=(requests.utils.quote(CLIENT_ID, safe=""), requests.utils.quote(CLIENT_SECRET, safe="")),
            timeout=10,
        )

    def _control(self, what: str, value: object) -> list[str]:
        said = requests.post(f"{self.issuer}/_test/{what}", data=json.dumps(value), timeout=10)
        found: list[str] = said.json()
        return found


class Person:
    """Someone with an account at the provider, and a browser that keeps its cookies."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.browser = requests.Session()

    def allow(self, address: str, *, without: tuple[str, ...] = ()) -> dict[str, str]:
        """Sign in, allow what is asked for but for some scopes, and return what comes back to us."""
        return self._walk(address, deny=False, without=without)

    def deny(self, address: str) -> dict[str, str]:
        """Sign in and say no."""
        return self._walk(address, deny=True, without=())

    def _walk(self, address: str, *, deny: bool, without: tuple[str, ...]) -> dict[str, str]:
        reply = self.browser.get(address, allow_redirects=False, timeout=10)
        for _ in range(20):
            if reply.is_redirect:
                following = urljoin(reply.url, reply.headers["Location"])
                if urlsplit(following).netloc != urlsplit(address).netloc:
                    return dict(parse_qsl(urlsplit(following).query))
                reply = self.browser.get(following, allow_redirects=False, timeout=10)
                continue
            assert reply.status_code == 200, reply.text
            reply = self._answer(reply, deny=deny, without=without)
        raise AssertionError("the provider goes in circles")

    def _answer(self, reply: requests.Response, *, deny: bool, without: tuple[str, ...]) -> requests.Response:
        where = re.search(r'action="([^"]+)"', reply.text)
        assert where, reply.text
        scopes = re.findall(r'name="scope" value="([^"]+)"', reply.text)
        if 'name="account"' in reply.text:
            form: list[tuple[str, str]] = [("account", self.account)]
        elif deny:
            form = [("deny", "1")]
        else:
            form = [("scope", scope) for scope in scopes if scope not in without]
        return self.browser.post(
            urljoin(reply.url, where[1]), data=form or {"none": "1"}, allow_redirects=False, timeout=10
        )


@pytest.fixture(scope="session")
def oidc_provider_server():
    require("oidc-provider")
    server = OidcProvider()
    yield server
    server.stop()


@pytest.fixture
def oidc_provider(oidc_provider_server):
    """The certified provider, undisturbed and with nothing asked of it yet."""
    oidc_provider_server.recover()
    oidc_provider_server.forget()
    return oidc_provider_server
