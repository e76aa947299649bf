"""Explaining a call through the HTTP door."""

from __future__ import annotations

import pytest


@pytest.fixture
def ask(client, token):
    def post(body, scope="calls:read"):
        return client.post("/integrations/calls/explain", json=body, headers=token(scope))

    return post


def test_an_empty_list_says_how_the_call_would_end(ask):
    answer = ask({"operation": "email.send", "service_type_preference": ["EMAIL_PROVIDER_PRIMARY"]})

    assert answer.status_code == 200
    assert (answer.json["service_id"], answer.json["code"]) == (None, "NO_PROVIDER_AVAILABLE")
    (only,) = answer.json["candidates"]
    assert (only["via"], only["status"], only["code"]) == (
        "EMAIL_PROVIDER_PRIMARY",
        "skipped",
        "CONFIG_NOT_FOUND",
    )


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"operation": "mail.fly"}, "/operation"),
        ({}, "/operation"),
        ({"operation": "email.send", "params": {"to": 1}}, "/params/to"),
        ({"operation": "email.send", "colour": "red"}, "/colour"),
    ],
)
def test_bad_questions_are_refused(ask, body, pointer):
    answer = ask(body)

    assert answer.status_code == 422
    assert any(error["pointer"].startswith(pointer) for error in answer.json["errors"])


def test_the_scope_is_asked_for(ask):
    assert ask({"operation": "email.send"}, "calls:write").status_code == 403
