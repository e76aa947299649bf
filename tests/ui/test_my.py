"""Linked accounts in a real browser against a certified provider: link, use, disconnect, change the account, say no."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from tests.links.conftest import change, clock, row_of, service  # noqa: F401 - fixtures among them
from tests.peers.oidc_provider import Person
from tests.ui.checks import check_page
from tests.ui.conftest import PHONE, View
from webapp import links
from webapp.models.user import User

pytestmark = pytest.mark.browser

WORDS = {"scope_words": "calendar = See and change your calendar | 查看和更改你的日历"}


@pytest.fixture
def offered(live_server, oidc_provider, service):
    """A service at the provider that sends people back to the running application."""

    def make(**changes):
        service_id = service(**WORDS | changes)
        oidc_provider.register(f"{live_server}/my/accounts/{service_id}/back")
        return service_id

    return make


def allow(page: Page, account: str = "") -> None:
    """Sign in at the provider, unless it knows the person, and allow what is asked for."""
    if account:
        page.get_by_label("Account").fill(account)
        page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Allow").click()


def card(page: Page, name: str = "Accounts 1"):
    return page.get_by_role("article", name=name)


def use(runtime, email: str, service_id: str) -> None:
    """A feature makes a real call on behalf of the person, and the count of it is written down."""
    answer = runtime.hub.call(
        "oauth.userinfo", {}, prefer=[service_id], on_behalf_of=email, point="calendar.sync"
    )
    assert answer.result["account_id"] == "ann"
    runtime.links.usage.flush()


@pytest.mark.parametrize("javascript", [True, False], ids=["with javascript", "without javascript"])
def test_link_use_disconnect(visit, offered, runtime, clock, javascript):
    service_id = offered()
    page = visit("/", role="member", javascript=javascript)
    expect(page).to_have_title("Linked accounts – Patchbay")
    expect(page.get_by_role("navigation", name="Main").get_by_role("link")).to_have_text(
        ["Linked accounts", "My account"]
    )

    page.get_by_role("link", name="Connect Accounts 1").click()
    allow(page, "ann")

    expect(page.get_by_role("heading", name="Connected")).to_be_visible()
    expect(card(page)).to_contain_text("ann@provider.example")
    expect(card(page)).to_contain_text("See and change your calendar")
    expect(card(page)).to_contain_text("not yet")

    clock.advance(60)
    use(runtime, "member@example.com", service_id)
    page.reload()
    expect(card(page)).to_contain_text("by calendar.sync")
    card(page).get_by_role("button", name="That is fine").click()
    expect(card(page)).not_to_contain_text("Used for the first time")

    card(page).get_by_role("link", name="Disconnect Accounts 1").click()
    expect(page.locator("main")).to_contain_text("This stops working for you:")
    page.get_by_role("button", name="Disconnect").click()
    expect(page.locator("main .banner")).to_contain_text("The provider has forgotten the permission")
    expect(page.get_by_role("link", name="Connect Accounts 1")).to_be_visible()
    if javascript:
        check_page(page)


def test_another_account_is_asked_about(visit, offered, runtime):
    offered(prompt="login consent")
    page = visit("/my", role="member")
    page.get_by_role("link", name="Connect Accounts 1").click()
    allow(page, "ann")
    with runtime.sessions() as session:
        (link,) = links.links_of(session, runtime, user_of(runtime))
    change(runtime, link.link_id, state="needs_sign_in")
    page.reload()
    check_page(page)
    card(page).get_by_role("link", name="Reconnect Accounts 1").click()
    allow(page, "bob")

    expect(page.get_by_role("heading", name="Which account?")).to_be_visible()
    check_page(page)
    assert row_of(runtime, link.link_id).account_id == "ann"
    page.get_by_role("link", name="Change to bob@provider.example").click()
    allow(page, "bob")

    expect(card(page)).to_contain_text("bob@provider.example")
    assert row_of(runtime, link.link_id).state == "ended"


@pytest.mark.parametrize("view", [View(), View(PHONE, "dark", "zh-CN")], ids=str)
def test_no_is_no(visit, offered, view):
    offered()
    page = visit("/my", view, "member")
    page.locator(".offer .button").click()
    page.get_by_role("button", name="Deny").click()

    banner = page.locator("main .banner")
    expect(banner.get_by_role("link")).to_be_visible()
    expect(page.locator(".offer")).to_have_count(1)
    check_page(page)
    banner.get_by_role("link").click()
    allow(page, "ann")
    expect(page.locator("article.link")).to_contain_text("ann@provider.example")


def test_in_every_view(check_everywhere, visit, offered, runtime, live_server, clock):
    first = offered()
    others = [offered(), offered(end_url="https://provider.example/connections"), offered()]
    visit("/my", role="member").context.close()
    link_ids = [link_account(runtime, live_server, service_id) for service_id in (first, *others[:2])]
    clock.advance(60)
    use(runtime, "member@example.com", first)
    change(runtime, link_ids[1], state="needs_sign_in", failure="LINK_NEEDS_SIGN_IN", failed_at=clock.now())
    change(
        runtime, link_ids[2], failures=2, failure="CONNECT_TIMEOUT", failed_at=clock.now(), scopes=["openid"]
    )

    check_everywhere("/my", "member", lambda page: page.locator("summary").first.click())
    paths = (f"/my/links/{link_ids[0]}", f"/my/links/{link_ids[2]}/disconnect", "/my/disconnect-all")
    for path, view in zip(
        paths, (View(PHONE), View(PHONE, "dark", "zh-CN"), View(theme="dark")), strict=True
    ):
        check_page(visit(path, view, "member"))


def test_the_views_of_those_who_run_it(visit, offered, runtime, live_server, clock):
    service_id = offered()
    visit("/my", role="member").context.close()
    link_id = link_account(runtime, live_server, service_id)
    change(runtime, link_id, failures=2, failure="CONNECT_TIMEOUT", failed_at=clock.now())
    tab = f"/settings/integrations/{service_id}/links"
    for path, view in (("/settings/links", View(PHONE, "dark", "zh-CN")), (tab, View(PHONE))):
        check_page(visit(path, view))

    page = visit(tab, View(theme="dark"))
    page.get_by_role("button", name="Ask everybody").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("1 person sees it")
    check_page(page)
    page.get_by_role("dialog").get_by_role("button", name="Ask everybody").click()
    expect(page.locator("#toasts")).to_contain_text("1 person is asked to sign in again")
    expect(visit("/my", role="member").locator("main")).to_contain_text("Please sign in again")


def user_of(runtime) -> str:
    """The member who signed in."""
    with runtime.sessions() as session:
        return session.scalar(select(User.user_id).where(User.email == "member@example.com"))


def link_account(runtime, address: str, service_id: str) -> str:
    """Link the member's account, as the browser would."""
    where = {"browser": "one", "redirect_uri": f"{address}/my/accounts/{service_id}/back", "target": "/my"}
    there = links.start(runtime, user_of(runtime), service_id, **where)
    answer = Person("ann").allow(there)
    return links.finish(runtime, user_of(runtime), service_id, browser="one", answer=answer).link_id
