"""Rotations that meet trouble at their provider in the middle: they wait, go on, and nothing is lost on the way."""

from __future__ import annotations

import dataclasses
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from adapters.kit.clock import SystemClock
from tests.peers.azure_vault import Credential
from tests.peers.openbao import POLICY
from tests.peers.test_openbao import until_answering
from tests.vault.stores import drain, fill, job, on_older_keys, opened, wrapped_by
from tests.vault.test_death import among_deaths
from webapp.keyconfig import AzureSettings, KeyPlaces
from webapp.runtime import Runtime
from webapp.vault import jobs, lifecycle, microsoft, rotation
from webapp.vault.hashicorp import TransitKeyProvider

SCOPES = 250  # more than one batch
CALM = 4  # so many requests are answered before the trouble begins: those of the first batch


class Door(BaseHTTPRequestHandler):
    """Hands requests on to the real server, until its time comes."""

    def _pass(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.count += 1
        if self.server.count > CALM and self.server.trouble is not None:
            status = self.server.trouble()
            if status is not None:
                self._answer(status, b"{}")
                return
        connection = http.client.HTTPConnection(self.server.behind, timeout=10)
        connection.request(self.command, self.path, body, dict(self.headers))
        reply = connection.getresponse()
        self._answer(reply.status, reply.read())
        connection.close()

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_LIST = _pass  # noqa: N815 - the names the server looks for

    def log_message(self, *_):
        pass


@pytest.fixture
def door(openbao):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.behind, server.count, server.trouble = urlsplit(openbao.settings().url).netloc, 0, None
    server.over = threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def trouble(request, openbao, door):
    """Begins when it is called, and ends with the second function."""

    def policy(text):
        openbao.root.sys.create_or_update_policy("patchbay", text)

    begin, end = {
        "sealed": (openbao.seal, openbao.unseal),
        "policy lost": (lambda: policy("# nothing"), lambda: policy(POLICY)),
        "throttled": (lambda: 429, lambda: None),
        "failing": (lambda: 500, lambda: None),
        "hanging": (lambda: door.over.wait(4) or 504, lambda: None),
    }[request.param]
    begun = []

    def once():
        if request.param in {"sealed", "policy lost"}:
            if not begun:
                begun.append(begin())
            return None
        return begin()

    yield once, end
    if begun and request.param == "sealed":
        openbao.unseal()
    policy(POLICY)


def added(runtime, kind):
    """Register the key of this kind and let it wrap from now on."""
    with runtime.sessions() as session:
        [known] = [about for about in runtime.vault.keys.descriptions() if about.kind == kind]
        lifecycle.add(session, runtime, actor="lin", existing=known.fingerprint)
        lifecycle.promote(session, runtime, known.fingerprint, actor="lin")
        session.commit()
        return known.id


@pytest.mark.parametrize(
    "trouble", ["sealed", "policy lost", "throttled", "failing", "hanging"], indirect=True, ids=str
)
def test_it_waits_and_goes_on_where_it_stood(openbao, config, clock, door, trouble):
    settings = dataclasses.replace(openbao.settings(), url=door.url)
    config = dataclasses.replace(config, places=KeyPlaces(vault=settings))
    runtime = Runtime.create(config, clock)
    values = fill(runtime, scopes=SCOPES, each=1)
    kek = added(runtime, "vault-transit")
    door.count, (door.trouble, ended) = 0, trouble

    stopped = job(runtime, "rewrap")
    moved = wrapped_by(runtime)[kek]
    runtime.close()
    assert stopped.state == "waiting"
    assert 0 < moved < SCOPES

    door.trouble = None
    ended()
    until_answering(TransitKeyProvider(openbao.settings()))
    clock.advance(31)
    again = Runtime.create(config, clock)
    assert jobs.run_due(again, "another process") == 1
    assert wrapped_by(again) == {kek: SCOPES + 1}
    assert opened(again, values) == values
    again.close()


@pytest.fixture(params=["aws-kms", "azure-keyvault"])
def cloud(request, monkeypatch):
    """The kind of a key, and where it is."""
    if request.param == "aws-kms":
        aws = request.getfixturevalue("aws")
        return request.param, KeyPlaces(aws=aws.settings(kms_key=aws.make_key()))
    azure = request.getfixturevalue("azure")
    real = microsoft.AzureKeyProvider.__init__

    def known(self, settings, *_args):
        real(self, settings, Credential(), verify_challenge_resource=False)

    monkeypatch.setattr(microsoft.AzureKeyProvider, "__init__", known)
    return request.param, KeyPlaces(azure=AzureSettings(azure.url, "patchbay", azure.ca_file))


@pytest.mark.slow
def test_deaths_and_writers_while_moving_to_a_cloud_lose_nothing(config, cloud):
    kind, places = cloud
    config = dataclasses.replace(config, places=places)
    runtime = Runtime.create(config, SystemClock())
    values = fill(runtime, scopes=30, each=2)
    kek = added(runtime, kind)
    values |= among_deaths(config, 5, 0.8)

    drain(rotation.rewrap(runtime))
    drain(rotation.reencrypt(runtime))
    assert list(wrapped_by(runtime)) == [kek]
    assert on_older_keys(runtime) == 0
    assert opened(runtime, values) == values
    runtime.close()
