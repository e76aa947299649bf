"""Data keys wrapped by a real OpenBao: sealed, revoked, deleted, rotated, hanging, and moved to and from."""

from __future__ import annotations

import base64
import dataclasses
import json
import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import hvac
import pytest

from adapters.kit.clock import SystemClock
from tests.peers.certificates import certificate
from tests.peers.openbao import POLICY
from tests.vault.stores import drain, fill, job, new_primary, on_older_keys, opened, primary, wrapped_by
from tests.vault.test_death import among_deaths
from webapp.keyconfig import KeyPlaces
from webapp.runtime import Runtime
from webapp.vault import (
    Corrupt,
    Denied,
    KeyDisabled,
    KeyMissing,
    KeyStepRefused,
    SecretUnreadable,
    Unavailable,
    lifecycle,
    rotation,
)
from webapp.vault.hashicorp import TransitKeyProvider, VaultConnection
from webapp.vault.heartbeat import Heartbeat
from webapp.vault.many import rewrapped, unwrapped, wrapped
from webapp.vault.provider import KeyContext
from webapp.vault.remote import FAILURES

CONTEXT = KeyContext("0193f000-0000-7000-8000-000000000000", "svc")
DEK = bytes(range(32))


@pytest.fixture
def provider(openbao):
    return TransitKeyProvider(openbao.settings())


def test_what_is_wrapped_is_unwrapped(provider):
    blob = provider.wrap(DEK, CONTEXT)

    assert blob.startswith("vault:v1:")
    assert provider.unwrap(blob, CONTEXT) == DEK
    provider.health()


@pytest.mark.parametrize(
    "other", [KeyContext(CONTEXT.dek_id, "system"), KeyContext("0193f000-0000-7000-8000-000000000001", "svc")]
)
def test_a_wrapped_key_belongs_to_its_place(provider, other):
    with pytest.raises(Corrupt):
        provider.unwrap(provider.wrap(DEK, CONTEXT), other)


def test_rewrapping_takes_the_newest_version_in_batches(openbao, provider):
    contexts = [KeyContext(f"dek-{number}", "svc") for number in range(230)]
    blobs = [(provider.wrap(DEK, context), context) for context in contexts]
    openbao.root.secrets.transit.rotate_key("patchbay")

    fresh = provider.rewrap(blobs)
    assert len(fresh) == 230
    assert all(blob.startswith("vault:v2:") for blob in fresh)
    assert all(
        provider.unwrap(blob, context) == DEK
        for blob, context in list(zip(fresh, contexts, strict=True))[::50]
    )


def test_many_are_wrapped_and_opened_at_once_and_a_bad_one_spoils_only_itself(provider):
    deks = [bytes([number]) * 32 for number in range(150)]
    places = [KeyContext(f"dek-{number}", "svc") for number in range(150)]

    blobs = wrapped(provider, list(zip(deks, places, strict=True)))
    assert unwrapped(provider, list(zip(blobs, places, strict=True))) == deks

    blobs[7], blobs[9] = blobs[9], "vault:v1:bm90aGluZw=="
    found = unwrapped(provider, list(zip(blobs, places, strict=True)))
    assert [number for number, dek in enumerate(found) if dek is None] == [7, 9]
    fresh = rewrapped(provider, list(zip(blobs, places, strict=True)))
    assert [number for number, blob in enumerate(fresh) if blob is None] == [7, 9]


@pytest.mark.parametrize("blob", ["", "nonsense", "vault:v1:AAAA", "pb1.a.b"])
def test_what_was_never_wrapped_is_corrupt(provider, blob):
    with pytest.raises(Corrupt):
        provider.unwrap(blob, CONTEXT)


def test_a_key_of_the_wrong_length_is_refused_on_both_ways(openbao, provider):
    with pytest.raises(Corrupt):
        provider.wrap(DEK[:31], CONTEXT)
    short = openbao.root.secrets.transit.encrypt_data("patchbay", plaintext="AAAA", context="AAAA")["data"][
        "ciphertext"
    ]
    with pytest.raises(Corrupt):
        provider.unwrap(short, CONTEXT)


def test_a_deleted_key_is_missing(openbao, provider):
    blob = provider.wrap(DEK, CONTEXT)
    openbao.drop_key()

    with pytest.raises(KeyMissing):
        provider.unwrap(blob, CONTEXT)
    with pytest.raises(KeyMissing):
        provider.health()
    openbao.make_key()


def test_a_version_that_is_too_old_is_disabled(openbao, provider):
    blob = provider.wrap(DEK, CONTEXT)
    openbao.root.secrets.transit.rotate_key("patchbay")
    openbao.root.secrets.transit.update_key_configuration("patchbay", min_decryption_version=2)

    with pytest.raises(KeyDisabled):
        provider.unwrap(blob, CONTEXT)


def test_a_key_without_context_is_refused(openbao):
    openbao.make_key("plain", derived=False)
    openbao.root.sys.create_or_update_policy("plain", 'path "transit/keys/plain" { capabilities = ["read"] }')
    token = openbao.root.auth.token.create(policies=["plain"])["auth"]["client_token"]

    with pytest.raises(Denied, match="derived"):
        TransitKeyProvider(openbao.settings(transit_key="plain", token=token)).health()


def test_a_mistyped_name_makes_no_key(openbao):
    with pytest.raises(Denied):
        TransitKeyProvider(openbao.settings(transit_key="patchbya")).wrap(DEK, CONTEXT)
    with pytest.raises(hvac.exceptions.InvalidPath):
        openbao.root.secrets.transit.read_key("patchbya")


def test_a_sealed_server_is_unavailable_and_recovers(openbao, provider):
    blob = provider.wrap(DEK, CONTEXT)
    openbao.seal()
    try:
        with pytest.raises(Unavailable, match="sealed"):
            provider.unwrap(blob, CONTEXT)
    finally:
        openbao.unseal()
    until_answering(provider)
    assert provider.unwrap(blob, CONTEXT) == DEK


def until_answering(provider):
    for _ in range(100):
        try:
            return provider.health()
        except (Unavailable, Denied, KeyMissing):
            time.sleep(0.05)
    raise AssertionError


def test_an_expired_token_is_denied(openbao):
    token = openbao.token(ttl="1s", explicit_max_ttl="1s")
    provider = TransitKeyProvider(openbao.settings(token=token))
    provider.wrap(DEK, CONTEXT)
    time.sleep(1.3)

    with pytest.raises(Denied):
        provider.wrap(DEK, CONTEXT)


def test_a_lost_policy_is_denied(openbao):
    provider = TransitKeyProvider(openbao.settings())
    blob = provider.wrap(DEK, CONTEXT)
    openbao.root.sys.create_or_update_policy("patchbay", "# nothing")
    try:
        with pytest.raises(Denied):
            provider.unwrap(blob, CONTEXT)
    finally:
        openbao.root.sys.create_or_update_policy("patchbay", POLICY)


def test_a_token_is_renewed_at_two_thirds_of_its_life(openbao):
    token, now = openbao.token(ttl="60s"), [1000.0]
    connection = VaultConnection(openbao.settings(token=token), lambda: now[0])
    provider = TransitKeyProvider(openbao.settings(token=token), connection)
    renewed = Counter()
    connection.call("look", lambda client: count_renewals(client, renewed))

    now[0] += 39
    provider.health()
    assert renewed["renew"] == 0
    now[0] += 2
    provider.health()
    assert renewed["renew"] == 1


def count_renewals(client, renewed):
    real = client.auth.token.renew_self

    def renew(*args, **options):
        renewed["renew"] += 1
        return real(*args, **options)

    client.auth.token.renew_self = renew


def approle(openbao):
    role_id = openbao.root.auth.approle.read_role_id("patchbay")["data"]["role_id"]
    made = openbao.root.auth.approle.generate_secret_id("patchbay")["data"]
    return openbao.settings(
        auth="approle", auth_mount="approle", role=role_id, secret_id=made["secret_id"], token=""
    ), made


def test_an_approle_signs_in_and_signs_in_anew_when_its_token_was_revoked(openbao):
    settings, _ = approle(openbao)
    connection = VaultConnection(settings)
    provider = TransitKeyProvider(settings, connection)
    blob = provider.wrap(DEK, CONTEXT)
    accessor = connection.call("look", lambda client: client.auth.token.lookup_self()["data"]["accessor"])
    openbao.root.auth.token.revoke_accessor(accessor)

    assert provider.unwrap(blob, CONTEXT) == DEK


def test_a_revoked_approle_is_denied_and_the_cache_serves_until_its_end(openbao, config, clock, caplog):
    settings, made = approle(openbao)
    runtime = Runtime.create(with_vault(config, settings), clock)
    values = fill(runtime, scopes=1)
    assert opened(runtime, values) == values
    openbao.root.auth.approle.destroy_secret_id_accessor("patchbay", made["secret_id_accessor"])
    connection = runtime.vault.keys.get(primary(runtime).id)._connection
    accessor = connection.call("look", lambda client: client.auth.token.lookup_self()["data"]["accessor"])
    openbao.root.auth.token.revoke_accessor(accessor)

    clock.advance(16 * 60)
    assert still_opened(runtime, values) == values
    assert "was refused" in caplog.text
    clock.advance(45 * 60)
    with pytest.raises(SecretUnreadable) as unreadable:
        still_opened(runtime, values)
    assert unreadable.value.reason == "denied"
    runtime.close()


def still_opened(runtime, values):
    with runtime.sessions() as session:
        return {secret_id: runtime.vault.open(session, secret_id) for secret_id in values}


def test_kubernetes_signs_in_with_the_token_of_its_service_account(openbao, tmp_path):
    with token_review() as host:
        openbao.root.sys.enable_auth_method("kubernetes", path="k8s")
        configure = {
            "kubernetes_host": host,
            "token_reviewer_jwt": JWT,
            "kubernetes_ca_cert": certificate()[0].decode(),
        }
        openbao.root.auth.kubernetes.configure(mount_point="k8s", issuer="", **configure)
        openbao.root.auth.kubernetes.create_role(
            "patchbay", ["patchbay"], ["default"], policies=["patchbay"], mount_point="k8s"
        )
        path = tmp_path / "token"
        path.write_text(JWT)
        settings = openbao.settings(
            auth="kubernetes", auth_mount="k8s", role="patchbay", jwt_file=path, token=""
        )
        provider = TransitKeyProvider(settings)

        assert provider.unwrap(provider.wrap(DEK, CONTEXT), CONTEXT) == DEK
        path.unlink()
        with pytest.raises(Denied, match="service account"):
            TransitKeyProvider(settings).health()


@contextmanager
def token_review():
    """The part of a Kubernetes API that says whose token this is."""

    class Review(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            user = {"username": "system:serviceaccount:default:patchbay", "uid": "1", "groups": []}
            body = json.dumps(
                {
                    "apiVersion": "authentication.k8s.io/v1",
                    "kind": "TokenReview",
                    "status": {"authenticated": True, "user": user},
                }
            ).encode()
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Review)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def make_jwt():
    def part(content):
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    claims = {
        "iss": "kubernetes/serviceaccount",
        "sub": "system:serviceaccount:default:patchbay",
        "nbf": int(time.time()) - 60,
        "iat": int(time.time()) - 60,
        "exp": int(time.time()) + 3600,
        "kubernetes.io/serviceaccount/namespace": "default",
        "kubernetes.io/serviceaccount/service-account.name": "patchbay",
        "kubernetes.io/serviceaccount/service-account.uid": "1",
    }
    return f"{part({'alg': 'RS256', 'typ': 'JWT'})}.{part(claims)}.c2lnbmF0dXJl"


JWT = make_jwt()


def test_a_server_that_is_not_there_is_unavailable_and_soon_left_alone(openbao, provider):
    dead = TransitKeyProvider(dataclasses.replace(openbao.settings(), url="http://127.0.0.1:1"))
    for _ in range(FAILURES):
        with pytest.raises(Unavailable):
            dead.health()
    began = time.monotonic()
    with pytest.raises(Unavailable, match="asked again soon"):
        dead.health()
    assert time.monotonic() - began < 0.05


def test_a_server_that_hangs_is_given_up_in_three_seconds_and_blocks_nobody_after(openbao):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = TransitKeyProvider(
            dataclasses.replace(openbao.settings(), url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        )
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(Unavailable):
                hanging.unwrap("vault:v1:AAAA", CONTEXT)
            assert time.monotonic() - began < 3.2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n\r\n", Unavailable),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", Unavailable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Corrupt),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{"a"', Corrupt),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", Corrupt),
        (b"garbage", Unavailable),
    ],
    ids=["429", "500", "empty", "broken", "other", "garbage"],
)
def test_an_answer_that_is_none_has_a_name(openbao, answer, error):
    with answering(answer) as url, pytest.raises(error):
        TransitKeyProvider(dataclasses.replace(openbao.settings(), url=url)).health()


@contextmanager
def answering(answer):
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer:
                peer.recv(65536)
                peer.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


def with_vault(config, settings, provider="vault-transit"):
    return dataclasses.replace(config, key_provider=provider, places=KeyPlaces(vault=settings))


def test_a_new_installation_may_begin_with_it(openbao, config, clock):
    runtime = Runtime.create(with_vault(config, openbao.settings()), clock)
    values = fill(runtime)

    assert primary(runtime).kind == "vault-transit"
    assert not (config.data_dir / "patchbay.key").exists()
    assert opened(runtime, values) == values
    runtime.close()


def test_moving_there_and_back_loses_nothing(openbao, config, clock):
    runtime = Runtime.create(config, clock)
    values, local = fill(runtime), primary(runtime).fingerprint
    runtime.close()

    there = Runtime.create(with_vault(config, openbao.settings()), clock)
    Heartbeat(there).beat()
    transit = new_primary(there)
    assert job(there, "rewrap").failed == 0
    assert wrapped_by(there) == {transit: 4}
    assert opened(there, values) == values
    openbao.root.secrets.transit.rotate_key("patchbay")
    assert job(there, "rewrap", everything=True).done == 4
    assert opened(there, values) == values
    clock.advance(1)
    assert job(there, "rotate").failed == 0
    there.close()

    back = Runtime.create(with_vault(config, openbao.settings(), "local"), clock)
    with back.sessions() as session:
        lifecycle.promote(session, back, local, actor="lin")
        session.commit()
    assert job(back, "rewrap").failed == 0
    assert opened(back, values) == values
    back.close()
    alone = Runtime.create(config, clock)
    assert opened(alone, values) == values
    alone.close()


def test_a_key_that_does_not_work_is_not_promoted(openbao, config, clock):
    runtime = Runtime.create(with_vault(config, openbao.settings(), "local"), clock)
    with runtime.sessions() as session:
        [transit] = [about for about in runtime.vault.keys.descriptions() if about.kind == "vault-transit"]
        lifecycle.add(session, runtime, actor="lin", existing=transit.fingerprint)
        session.commit()
        openbao.drop_key()
        with pytest.raises(Denied):  # what its policy says of a key that is not there
            lifecycle.promote(session, runtime, transit.fingerprint, actor="lin")
    with runtime.sessions() as session:
        Heartbeat(runtime).beat()
        with pytest.raises(KeyStepRefused, match="cannot use the key"):
            lifecycle.promote(session, runtime, transit.fingerprint, actor="lin")
    openbao.make_key()
    assert primary(runtime).kind == "local"
    runtime.close()


def test_the_start_with_a_sealed_server_is_locked_until_it_opens(openbao, config, clock):
    first = Runtime.create(with_vault(config, openbao.settings()), clock)
    values = fill(first)
    first.close()
    settings = openbao.settings()
    openbao.seal()
    try:
        runtime = Runtime.create(with_vault(config, settings), clock)
        assert runtime.vault.state().reason == "unavailable"
    finally:
        openbao.unseal()
    until_answering(TransitKeyProvider(settings))
    clock.advance(6)

    assert not runtime.vault.state().locked
    assert opened(runtime, values) == values
    runtime.close()


def test_a_running_process_does_not_notice_a_short_outage(openbao, config, clock, caplog):
    runtime = Runtime.create(with_vault(config, openbao.settings()), clock)
    values = fill(runtime)
    assert opened(runtime, values) == values
    openbao.seal()
    try:
        for minutes in (10, 20, 25):
            clock.advance(minutes * 60)
            assert still_opened(runtime, values) == values
            assert ("is sealed" in caplog.text) == (minutes > 10), "while a key is fresh nobody is asked"
        clock.advance(10 * 60)
        with pytest.raises(SecretUnreadable) as unreadable:
            still_opened(runtime, values)
        assert unreadable.value.reason == "unavailable"
    finally:
        openbao.unseal()
    runtime.close()


def test_deaths_and_writers_while_moving_to_it_lose_nothing(openbao, config):
    """Two hundred scopes move there and are rotated by processes that are killed, while others write."""
    settings = with_vault(config, openbao.settings())
    runtime = Runtime.create(dataclasses.replace(settings, key_provider="local"), SystemClock())
    values = fill(runtime, scopes=200, each=2)
    kek = added_there(runtime)
    values |= among_deaths(settings, 6, 0.6)

    drain(rotation.rewrap(runtime))
    drain(rotation.reencrypt(runtime))
    assert list(wrapped_by(runtime)) == [kek]
    assert on_older_keys(runtime) == 0
    assert opened(runtime, values) == values
    runtime.close()


def added_there(runtime):
    with runtime.sessions() as session:
        [transit] = [about for about in runtime.vault.keys.descriptions() if about.kind == "vault-transit"]
        lifecycle.add(session, runtime, actor="lin", existing=transit.fingerprint)
        lifecycle.promote(session, runtime, transit.fingerprint, actor="lin")
        session.commit()
        return transit.id
