"""Every page of the console, wide and narrow, light and dark: no barrier, no violation, no error, nothing that scrolls sideways."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from approvals.models import Policy
from identity.models import Agent
from kernel.clock import now
from tests.browser.conftest import PHONE, WIDE, Watched
from tests.builders.console import ENTRY, LARGE_ORDER, ORDER, Installation, commit_everything, decide, make_break, seal_everything
from tests.builders.federation import BY_NAME, enter, federate, trust
from tests.builders.webhooks import make_delivery_log

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True, databases=["default", "ledger"])]

# Every rule is checked in the first look, in the others what a theme or a width can change; pictures are kept of two.
FULL = {"wide-light"}
PICTURED = {"wide-light", "phone-dark"}
LOOKS = (("wide-light", WIDE, "light"), ("wide-dark", WIDE, "dark"), ("phone-light", PHONE, "light"), ("phone-dark", PHONE, "dark"))


def make_federation(installation: Installation, agent: Agent) -> None:
    """Make an issuer that waits, and one that an agent rests on."""
    first, second = installation.person("ruth"), installation.person("adele")
    enter(BY_NAME["aws_sts"], first)
    federate(agent, trust(BY_NAME["kubernetes"], first, second), BY_NAME["kubernetes"])


def pages(installation: Installation) -> Iterator[tuple[str, str, str]]:
    """Yield who looks at what, and what its picture is called."""
    order, entry, large = (installation.proposal(key) for key in (ORDER, ENTRY, LARGE_ORDER))
    agent = Agent.objects.get(name="Purchasing agent")
    difference = make_break(order)
    yield "", "/accounts/login/", "login"
    yield "", "/accounts/password/reset/", "password-reset"
    yield "", "/api/v1/docs", "documentation"
    yield "maria", "/inbox/", "inbox"
    yield "maria", "/inbox/?view=waiting", "inbox-waiting"
    yield "maria", "/inbox/?view=done", "inbox-done"
    yield "maria", "/inbox/?q=nothing-like-this&company=DE01", "inbox-empty"
    yield "tomas", "/proposals/", "proposals"
    yield "maria", f"/proposals/{large.public_id}/", "proposal"
    yield "maria", f"/proposals/{order.public_id}/", "proposal-committed"
    yield "maria", f"/proposals/{entry.public_id}/", "proposal-rejected"
    yield "tomas", f"/proposals/{large.public_id}/", "proposal-not-mine"
    yield "maria", "/policies/", "policies"
    yield "petra", f"/policies/{Policy.objects.get().public_id}/", "policy"
    make_federation(installation, agent)
    yield "maria", "/agents/", "agents"
    yield "tomas", f"/agents/{agent.public_id}/", "agent"
    yield "tomas", "/agents/new/", "agent-new"
    yield "tomas", f"/agents/{agent.public_id}/federated/new/", "agent-federated"
    yield "adele", "/issuers/", "issuers"
    yield "ruth", "/issuers/new/", "issuer-new"
    yield "tomas", f"/agents/{agent.public_id}/start/", "agent-start"
    yield "tomas", f"/agents/{agent.public_id}/history/", "agent-history"
    make_delivery_log(agent, now())
    yield "tomas", f"/agents/{agent.public_id}/webhooks/", "agent-webhooks"
    yield "tomas", f"/agents/{agent.public_id}/decommission/", "agent-decommission"
    yield "tomas", f"/agents/{agent.public_id}/keys/new/", "agent-key"
    yield "tomas", f"/agents/{agent.public_id}/grants/new/", "agent-tools"
    yield "tomas", f"/agents/{agent.public_id}/grants/new/?tool=post_journal_entry", "agent-grant"
    yield "maria", "/tools/", "tools"
    yield "maria", "/tools/create_purchase_order/", "tool"
    yield "ines", "/commits/", "commits"
    yield "ines", f"/commits/{order.commit.public_id}/", "commit"
    yield "ines", "/commits/connections/", "connections"
    yield "ines", "/commits/connections/embedded/", "connection"
    yield "ines", "/commits/?state=unknown&key=x", "commits-unknown"
    yield "ines", "/reconciliation/", "reconciliation"
    yield "ines", f"/reconciliation/runs/{difference.last_run.public_id}/", "run"
    yield "ines", "/reconciliation/breaks/", "breaks"
    yield "ines", f"/reconciliation/breaks/{difference.public_id}/", "break"
    yield "samuel", "/audit/", "audit"
    yield "samuel", f"/audit/proposals/{order.public_id}/", "audit-proposal"
    yield "maria", "/accounts/2fa/", "second-factors"
    yield "maria", "/accounts/logout/", "logout"


@pytest.mark.parametrize("half", [0, 1], ids=["first", "second"])
def test_every_page_in_every_look(visit: Callable[..., Watched], installation: Installation, half: int) -> None:
    """Half of the pages each, so that two workers share them."""
    decide(installation, "maria", ORDER)
    decide(installation, "maria", ENTRY, kind="reject", reason_code="evidence", comment="The average is not documented.")
    commit_everything()
    seal_everything()
    windows: dict[str, Watched] = {}
    for person, path, name in list(pages(installation))[half::2]:
        if person not in windows:
            windows[person] = visit(person)
        watched = windows[person]
        page = watched.open(path)
        for look, size, scheme in LOOKS:
            page.set_viewport_size(size)  # type: ignore[arg-type]
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            watched.check(is_full=look in FULL)
            if look in PICTURED:
                watched.picture(f"{name}-{look}")


@pytest.mark.parametrize(("path", "title"), [("/nowhere/", "There is nothing here"), ("/audit/", "This action is not yours")])
def test_pages_of_refusal(visit: Callable[..., Watched], path: str, title: str) -> None:
    watched = visit("maria")
    page = watched.open(path)
    assert title in page.locator("h1").inner_text()
    watched.check(expected=("status of 404", "status of 403"))
    watched.picture(f"refused-{path.strip('/')}")


def test_the_menu_of_a_phone_opens_and_closes(visit: Callable[..., Watched]) -> None:
    watched = visit("maria", phone=True)
    page = watched.open("/inbox/")
    page.get_by_role("link", name="Menu").click()
    page.get_by_role("link", name="Agents").wait_for()
    watched.check()
    watched.picture("menu-phone", is_full=False)
    page.get_by_role("link", name="Close").click()
    page.get_by_role("link", name="Agents").wait_for(state="hidden")


@pytest.mark.parametrize("scripts", [True, False])
def test_the_theme_is_kept(visit: Callable[..., Watched], scripts: bool) -> None:
    watched = visit("maria", scripts=scripts)
    page = watched.open("/inbox/")
    page.get_by_role("button", name="Dark theme").click()
    page.wait_for_url("**/inbox/")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    watched.open("/policies/")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.get_by_role("button", name="Theme of the device").click()
    page.wait_for_url("**/policies/")
    assert page.locator("html").get_attribute("data-theme") is None


def test_the_administration_keeps_the_policy(visit: Callable[..., Watched]) -> None:
    """Django's own pages wear our colours; they too run under the strict content security policy."""
    watched = visit("adele")
    page = watched.open("/agents/")
    page.get_by_role("link", name="People and groups").click()
    page.get_by_role("link", name="Countersign").wait_for()
    watched.check_faults()
    watched.picture("administration")
