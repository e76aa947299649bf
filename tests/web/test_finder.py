"""Going to anything by its name, as far as one may."""

from __future__ import annotations

import pytest

from tests.web.services import add


def found(client, q):
    answer = client.get("/find", query_string={"q": q})
    assert answer.status_code == 200
    return answer.text


def test_a_service_is_found_with_what_one_does_next(admin_client, runtime):
    service_id = add(runtime, name="Mail (Acme)")

    page = found(admin_client, "acme")

    assert f'href="/settings/integrations/{service_id}"' in page
    assert f'href="/settings/integrations/{service_id}/health"' in page
    assert f'href="/logs?service_id={service_id}"' in page


def test_pages_and_providers_are_found_by_their_words(admin_client):
    assert 'href="/settings/users"' not in found(admin_client, "catalogue")
    assert 'href="/settings/integrations/catalog"' in found(admin_client, "catalogue")
    assert 'href="/settings/integrations/new/SMS_PROVIDER_ALIYUN"' in found(admin_client, "aliyun")


def test_a_call_is_found_by_its_number_and_its_correlation_id(admin_client):
    assert 'href="/logs/123456789012345678"' in found(admin_client, "123456789012345678")
    assert 'href="/logs?correlation_id=order-4711-a"' in found(admin_client, "order-4711-a")


@pytest.mark.parametrize("q", ["%", "_", "'; DROP TABLE services; --", "\x00", "😀" * 200, "<script>", "  "])
def test_odd_words_find_nothing_and_break_nothing(admin_client, q):
    assert "<script>" not in found(admin_client, q).partition("<main")[2].partition("</main>")[0]


def test_nobody_is_led_where_they_may_not_go(viewer_client, member_client):
    assert "/settings/users" not in found(viewer_client, "people")
    assert "/new/" not in found(viewer_client, "aliyun")
    assert member_client.get("/find").status_code == 403


def test_only_the_hits_are_sent_to_the_dialog(admin_client):
    headers = {"HX-Request": "true", "HX-Request-Type": "partial"}
    part = admin_client.get("/find?q=catalogue", headers=headers).text
    assert "<html" not in part
    assert "/settings/integrations/catalog" in part
