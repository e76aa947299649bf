"""Testing a connection from the pages: stored and unsaved, streamed and whole, good and bad."""

from __future__ import annotations

import socket

import pytest

from tests.web.services import SECRET, SENDGRID, URL, add_at, form, stored, words
from webapp.models.service import Service
from webapp.sandbox import credentials
from webapp.sandbox.server import serve_in_thread

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}
UNSAVED = f"{URL}/test?type={SENDGRID}"


@pytest.fixture
def sandbox():
    server = serve_in_thread()
    server.address = f"http://127.0.0.1:{server.port}"
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def closed_address():
    """A local address at which nobody listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{holder.getsockname()[1]}"


def filled(sandbox, **changes):
    """The form of a service that speaks to the sandbox with the right key."""
    return form(**{"base_url": sandbox.address, "api_key": credentials.SENDGRID_API_KEY} | changes)


def test_a_good_service_is_verified_and_may_be_enabled_next(admin_client, runtime, sandbox):
    service_id = add_at(runtime, sandbox.address)
    page = words(admin_client.post(f"{URL}/{service_id}/test"))

    assert (
        page.index("Settings") < page.index("Name lookup") < page.index("Connection") < page.index("Verified")
    )
    assert stored(runtime, service_id).tested_verdict == "verified"
    assert stored(runtime, service_id).is_enabled is False
    assert "Next: enable it" in words(admin_client.get(f"{URL}/{service_id}"))


def test_a_wrong_key_is_told_with_its_remedy_and_the_field(admin_client, runtime, sandbox):
    service_id = add_at(runtime, sandbox.address, key="SG.wrong-key-0000000")
    answer = admin_client.post(f"{URL}/{service_id}/test")
    page = words(answer)

    assert "VENDOR_AUTH_REJECTED" in page
    assert "Credentials refused" in page
    assert stored(runtime, service_id).tested_verdict == "rejected"
    assert "Next: correct the settings" in words(admin_client.get(f"{URL}/{service_id}"))


def test_a_closed_port_is_told(admin_client, runtime, closed_address):
    page = words(admin_client.post(f"{URL}/{add_at(runtime, closed_address)}/test"))

    assert "CONNECT_REFUSED" in page
    assert "Failed" in page


def test_a_private_address_is_refused_with_its_hint(admin_client, runtime, session):
    service_id = add_at(runtime, "https://public.example")
    # Saving refuses such an address; this one came into the database by another way.
    stored = session.get(Service, service_id)
    stored.configurations = {**stored.configurations, "base_url": "https://10.1.2.3"}
    session.commit()
    page = words(admin_client.post(f"{URL}/{service_id}/test"))

    assert "EGRESS_BLOCKED" in page


def test_stages_stream_in_as_they_happen(admin_client, runtime, sandbox):
    service_id = add_at(runtime, sandbox.address)
    answer = admin_client.post(f"{URL}/{service_id}/test", headers=PARTIAL)
    events = answer.get_data(as_text=True).strip().split("\n\n")

    assert answer.mimetype == "text/event-stream"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert all(line.startswith("data: ") for event in events for line in event.splitlines())
    counts = [event.count('<li class="step') for event in events]
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert "upcoming" in events[0]
    assert "verdict" in events[-1]
    assert "verdict" not in events[-2]
    assert stored(runtime, service_id).tested_verdict == "verified"


def test_unsaved_values_are_tested_and_not_stored(admin_client, runtime, sandbox):
    answer = admin_client.post(UNSAVED, data=filled(sandbox))

    assert "Verified" in words(answer)
    assert credentials.SENDGRID_API_KEY not in answer.text
    assert words(admin_client.get(URL)).count("Connect your first service") == 1


def test_a_change_is_tested_with_the_stored_secret(admin_client, runtime, sandbox):
    service_id = add_at(runtime, sandbox.address)
    data = filled(sandbox, revision=1, from_name="Changed", without=["api_key"])
    answer = admin_client.post(f"{URL}/{service_id}/test", data=data)

    assert "Verified" in words(answer)
    assert stored(runtime, service_id).tested_verdict is None
    assert stored(runtime, service_id).configurations.get("from_name") != "Changed"


def test_a_stored_secret_is_not_carried_to_another_address(admin_client, runtime, sandbox, closed_address):
    service_id = add_at(runtime, sandbox.address)
    data = filled(sandbox, revision=1, base_url=closed_address, without=["api_key"])
    page = words(admin_client.post(f"{URL}/{service_id}/test", data=data))

    assert "API key is not right yet." in page
    assert "enter this secret again" in page


@pytest.mark.parametrize("headers", [{}, PARTIAL])
def test_settings_that_are_wrong_are_named_before_anything_is_called(admin_client, headers):
    answer = admin_client.post(UNSAVED, data=form(from_email="", api_key=""), headers=headers)
    page = words(answer)

    assert answer.status_code == 200
    assert "From address is not right yet." in page
    assert "API key is not right yet." in page
    assert 'href="#f-api_key"' in answer.text
    assert "Name lookup" not in page


def test_the_diagnostics_hold_the_stages_and_no_secret(admin_client, sandbox):
    answer = admin_client.post(UNSAVED, data=filled(sandbox, api_key=SECRET))

    assert "data-copy=" in answer.text
    assert "VENDOR_AUTH_REJECTED" in answer.text
    assert SECRET not in answer.text


def test_somebody_who_tests_too_often_is_told_to_wait(admin_client, runtime, sandbox):
    service_id = add_at(runtime, sandbox.address)
    pages = [words(admin_client.post(f"{URL}/{service_id}/test")) for _ in range(11)]

    assert "Too many tests: try again in" not in pages[9]
    assert "Too many tests: try again in" in pages[10]


def test_several_are_tested_one_after_the_other(admin_client, runtime, sandbox, closed_address):
    chosen = [add_at(runtime, sandbox.address, "Good"), add_at(runtime, closed_address, "Bad")]
    whole = admin_client.post(f"{URL}/test-several", data={"service_id": chosen})
    streamed = admin_client.post(f"{URL}/test-several", data={"service_id": chosen}, headers=PARTIAL)

    assert "Verified Good Failed Bad" in words(whole)
    assert streamed.mimetype == "text/event-stream"
    assert "Verified Good Failed Bad" in words(streamed).replace("data: ", "")
    assert [stored(runtime, one).tested_verdict for one in chosen] == ["verified", "failed"]


def test_testing_nothing_says_so(admin_client):
    assert "Choose services first." in words(admin_client.post(f"{URL}/test-several"))


def test_stopping_shows_nothing_new(admin_client):
    assert admin_client.get(f"{URL}/test/stopped").status_code == 204


@pytest.mark.parametrize("path", ["/no-such-service/test", "/test?type=NOBODY", "/test"])
def test_what_does_not_exist_cannot_be_tested(admin_client, path):
    assert admin_client.post(URL + path).status_code == 404


def test_an_operator_tests_what_is_stored_but_no_settings_of_their_own(
    operator_client, viewer_client, runtime, sandbox
):
    service_id = add_at(runtime, sandbox.address)
    own = filled(sandbox, revision=1)

    assert "Verified" in words(operator_client.post(f"{URL}/{service_id}/test"))
    assert operator_client.post(f"{URL}/{service_id}/test", data=own).status_code == 403
    assert operator_client.post(UNSAVED, data=own).status_code == 403
    assert viewer_client.post(f"{URL}/{service_id}/test").status_code == 403
