"""The fault catalogue, case by case, through the public door and over real sockets.

Each case here and in test_fault_catalogue_calls.py asserts the outcome, the rows, the breaker's vote, that every slot
and permit is back, and that no secret is anywhere (`Story.is_sound`). WHERE says which test is which case: some stand
with the part they are about, and those of jobs (70 to 78) will stand with the jobs.
"""

from __future__ import annotations

import base64
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.engine.conftest import API_KEY, MAIL
from tests.engine.story import CUT_MS, OK, ORDER, SECRET
from tests.engine.vendor import CLOSE, HANG, RESET, answer
from tests.kit import test_transport as faults
from tests.kit.faulty import FaultyServer, Peer, certificate, well
from webapp.engine import PatchbayError, reconcile
from webapp.engine.lookups import look_up
from webapp.log.filters import LogFilter
from webapp.models.health import ServiceHealth
from webapp.monitor.refused import heed
from webapp.registry import services

WHERE = {
    1: "test_fault_catalogue_calls.py::test_case_1_a_closed_port_is_tried_three_times",
    2: "test_fault_catalogue.py::test_case_2_the_backup_takes_over_from_a_closed_port",
    3: "test_fault_catalogue.py::test_case_3_a_name_without_an_address",
    4: "test_fault_catalogue_calls.py::test_case_4_a_resolver_that_says_nothing_costs_bounded_time",
    5: "test_fault_catalogue.py::test_case_5_nobody_answers_the_attempt_to_connect",
    6: "test_fault_catalogue.py::test_case_6_a_certificate_nobody_vouches_for_is_not_tried_again",
    7: "test_fault_catalogue_calls.py::test_a_certificate_that_does_not_fit_is_not_tried_again",
    8: "test_fault_catalogue_calls.py::test_a_certificate_that_does_not_fit_is_not_tried_again",
    9: "test_fault_catalogue.py::test_a_handshake_that_fails_sent_nothing",
    10: "test_fault_catalogue.py::test_a_handshake_that_fails_sent_nothing",
    11: "test_fault_catalogue_calls.py::test_case_11_no_proxy_of_the_environment_is_used",
    12: "test_fault_catalogue.py::test_case_12_a_connection_that_is_cut_before_the_request_was_read",
    **dict.fromkeys(
        (13, 16, 19, 20, 21, 22, 23, 24, 26, 27),
        "test_fault_catalogue.py::test_after_the_request_has_left_nothing_is_sent_again",
    ),
    14: "test_fault_catalogue_calls.py::test_case_14_a_keyed_request_is_repeated_under_its_key",
    15: "test_fault_catalogue_calls.py::test_case_15_a_keyed_request_stays_where_it_may_have_been_done",
    17: "test_fault_catalogue.py::test_case_17_a_caller_who_allows_duplicates_gets_one_more_service",
    18: "test_fault_catalogue_calls.py::test_case_18_a_read_is_repeated_and_then_tried_elsewhere",
    25: "test_fault_catalogue.py::test_case_25_a_page_instead_of_an_answer",
    28: "test_fault_catalogue.py::test_a_certain_refusal_lets_the_next_one_try",
    29: "test_fault_catalogue.py::test_case_29_a_redirect_takes_no_key_elsewhere",
    30: "test_fault_catalogue.py::test_case_30_an_upload_that_is_blocked_may_have_been_read",
    31: "test_fault_catalogue.py::test_case_31_a_refusal_during_the_upload_is_an_answer",
    32: "test_fault_catalogue.py::test_case_32_a_pooled_connection_that_is_reset",
    33: "test_fault_catalogue.py::test_case_33_a_request_that_is_wrong_is_wrong_everywhere",
    34: "test_fault_catalogue.py::test_case_34_what_only_this_vendor_refuses_goes_to_the_next",
    35: "test_fault_catalogue.py::test_case_35_the_third_refusal_of_a_key_is_told_to_the_monitor",
    36: "test_standby.py::test_a_token_that_ran_out_is_renewed_once_by_all_threads_together",
    37: "test_fault_catalogue.py::test_a_certain_refusal_lets_the_next_one_try",
    38: "test_fault_catalogue.py::test_a_certain_refusal_lets_the_next_one_try",
    39: "test_fault_catalogue.py::test_a_status_that_leaves_a_doubt",
    40: "test_fault_catalogue_calls.py::"
    "test_case_40_a_request_that_is_still_worked_on_is_asked_for_again_a_second_later",
    41: "test_fault_catalogue_calls.py::test_case_41_the_time_a_vendor_asks_for_is_waited_by_everybody",
    42: "test_fault_catalogue_calls.py::test_case_42_an_hour_is_not_waited",
    43: "test_fault_catalogue_calls.py::test_case_43_a_date_is_read_by_the_clock_of_the_vendor",
    44: "test_fault_catalogue_calls.py::test_case_44_junk_in_retry_after_is_ignored",
    45: "test_fault_catalogue_calls.py::test_case_45_nothing_left_on_a_success_stops_the_next_call",
    46: "test_fault_catalogue.py::test_a_status_that_leaves_a_doubt",
    47: "test_fault_catalogue.py::test_case_47_a_keyed_request_is_repeated_after_five_hundred",
    48: "test_fault_catalogue_calls.py::test_case_48_unavailable_with_a_time_did_nothing",
    49: "test_fault_catalogue.py::test_a_status_that_leaves_a_doubt",
    50: "test_fault_catalogue.py::test_case_50_a_success_that_hides_a_doubt_is_looked_up",
    51: "test_fault_catalogue_calls.py::test_case_51_ten_failures_in_twenty_calls_open_the_breaker",
    52: "test_fault_catalogue_calls.py::test_case_52_five_in_a_row_open_it_after_many_successes",
    53: "test_fault_catalogue_calls.py::test_case_53_calls_that_are_all_slow_open_it",
    54: "test_breaker.py::test_four_processes_of_thirty_threads_share_three_permits",
    55: "test_gates_fleet.py::test_a_probe_that_dies_with_its_process_does_not_block_for_ever",
    56: "test_fault_catalogue_calls.py::test_case_56_a_result_that_comes_too_late_changes_nothing",
    57: "test_fault_catalogue_calls.py::"
    "test_case_57_what_an_operator_keeps_open_stays_open_while_the_vendor_is_well",
    58: "test_fault_catalogue_calls.py::test_case_58_the_call_after_the_last_slot_goes_elsewhere",
    59: "test_gates_fleet.py::test_four_processes_share_one_limit",
    60: "test_gates_fleet.py::test_a_redis_that_says_nothing_costs_a_moment_once",
    61: "test_kill.py::test_a_locked_database_delays_no_call",
    62: "test_fault_catalogue_calls.py::test_case_62_no_attempt_begins_with_less_than_half_a_second",
    63: "test_gates_invariants.py::test_a_storm_of_failing_calls_keeps_to_the_retry_budget",
    64: "test_fault_catalogue_calls.py::test_case_64_when_all_are_blocked_the_soonest_is_told",
    65: "test_fault_catalogue.py::test_case_65_a_service_disabled_between_attempts_is_not_tried_again",
    66: "test_fault_catalogue.py::"
    "test_case_66_a_key_that_changes_during_the_call_is_used_by_the_next_attempt",
    67: "../kit/test_fork.py::test_children_get_their_own_replies_and_their_own_watchdog",
    68: "test_fault_catalogue.py::test_cases_68_and_69_a_key_in_use_sends_nothing",
    69: "test_fault_catalogue.py::test_cases_68_and_69_a_key_in_use_sends_nothing",
    79: "test_mistakes.py::test_a_mistake_of_an_adapter_never_leaks",
    80: "test_fault_catalogue.py::test_case_80_a_vendor_that_repeats_our_key_does_not_spread_it",
    81: "test_death.py::test_an_attempt_is_on_record_before_it_is_sent",
    82: "test_fault_catalogue.py::test_case_82_an_answer_at_the_very_end_is_one_outcome_or_the_other",
}


def test_every_case_is_a_test():
    assert sorted(WHERE) == [*range(1, 70), *range(79, 83)]
    for place in WHERE.values():
        file, _, name = place.partition("::")
        assert f"def {name}(" in (Path(__file__).parent / file).read_text(encoding="utf-8"), place


def huge(peer: Peer) -> None:
    peer.read()
    peer.say(faults.HEAD + b"Content-Length: 50000000\r\n\r\n")
    for _ in range(50):
        peer.say(b"x" * 1_000_000)


DOUBTS = [
    (13, faults.read_then_reset, "CONNECTION_LOST"),
    (16, faults.read_then_hang, "READ_TIMEOUT"),
    (19, faults.half_headers, "READ_TIMEOUT"),
    (20, faults.header_drip, "READ_TIMEOUT"),
    (21, faults.body_drip, "READ_TIMEOUT"),
    (22, faults.body_stalls, "READ_TIMEOUT"),
    (23, faults.truncated, "RESPONSE_TRUNCATED"),
    (24, faults.bad_chunk, "MALFORMED_RESPONSE"),
    (24, faults.bad_gzip, "MALFORMED_RESPONSE"),
    (24, faults.bad_status_line, "MALFORMED_RESPONSE"),
    (26, huge, "RESPONSE_TOO_LARGE"),
    (27, faults.many_headers, "MALFORMED_RESPONSE"),
    (27, faults.long_header, "MALFORMED_RESPONSE"),
]


@pytest.mark.parametrize(
    ("number", "does", "code"), DOUBTS, ids=lambda value: getattr(value, "__name__", value)
)
def test_after_the_request_has_left_nothing_is_sent_again(number, does, code, http, vendor, tell):
    backup = vendor(OK)
    began = time.monotonic()
    with FaultyServer(does) as peer:
        unsure = http(peer.url)
        story = tell("http.request", ORDER, unsure, http(backup.url))

        assert peer.connections == 1
    assert (story.code, story.end.cause_code, story.call.outcome) == ("AMBIGUOUS_OUTCOME", code, "unknown")
    assert story.told == [(code, "UNKNOWN", "reconcile")]
    assert backup.requests == []
    assert story.failures(unsure) == (1, 1)
    assert time.monotonic() - began < CUT_MS / 1000 + 3


def test_case_12_a_connection_that_is_cut_before_the_request_was_read(http, vendor, tell):
    """How far the request had got is a matter of luck; that it may have been read is not."""
    backup = vendor(OK)
    with FaultyServer(lambda peer: peer.sock.recv(1)) as peer:
        story = tell("http.request", ORDER, http(peer.url), http(backup.url))

        assert peer.connections == 1
    assert (story.code, story.end.cause_code in {"CONNECTION_LOST", "SEND_FAILED"}) == (
        "AMBIGUOUS_OUTCOME",
        True,
    )
    assert [(row.effect, row.next) for row in story.tries] == [("UNKNOWN", "reconcile")]
    assert backup.requests == []


@pytest.mark.parametrize(
    ("number", "status", "headers", "code"),
    [
        (39, 408, {}, "VENDOR_GATEWAY_TIMEOUT"),
        (46, 500, {}, "VENDOR_SERVER_ERROR"),
        (46, 502, {}, "VENDOR_SERVER_ERROR"),
        (46, 504, {}, "VENDOR_GATEWAY_TIMEOUT"),
        (46, 529, {}, "VENDOR_SERVER_ERROR"),
        (49, 503, {}, "VENDOR_UNAVAILABLE"),
    ],
)
def test_a_status_that_leaves_a_doubt(number, status, headers, code, http, vendor, tell):
    peer, backup = vendor(answer(status, b"", **headers)), vendor(OK)
    unsure = http(peer.url, retry_policy=None)

    story = tell("http.request", ORDER, unsure, http(backup.url))

    assert (story.code, story.end.cause_code) == ("AMBIGUOUS_OUTCOME", code)
    assert (len(peer.requests), backup.requests) == (1, [])
    assert story.tries[0].response_status_code == status
    assert story.failures(unsure) == (1, 1)


@pytest.mark.parametrize(
    ("number", "status", "headers", "code", "votes"),
    [
        (35, 401, {}, "VENDOR_AUTH_REJECTED", (0, 0)),
        (37, 402, {}, "VENDOR_QUOTA_EXHAUSTED", (0, 0)),
        (38, 403, {"X_RateLimit_Remaining": "0"}, "VENDOR_RATE_LIMITED", (0, 0)),
        (35, 403, {}, "VENDOR_PERMISSION_DENIED", (0, 0)),
        (28, 302, {"Location": "/again"}, "VENDOR_UNEXPECTED_REDIRECT", (0, 0)),
    ],
)
def test_a_certain_refusal_lets_the_next_one_try(number, status, headers, code, votes, http, vendor, tell):
    peer, backup = vendor(answer(status, b"", **headers)), vendor(OK)
    refusing, good = http(peer.url), http(backup.url)

    story = tell("http.request", ORDER, refusing, good)

    assert (story.code, story.end.service_id) == (None, good)
    assert story.told == [(code, "REJECTED", "failover"), (None, "DONE", "done")]
    assert (len(peer.requests), len(backup.requests)) == (1, 1)
    assert story.failures(refusing) == votes


def test_case_35_the_third_refusal_of_a_key_is_told_to_the_monitor(runtime, http, vendor, tell):
    peer, backup = vendor(answer(401)), vendor(OK)
    refusing, good = http(peer.url), http(backup.url)
    heeded = []

    for _ in range(3):
        story = tell("http.request", ORDER, refusing, good)
        heeded.append(heed(runtime))
        assert story.told == [("VENDOR_AUTH_REJECTED", "REJECTED", "failover"), (None, "DONE", "done")]

    assert (len(peer.requests), len(backup.requests), heeded) == (3, 3, [0, 0, 1])
    assert story.failures(refusing) == (0, 0)
    with runtime.sessions() as session:
        assert session.get(ServiceHealth, refusing).state == "reauth"


@pytest.mark.parametrize("status", [400, 404, 409, 410, 422])
def test_case_33_a_request_that_is_wrong_is_wrong_everywhere(status, http, vendor, tell):
    peer, backup = vendor(answer(status, {})), vendor(OK)
    refusing = http(peer.url, retry_policy=None)

    story = tell("http.request", ORDER, refusing, http(backup.url))

    assert (story.call.outcome, story.end.effect, story.tries[0].next) == ("failed", "REJECTED", "stop")
    assert (len(peer.requests), backup.requests) == (1, [])
    assert story.failures(refusing)[1] == 0


def test_case_34_what_only_this_vendor_refuses_goes_to_the_next(service, vendor, tell):
    peer, backup = vendor(answer(451, {"errors": [{"message": "wrong region"}]})), vendor()

    story = tell("email.send", MAIL, service(peer.url), service(backup.url))

    assert [row.effect for row in story.tries] == ["REJECTED", "DONE"]


def test_case_2_the_backup_takes_over_from_a_closed_port(http, vendor, tell):
    backup = vendor(OK)
    closed = http(f"http://127.0.0.1:{faults.closed_port()}", retry_policy=None)

    story = tell("http.request", ORDER, closed, http(backup.url))

    assert story.told == [
        *[("CONNECT_REFUSED", "NONE", "retry")] * 2,
        ("CONNECT_REFUSED", "NONE", "failover"),
        (None, "DONE", "done"),
    ]
    assert len(backup.requests) == 1


def test_case_3_a_name_without_an_address(http, vendor, tell):
    backup = vendor(OK)

    story = tell("http.request", ORDER, http("https://nowhere.invalid"), http(backup.url))

    assert story.told == [("DNS_FAILURE", "NONE", "failover"), (None, "DONE", "done")]
    assert story.tries[0].phase in {"none", "connecting"}


def test_case_5_nobody_answers_the_attempt_to_connect(http, vendor, tell):
    backup = vendor(OK)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        full = [socket.socket() for _ in range(3)]
        for one in full:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        time.sleep(0.05)
        story = tell(
            "http.request", ORDER, http(f"http://127.0.0.1:{listener.getsockname()[1]}"), http(backup.url)
        )
        for one in full:
            one.close()

    assert story.told == [("CONNECT_TIMEOUT", "NONE", "failover"), (None, "DONE", "done")]


def test_case_6_a_certificate_nobody_vouches_for_is_not_tried_again(http, vendor, tell, tmp_path):
    backup, (tls, _) = vendor(OK), certificate(tmp_path)
    with FaultyServer(well, tls=tls) as peer:
        distrusted = http(peer.url, retry_policy=None)
        story = tell("http.request", ORDER, distrusted, http(backup.url))

        assert peer.seen == []
    assert story.told == [("TLS_CERT_INVALID", "NONE", "failover"), (None, "DONE", "done")]
    assert story.failures(distrusted) == (1, 1)


@pytest.mark.parametrize("number", [9, 10])
def test_a_handshake_that_fails_sent_nothing(number, http, vendor, tell):
    def does(peer: Peer) -> None:
        if number == 10:
            peer.say(b"220 mail.example.com ready\r\n")
        peer.hang()

    backup = vendor(OK)
    with FaultyServer(does) as peer:
        story = tell("http.request", ORDER, http(f"https://127.0.0.1:{peer.port}"), http(backup.url))

    assert story.told == [("TLS_HANDSHAKE_FAILED", "NONE", "failover"), (None, "DONE", "done")]
    assert story.tries[0].phase == "connecting"


def test_case_17_a_caller_who_allows_duplicates_gets_one_more_service(http, vendor, tell):
    unsure, backup = vendor(HANG), vendor(OK)
    names = [http(unsure.url), http(backup.url)]

    story = tell("http.request", ORDER, *names, duplicates="allow")

    assert story.told == [("READ_TIMEOUT", "UNKNOWN", "failover"), (None, "DONE", "done")]
    assert story.end.service_id == names[1]


def test_case_25_a_page_instead_of_an_answer(service, vendor, tell):
    peer, backup = vendor(answer(200, b"<html>It works!</html>")), vendor()

    story = tell("email.send", MAIL, service(peer.url), service(backup.url))

    assert (story.code, story.end.cause_code) == ("AMBIGUOUS_OUTCOME", "MALFORMED_RESPONSE")
    assert (len(peer.requests), backup.requests) == (1, [])
    assert story.tries[0].response_status_code == 200


def test_case_29_a_redirect_takes_no_key_elsewhere(http, vendor, tell):
    other = vendor(OK)
    peer = vendor(answer(302, b"", Location=f"{other.url}/orders"))

    story = tell("http.request", ORDER, http(peer.url))

    assert (story.code, story.end.effect) == ("VENDOR_UNEXPECTED_REDIRECT", "REJECTED")
    assert (len(peer.requests), other.requests) == (1, [])


def test_case_30_an_upload_that_is_blocked_may_have_been_read(http, vendor, tell):
    backup = vendor(OK)
    upload = {
        "method": "POST",
        "path": "/orders",
        "body_base64": base64.b64encode(bytes(30_000_000)).decode(),
    }
    with FaultyServer(lambda peer: peer.hang()) as peer:
        unsure = http(peer.url)
        story = tell("http.request", upload, unsure, http(backup.url))

        assert peer.connections == 1
    assert (story.code, story.end.cause_code) == ("AMBIGUOUS_OUTCOME", "SEND_FAILED")
    assert story.told == [("SEND_FAILED", "UNKNOWN", "reconcile")]
    assert story.tries[0].phase == "sending"
    assert backup.requests == []
    assert story.failures(unsure) == (1, 1)


def test_case_31_a_refusal_during_the_upload_is_an_answer(http, tell):
    def too_large(peer: Peer) -> None:
        peer.sock.recv(10)
        peer.answer(b"", status="413 Content Too Large")
        peer.sock.recv(100_000_000)
        peer.hang()

    with FaultyServer(too_large) as peer:
        story = tell("http.request", ORDER, http(peer.url))

    assert story.told == [("VENDOR_REJECTED_REQUEST", "REJECTED", "stop")]


@pytest.mark.parametrize(("idle", "outcome"), [(0.0, "unknown"), (3.0, "succeeded")])
def test_case_32_a_pooled_connection_that_is_reset(idle, outcome, http, tell, monkeypatch):
    def once_each(peer: Peer) -> None:
        peer.read()
        peer.answer()
        peer.read()
        peer.reset()

    with FaultyServer(once_each) as peer:
        name = http(peer.url)
        assert tell("http.request", ORDER, name).code is None
        later = time.monotonic() + idle
        monkeypatch.setattr("adapters.kit.connections.time.monotonic", lambda: later)
        story = tell("http.request", ORDER, name)

        assert peer.connections == (1 if outcome == "unknown" else 2)
    assert story.call.outcome == outcome


def test_case_47_a_keyed_request_is_repeated_after_five_hundred(http, vendor, tell):
    peer = vendor([answer(500), OK])

    story = tell("http.request", ORDER | {"safety": "KEYED"}, http(peer.url, retry_policy=None))

    assert story.told == [("VENDOR_SERVER_ERROR", "UNKNOWN", "retry"), (None, "DONE", "done")]
    keys = {
        line
        for request in peer.requests
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"idempotency-key")
    }
    assert len(keys) == 1


def test_case_50_a_success_that_hides_a_doubt_is_looked_up(runtime, vendor, tell):
    peer = vendor(answer(200, {"Code": "isp.SYSTEM_ERROR", "Message": "try later", "RequestId": "R-1"}))
    with runtime.sessions() as session:
        made = services.create(
            session, runtime, name="SMS", service_type="SMS_PROVIDER_ALIYUN", actor="test", origin="cli", is_enabled=True,
            configurations={
                "accessKeyId": "LTAI-x", "accessKeySecret": API_KEY, "signName": "s", "templateCode": "t", "base_url": peer.url,
            },
        )  # fmt: skip
        session.commit()

    story = tell("sms.send", {"to": "13900000001", "template_params": {"code": "1"}}, made.service_id)

    assert (story.code, story.call.outcome, len(peer.requests)) == ("AMBIGUOUS_OUTCOME", "unknown", 1)
    target = peer.requests[0].split(b" ")[1].decode()
    sent = parse_qs(urlsplit(target).query)["OutId"][0]
    peer.does = answer(200, {"Code": "OK", "SmsSendDetailDTOs": {"SmsSendDetailDTO": [{"OutId": sent}]}})
    assert look_up(runtime, story.end.call_id)
    with runtime.sessions() as session:
        item = reconcile.find(session, story.end.call_id)
    assert (item.state, item.decided_by) == ("succeeded", "vendor")


def test_case_65_a_service_disabled_between_attempts_is_not_tried_again(runtime, http, vendor, tell):
    def disable_then_answer(_request):
        with runtime.sessions() as session:
            stored, off = services.find(session, name), {"is_enabled": False}
            services.update(session, runtime, stored, off, actor="test", origin="cli", mode="patch")
            session.commit()
        return answer(503, b"", Retry_After="0")

    peer, backup = vendor(disable_then_answer), vendor(OK)
    name = http(peer.url, retry_policy=None, default_timeout_ms=10_000)

    story = tell("http.request", ORDER, name, http(backup.url))

    assert (len(peer.requests), len(backup.requests)) == (1, 1)
    assert [(row.kind, row.code) for row in story.call.attempts] == [
        ("attempt", "VENDOR_UNAVAILABLE"), ("local", "CONFIG_DISABLED"), ("attempt", None),
    ]  # fmt: skip
    assert story.failures(name) == (1, 1)


def test_cases_68_and_69_a_key_in_use_sends_nothing(runtime, http, vendor, tell):
    peer = vendor(HANG)
    name = http(peer.url, default_timeout_ms=10_000)
    keyed = {"call_key": "order-42"}

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(tell, "http.request", ORDER, name, **keyed)
        assert peer.read.wait(5)
        codes = []
        for params in (ORDER, ORDER | {"path": "/refunds"}):
            with pytest.raises(PatchbayError) as refused:
                runtime.hub.call("http.request", params, prefer=name, **keyed)
            codes.append((refused.value.code, refused.value.status, refused.value.effect))
        peer.let_go.set()
        story = running.result()

    assert codes == [("DUPLICATE_IN_PROGRESS", 409, "NONE"), ("IDEMPOTENCY_KEY_REUSED", 422, "NONE")]
    assert (len(peer.requests), len(story.tries), story.code) == (1, 1, "AMBIGUOUS_OUTCOME")
    assert story.failures(name) == (1, 1)


def test_case_66_a_key_that_changes_during_the_call_is_used_by_the_next_attempt(runtime, http, tell):
    def rotate_then_answer(peer: Peer) -> None:
        peer.read()
        with runtime.sessions() as session:
            stored = services.find(session, name)
            changes = {"configurations": {"secret": "the-next-bearer-of-the-service"}}
            services.update(session, runtime, stored, changes, actor="test", origin="cli", mode="patch")
            session.commit()
        peer.answer(b"", status="503 Busy", headers="Retry-After: 0\r\n")
        while peer.read():
            peer.answer()

    with FaultyServer(rotate_then_answer) as peer:
        name = http(peer.url, retry_policy=None, default_timeout_ms=10_000)
        story = tell("http.request", ORDER, name)

    assert [row.effect for row in story.tries] == ["REJECTED", "DONE"]
    before, after = (row.config_version for row in story.tries)
    assert after == before + 1
    keys = [
        line for request in peer.seen for line in request.split(b"\r\n") if line.startswith(b"Authorization")
    ]
    assert keys == [
        f"Authorization: Bearer {SECRET}".encode(),
        b"Authorization: Bearer the-next-bearer-of-the-service",
    ]


def test_case_80_a_vendor_that_repeats_our_key_does_not_spread_it(http, vendor, tell):
    echo = vendor(answer(400, {"error": f"the key {SECRET} is not welcome"}))

    story = tell("http.request", ORDER, http(echo.url))

    assert story.code == "VENDOR_REJECTED_REQUEST"


@pytest.mark.parametrize("late_s", [-0.01, 0.0, 0.01])
def test_case_82_an_answer_at_the_very_end_is_one_outcome_or_the_other(late_s, http, runtime, tell):
    def at_the_end(peer: Peer) -> None:
        peer.read()
        peer.server.over.wait(CUT_MS / 1000 + late_s)
        peer.answer()

    with FaultyServer(at_the_end) as peer:
        story = tell("http.request", ORDER, http(peer.url))

    assert len(story.tries) == 1
    assert (story.code, story.call.outcome) in {(None, "succeeded"), ("AMBIGUOUS_OUTCOME", "unknown")}
    assert story.tries[0].outcome == story.call.outcome
    assert len(runtime.log.search(LogFilter(call_id=story.end.call_id)).items) == 1


@pytest.mark.parametrize("does", [RESET, CLOSE])
def test_no_doubt_is_lost_when_every_service_leaves_one(does, http, vendor, tell):
    """The master rule: an unsafe request is sent once, however many services are left."""
    peers = [vendor(does) for _ in range(3)]

    story = tell("http.request", ORDER, *(http(peer.url, retry_policy=None) for peer in peers))

    assert story.call.outcome == "unknown"
    assert [len(peer.requests) for peer in peers] == [1, 0, 0]
