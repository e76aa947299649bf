"""Linked accounts through the API."""

from __future__ import annotations

import pytest

from tests.links.conftest import Journey, row_of, tokens_of


@pytest.fixture
def ask(client, token, linked):
    """Ask with a token of some scopes; answers the status and the JSON."""

    def send(method, path, scopes, body=None):
        headers = token(*scopes.split())
        answer = client.open(f"/integrations{path}", method=method, headers=headers, json=body)
        return answer.status_code, answer.json

    return send


def test_links_are_listed_without_tokens(ask, linked, runtime):
    status, page = ask(
        "GET", f"/links?person=lin@example.com&service_id={linked.service_id}&state=active", "links:read"
    )
    tokens = tokens_of(runtime, linked.link_id)

    assert (status, [item["link_id"] for item in page["items"]], page["next_cursor"]) == (
        200,
        [linked.link_id],
        None,
    )
    assert page["items"][0]["account_label"] == "ann@provider.example"
    assert tokens.access not in str(page)
    assert ask("GET", "/links?person=nobody@example.com", "links:read")[1]["items"] == []
    assert ask("GET", f"/links/{linked.link_id}", "links:read")[1] == page["items"][0]


def test_pages_follow_each_other(ask, linked, user, runtime):
    for name in ("kim", "tom"):
        Journey(runtime, user(name), linked.service_id).whole(name)
    seen, cursor = [], ""
    for _ in range(3):
        _, page = ask("GET", f"/links?limit=1{cursor}", "links:read")
        seen += [item["account_label"] for item in page["items"]]
        cursor = f"&cursor={page['next_cursor']}"

    assert seen == [f"{name}@provider.example" for name in ("tom", "kim", "ann")]
    assert page["next_cursor"] is None


def test_a_token_of_a_person_is_for_those_who_may_use_it(ask, linked, oidc_provider, runtime):
    body = {"person": "lin@example.com", "service": linked.service_id, "integration_point": "calendar.sync"}
    status, found = ask("POST", "/links/token", "links:use", body)

    assert status == 200
    assert oidc_provider.is_live(found["access_token"])
    runtime.links.usage.flush()
    used = ask("GET", f"/links/{linked.link_id}/usage", "links:read")[1]["items"]
    assert [(use["integration_point"], use["calls"]) for use in used] == [("calendar.sync", 1)]
    assert ask("POST", "/links/token", "links:read links:write calls:write", body)[0] == 403


def test_a_person_without_a_link_is_a_conflict(ask, linked):
    status, problem = ask(
        "POST", "/links/token", "links:use", {"person": "kim@example.com", "service": linked.service_id}
    )

    assert (status, problem["code"]) == (409, "LINK_MISSING")


def test_an_outage_says_when_to_come_back(ask, linked, oidc_provider, runtime):
    from tests.links.conftest import change

    change(runtime, linked.link_id, expires_at=runtime.clock.now())
    oidc_provider.disturb("/token", "503", times=9)
    status, problem = ask(
        "POST", "/links/token", "links:use", {"person": linked.user_id, "service": linked.service_id}
    )

    assert (status, problem["code"], problem["retryable"]) == (503, "LINK_UNAVAILABLE", True)
    assert problem["retry_after_ms"] > 0


def test_a_call_on_behalf_of_a_person(ask, linked):
    body = {
        "operation": "oauth.userinfo", "params": {}, "service_type_preference": linked.service_id,
        "on_behalf_of": "lin@example.com", "integration_point": "profile.import",
    }  # fmt: skip
    status, answer = ask("POST", "/calls", "calls:write links:use", body)

    assert (status, answer["result"]["account_id"]) == (200, "ann")
    assert ask("POST", "/calls", "calls:write", body)[0] == 403
    assert ask("POST", "/calls", "calls:write links:use", body | {"on_behalf_of": ""})[0] == 422


def test_a_link_is_ended(ask, linked, runtime, oidc_provider):
    tokens = tokens_of(runtime, linked.link_id)
    status, answer = ask("DELETE", f"/links/{linked.link_id}", "links:write")

    assert (status, answer["at_provider"]) == (200, "revoked")
    assert not oidc_provider.is_live(tokens.access)
    assert row_of(runtime, linked.link_id).state == "ended"
    assert ask("DELETE", f"/links/{linked.link_id}", "links:write")[0] == 404
    assert ask("GET", "/links/none", "links:read")[0] == 404


def test_everybody_is_asked_to_sign_in_again(ask, linked, runtime):
    path = f"/services/{linked.service_id}/links/ask-again"

    assert ask("POST", path, "links:write") == (200, {"links": 1})
    assert ask("POST", path, "links:write") == (200, {"links": 0})
    assert ask("POST", "/services/none/links/ask-again", "links:write")[0] == 404
    assert row_of(runtime, linked.link_id).asked_again_at is not None
