"""Random secrets, echoed by a vendor in every way, are in no row of the log."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.engine.vendor import answer
from tests.logfiles import ask
from webapp.engine import PatchbayError
from webapp.log.filters import LogFilter
from webapp.log.tables import call_logs, calls
from webapp.registry import services

# What an HTTP header can carry, as the key is sent in one.
KEYS = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="*"), min_size=10, max_size=30
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    KEYS.filter(lambda key: len(set(key)) > 4 and not key.isidentifier()),
    st.sampled_from([200, 400, 401, 500]),
)
def test_no_secret_in_any_row(runtime, vendor, key, status):
    encoded = base64.b64encode(key.encode()).decode()
    said = {
        "errors": [{"field": key, "message": f"no {key}, {encoded} or {quote_plus(key)}"}],
        "id": key.encode().hex(),
    }
    peer = vendor(answer(status, said, X_Message_Id=key, X_Request_Id=key))
    with runtime.sessions() as session:
        mail = services.create(
            session, runtime, name=f"Mail {peer.port}", service_type="EMAIL_PROVIDER_SENDGRID", actor="test", origin="cli",
            configurations={"api_key": key, "from_email": "a@example.com", "base_url": peer.url}, is_enabled=True,
        ).service_id  # fmt: skip
        session.commit()
    params = {"to": "lin@example.com", "subject": f"s {key}", "text": f"{encoded} {key}", "tags": [key]}

    told = ""
    try:
        call_id = runtime.hub.call("email.send", params, prefer=mail).call_id
    except PatchbayError as error:
        call_id, told = error.call_id, json.dumps(error.to_problem(), ensure_ascii=False)

    with runtime.engine.connect() as connection:
        rows = [*connection.execute(select(calls).where(calls.c.call_id == call_id)).mappings()]
    rows += ask(runtime.engine, select(call_logs).where(call_logs.c.call_id == call_id))
    rows += [
        runtime.log.bodies(entry.log_id).to_dict()
        for entry in runtime.log.search(LogFilter(call_id=call_id)).items
    ]
    stored = told + "".join(
        json.dumps(value, default=str, ensure_ascii=False) for row in rows for value in row.values()
    )
    for form in {key, encoded, quote_plus(key), key.encode().hex(), json.dumps(key)[1:-1]}:
        assert form not in stored
    peer.close()


@pytest.fixture
def vendor():
    """Makes vendors; each example closes its own."""
    from tests.engine.vendor import Vendor

    return Vendor
