"""Keys: the caller's own, which make a call harmless to repeat, and ours for the vendor."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kit import Catalog, Operation, Safety
from tests.engine.conftest import MAIL
from tests.engine.vendor import RESET, answer
from webapp.engine import PatchbayError
from webapp.engine.attempt import vendor_key

BAD_KEYS = ["", " ", "k" * 256, "a\nb", "a\x00b", "a\x7fb", "\u202eabc", 5]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_malformed_key_is_refused(runtime, vendor, service, key):
    peer = vendor()

    with pytest.raises(PatchbayError) as caught:
        runtime.hub.call("email.send", MAIL, prefer=service(peer.url), call_key=key)

    assert (caught.value.code, caught.value.errors[0]["pointer"]) == ("REQUEST_INVALID", "/call_key")
    assert peer.requests == []


def test_a_key_is_kept_as_a_hash_only(runtime, vendor, service, session):
    from sqlalchemy import select

    from webapp.log.tables import calls

    runtime.hub.call("email.send", MAIL, prefer=service(vendor().url), call_key="order-4711")

    (stored,) = session.scalars(select(calls.c.call_key))
    assert re.fullmatch(r"[0-9a-f]{64}", stored)


@given(st.integers(1, 2**63), st.uuids(), st.uuids())
def test_a_vendor_key_is_short_stable_and_different_for_another_service(call_id, one, other):
    key = vendor_key(call_id, str(one), "payment.charge")

    assert re.fullmatch(r"[0-9a-f]{32}", key)
    assert key == vendor_key(call_id, str(one), "payment.charge")
    assert key != vendor_key(call_id + 1, str(one), "payment.charge")
    assert key != vendor_key(call_id, str(one), "payment.refund")
    assert one == other or key != vendor_key(call_id, str(other), "payment.charge")


def test_the_caller_may_send_a_key_of_its_own_to_the_vendor(runtime, vendor, generic):
    peer = vendor([RESET, answer(200, {})])
    params = {"method": "POST", "path": "/x", "safety": "KEYED", "headers": {"Idempotency-Key": "mine"}}

    runtime.hub.call("http.request", params, prefer=generic(peer.url))

    assert [b"Idempotency-Key: mine\r\n" in request for request in peer.requests] == [True, True]


def test_a_payment_may_never_be_done_twice(runtime):
    class Paying(Catalog):
        def operation(self, name):
            contract, found = super().operation("http.request")
            return contract, Operation(name, found.method, found.params, found.result, Safety.KEYED, "Pay")

    runtime.catalog = Paying()

    with pytest.raises(PatchbayError) as caught:
        runtime.hub.call("payment.charge", {"path": "/"}, duplicates="allow")

    assert [error["pointer"] for error in caught.value.errors] == ["/duplicates"]
