"""System settings lead to what a person may open, and to nothing else."""

from __future__ import annotations

import re

import pytest


def links(page):
    return set(re.findall(r'<a class="place" href="([^"]+)"', page))


def test_administrator_finds_every_area(admin_client):
    assert links(admin_client.get("/settings").text) >= {
        "/settings/integrations",
        "/settings/integrations/catalog",
        "/settings/routes",
        "/logs",
        "/integrations/docs",
    }


def test_viewer_is_not_shown_what_only_administrators_may(viewer_client):
    assert "/settings/integrations/catalog" not in links(viewer_client.get("/settings").text)


@pytest.mark.parametrize("path", ["/settings", "/settings/integrations", "/logs", "/settings/routes"])
def test_every_entry_opens_and_is_marked_as_the_current_one(admin_client, path):
    answer = admin_client.get(path)
    assert answer.status_code == 200
    assert re.search(rf'<a href="{path}" aria-current="page"', answer.text)


def test_style_guide_is_for_debug_only(admin_client):
    assert admin_client.get("/styleguide").status_code == 404
