"""Calls of unknown outcome wait on a list until the vendor or a person says what became of them."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import select

from adapters.kit.clock import FixedClock
from tests.engine.conftest import MAIL
from tests.engine.vendor import CLOSE, answer, closed_port
from webapp.engine import PatchbayError, reconcile, settling
from webapp.engine.lookups import look_up_due
from webapp.engine.reconcile import DELAYS_S, ReconcileFilter
from webapp.models.audit import AuditEntry
from webapp.models.secret import Secret
from webapp.registry import services
from webapp.registry.errors import Conflict, Invalid, NotFound
from webapp.sandbox import credentials
from webapp.sandbox.server import serve_in_thread

WHO = {"note": "Asked their support.", "actor": "lin@example.com"}


@pytest.fixture
def unsure(runtime, vendor, service):
    """A call that ended unknown, its service and its vendor."""

    def make(**how):
        peer = vendor(CLOSE)
        mail = service(peer.url)
        with pytest.raises(PatchbayError) as caught:
            runtime.hub.call("email.send", MAIL, prefer=mail, point="signup.welcome_mail", **how)
        return caught.value.call_id, mail, peer

    return make


def item_of(runtime, call_id):
    with runtime.sessions() as session:
        return reconcile.find(session, call_id)


def decide(runtime, call_id, outcome="succeeded", **how):
    with runtime.sessions() as session:
        settling.decide(session, runtime, call_id, outcome, **(WHO | how))
        session.commit()


def secrets_of(runtime, call_id):
    with runtime.sessions() as session:
        query = select(Secret).where(Secret.owner_type == "reconcile", Secret.owner_id == str(call_id))
        return session.scalars(query).all()


def test_a_call_nobody_knows_about_is_on_the_list_and_others_are_not(runtime, vendor, service, unsure):
    runtime.hub.call("email.send", MAIL, prefer=service(vendor().url))
    call_id, mail, _ = unsure(correlation_id="signup-42")

    with runtime.sessions() as session:
        (item,), rest = reconcile.search(session, ReconcileFilter(state="open"))

    assert (item.call_id, item.state, item.service_id, item.code) == (
        call_id,
        "waiting",
        mail,
        "CONNECTION_LOST",
    )
    assert (item.integration_point, item.correlation_id) == ("signup.welcome_mail", "signup-42")
    assert item.recipient_mask == "l***@example.com"
    assert rest is None
    (sealed,) = secrets_of(runtime, call_id)
    assert "lin@example.com" not in sealed.ct


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_a_person_says_what_became_of_it_once(runtime, unsure, outcome):
    call_id, _, peer = unsure()

    decide(runtime, call_id, outcome)

    item = item_of(runtime, call_id)
    assert (item.state, item.decided_by, item.note) == (outcome, WHO["actor"], WHO["note"])
    assert secrets_of(runtime, call_id) == []
    assert len(peer.requests) == 1
    with runtime.sessions() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.target == str(call_id))).one()
    assert (entry.action, entry.actor) == (f"reconcile.{outcome}", WHO["actor"])
    with pytest.raises(Conflict) as caught:
        decide(runtime, call_id)
    assert caught.value.code == "ALREADY_DECIDED"


@pytest.mark.parametrize(
    ("how", "field"),
    [({"note": " "}, "note"), ({"note": "x" * 501}, "note"), ({"outcome": "maybe"}, "outcome")],
)
def test_what_is_not_said_properly_changes_nothing(runtime, unsure, how, field):
    call_id, _, _ = unsure()

    with pytest.raises(Invalid) as caught:
        decide(runtime, call_id, **how)

    assert [flaw.field for flaw in caught.value.errors] == [field]
    assert item_of(runtime, call_id).state == "waiting"


def test_what_was_never_in_doubt_cannot_be_decided(runtime):
    with pytest.raises(NotFound):
        decide(runtime, 42)


def test_sending_once_more_is_a_new_call_that_is_linked(runtime, unsure):
    call_id, mail, peer = unsure()
    peer.does = answer(202, X_Message_Id="m-2")

    sent = settling.resend(runtime, call_id, accept_duplicate=True, **WHO)

    item = item_of(runtime, call_id)
    assert (sent.outcome, item.state, item.resent_call_id) == ("succeeded", "resent", sent.call_id)
    new = runtime.log.call(sent.call_id)
    assert (new.service_id, new.caller, new.integration_point) == (mail, WHO["actor"], "signup.welcome_mail")
    assert len(peer.requests) == 2
    assert secrets_of(runtime, call_id) == []
    with pytest.raises(Conflict):
        settling.resend(runtime, call_id, accept_duplicate=True, **WHO)
    assert len(peer.requests) == 2


def test_nothing_is_sent_once_more_without_accepting_the_risk(runtime, unsure):
    call_id, _, peer = unsure()

    with pytest.raises(Invalid):
        settling.resend(runtime, call_id, accept_duplicate=False, **WHO)

    assert (len(peer.requests), item_of(runtime, call_id).state) == (1, "waiting")


def test_a_resend_that_certainly_did_nothing_leaves_the_question_open(runtime, unsure):
    call_id, mail, _ = unsure()
    with runtime.sessions() as session:
        stored = services.find(session, mail)
        stored.configurations = stored.configurations | {"base_url": f"http://127.0.0.1:{closed_port()}"}
        session.commit()

    sent = settling.resend(runtime, call_id, accept_duplicate=True, **WHO)

    assert (sent.outcome, sent.problem.code) == ("failed", "CONNECT_REFUSED")
    item = item_of(runtime, call_id)
    assert (item.state, item.resent_call_id) == ("needs_attention", sent.call_id)
    assert len(secrets_of(runtime, call_id)) == 1


def test_a_resend_nobody_knows_about_is_on_the_list_itself(runtime, unsure):
    call_id, _, peer = unsure()

    sent = settling.resend(runtime, call_id, accept_duplicate=True, **WHO)

    assert sent.outcome == "unknown"
    assert item_of(runtime, call_id).state == "resent"
    assert item_of(runtime, sent.call_id).state == "waiting"
    assert len(peer.requests) == 2


def test_a_database_that_is_locked_does_not_hold_up_the_caller(runtime, vendor, service):
    """The note is written as soon as the lock is gone."""
    if runtime.engine.dialect.name != "sqlite":
        pytest.skip("only SQLite has one lock for everything")
    mail = service(vendor(CLOSE).url)
    with closing(sqlite3.connect(runtime.engine.url.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(PatchbayError) as caught:
            runtime.hub.call("email.send", MAIL, prefer=mail)
        took = time.monotonic() - began
        other.execute("ROLLBACK")
    for thread in threading.enumerate():
        if thread.name == "reconcile":
            thread.join()

    assert caught.value.code == "AMBIGUOUS_OUTCOME"
    assert took < 5
    assert item_of(runtime, caught.value.call_id).params_id


def test_a_call_whose_process_died_is_found(runtime, unsure):
    call_id, _, _ = unsure()
    with runtime.sessions() as session:
        session.delete(reconcile.find(session, call_id))
        session.commit()

    assert reconcile.collect(runtime) == 1
    assert reconcile.collect(runtime) == 0
    item = item_of(runtime, call_id)
    assert (item.state, item.params_id) == ("needs_attention", None)
    with pytest.raises(Conflict) as caught:
        settling.resend(runtime, call_id, accept_duplicate=True, **WHO)
    assert caught.value.code == "PARAMS_GONE"


def test_old_items_go_with_the_log(runtime, unsure):
    call_id, _, _ = unsure()
    with runtime.sessions() as session:
        reconcile.find(session, call_id).created_at -= timedelta(days=runtime.config.log_retention_days + 1)
        session.commit()

    assert reconcile.forget_old(runtime) == 1
    assert item_of(runtime, call_id) is None
    assert secrets_of(runtime, call_id) == []


def test_the_list_goes_on_from_page_to_page(runtime, unsure):
    made = [unsure()[0] for _ in range(3)]

    with runtime.sessions() as session:
        first, before = reconcile.search(session, ReconcileFilter(limit=2))
        second, end = reconcile.search(session, ReconcileFilter(limit=2, before=before))

    assert [item.call_id for item in (*first, *second)] == sorted(made, reverse=True)
    assert end is None


class TestLookups:
    """Aliyun, as the sandbox speaks it, can be asked."""

    @pytest.fixture
    def clock(self):
        return FixedClock()

    @pytest.fixture
    def sandbox(self):
        server = serve_in_thread()
        server.app.extensions["port"] = server.port
        yield server.app
        server.shutdown()
        server.server_close()

    @pytest.fixture
    def sms(self, runtime, unknown_answer):
        """A message that the sandbox sends, or not, and whose answer is lost."""
        port = unknown_answer
        with runtime.sessions() as session:
            service = services.create(
                session, runtime, name="SMS", service_type="SMS_PROVIDER_ALIYUN", actor="test", origin="cli",
                is_enabled=True,
                configurations={
                    "accessKeyId": credentials.ALIYUN_ACCESS_KEY_ID,
                    "accessKeySecret": credentials.ALIYUN_ACCESS_KEY_SECRET,
                    "signName": credentials.ALIYUN_SIGN,
                    "templateCode": credentials.ALIYUN_TEMPLATE,
                    "base_url": f"http://127.0.0.1:{port}",
                },
            )  # fmt: skip
            session.commit()
        params = {"to": "13900000001", "template_params": {"code": "1234"}}
        with pytest.raises(PatchbayError) as caught:
            runtime.hub.call("sms.send", params, prefer=service.service_id)
        return caught.value.call_id

    @pytest.fixture
    def unknown_answer(self, sandbox):
        panel = sandbox.extensions["sandbox_panel"]
        panel.turn("aliyun", {"failure": "drop", "when": "after"})
        return sandbox.extensions["port"]

    def test_the_vendor_settles_it(self, runtime, clock, sandbox, sms):
        item = item_of(runtime, sms)
        assert (item.state, item.next_lookup_at) == ("waiting", item.created_at + timedelta(seconds=5))
        sandbox.extensions["sandbox_panel"].turn("aliyun", {"failure": "none"})
        assert look_up_due(runtime) == 0

        clock.advance(5)
        assert look_up_due(runtime) == 1

        item = item_of(runtime, sms)
        assert (item.state, item.decided_by, item.lookups) == ("succeeded", "vendor", 1)
        assert secrets_of(runtime, sms) == []

    def test_after_the_last_time_a_person_has_to_look(self, runtime, clock, sandbox, sms):
        sandbox.extensions["sandbox_panel"].turn("aliyun", {"failure": "none"})
        sandbox.extensions["sandbox_outbox"].clear()
        asked = []
        for second in DELAYS_S:
            assert item_of(runtime, sms).state == "waiting"
            clock.advance(
                (item_of(runtime, sms).created_at + timedelta(seconds=second) - clock.now()).total_seconds()
            )
            asked.append(look_up_due(runtime))

        item = item_of(runtime, sms)
        assert asked == [1] * len(DELAYS_S)
        assert (item.state, item.next_lookup_at) == ("needs_attention", None)
        assert "does not list" in str(item.lookup_message)

    def test_a_vendor_that_does_not_answer_is_asked_again(self, runtime, clock, sms):
        clock.advance(5)

        assert look_up_due(runtime) == 1
        assert item_of(runtime, sms).state == "waiting"


def test_the_record_of_the_call_keeps_how_it_ended(runtime, unsure):
    call_id, _, _ = unsure()
    decide(runtime, call_id)

    assert runtime.log.call(call_id).outcome == "unknown"
