"""An agent has proposed; a person countersigns in a browser; the ledger commits once; an auditor verifies what happened."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from audit.verifier import countersign_verify
from config.paths import PROJECT
from tests.journey.installation import RealInstallation

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HEADLINE = "Order 120 × Hub, rear"
LARGE_HEADLINE = "Order 1,400 × Rim 28 inch"
VERIFIER = PROJECT / "audit" / "verifier" / "countersign_verify.py"


def committed_document(running: RealInstallation, page: Page) -> str:
    """Return the document number that the page shows, once the ledger holds exactly one such document."""
    expect(page.get_by_role("heading", name="Landed in the ERP")).to_be_visible(timeout=20_000)
    expect(page.locator("#proposal-status")).to_contain_text("Committed")
    expect(page.locator("#outcome")).to_contain_text("exactly as approved")
    document = page.locator("#outcome .outcome-document").inner_text()
    proposal = page.url.rstrip("/").rsplit("/", 1)[1]
    landed = running.ask("SELECT document FROM ledger_landed WHERE reference = %s", proposal, database=1)
    assert landed == [(document,)]
    return document


def flipped(bundle: Path, member: str, target: Path) -> Path:
    """Write the bundle again with one bit of one byte in the middle of a member turned over."""
    with zipfile.ZipFile(bundle) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        for item in source.infolist():
            content = bytearray(source.read(item))
            if item.filename == member:
                content[len(content) // 2] ^= 1
            copy.writestr(item, bytes(content))
    return target


def test_one_approver(
    running: RealInstallation, signed_in: Callable[[str], Page], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = signed_in("maria")
    page.get_by_role("link", name=HEADLINE).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(HEADLINE)
    expect(page.get_by_text("Hubs for the December build.")).to_be_visible()
    page.get_by_role("button", name="Approve 6,912.00 EUR").click()
    expect(page.get_by_text("You approved this proposal.")).to_be_visible()
    document = committed_document(running, page)
    assert document.startswith("PO")

    verified = running.manage("audit_verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "The chain holds" in verified.stdout

    bundle = tmp_path / "evidence.zip"
    exported = running.manage("evidence_bundle", "--latest", "--output", str(bundle))
    assert exported.returncode == 0, exported.stderr
    assert page.url.rstrip("/").rsplit("/", 1)[1] in exported.stdout
    # -I: nothing of this project, its packages or its environment is within reach of the verifier.
    whole = running.run(sys.executable, "-I", str(VERIFIER), str(bundle))
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert document in zipfile.ZipFile(bundle).read("erp/receipt.json").decode()

    inside = tmp_path / "inside"
    zipfile.ZipFile(bundle).extractall(inside)
    assert running.run(sys.executable, "-I", str(inside / "verify.py")).returncode == 0
    (inside / "proposal" / "action.json").write_bytes((inside / "proposal" / "action.json").read_bytes().replace(b"70002", b"70003"))
    changed = running.run(sys.executable, "-I", str(inside / "verify.py"))
    assert (changed.returncode, "proposal/action.json" in changed.stdout + changed.stderr) == (1, True)

    # Every member, once from outside and the rest in this process, which is quicker.
    other = running.run(sys.executable, "-I", str(VERIFIER), str(flipped(bundle, "erp/receipt.json", tmp_path / "flipped.zip")))
    assert (other.returncode, "erp/receipt.json" in other.stdout) == (1, True)
    for member in zipfile.ZipFile(bundle).namelist():
        code = countersign_verify.main([str(flipped(bundle, member, tmp_path / "flipped.zip"))])
        said = capsys.readouterr().out
        assert (member, code) == (member, 1), said
        assert ("manifest" if member.startswith("manifest") else member) in said


def test_two_different_approvers(running: RealInstallation, signed_in: Callable[[str], Page]) -> None:
    maria = signed_in("maria")
    maria.get_by_role("link", name=LARGE_HEADLINE).click()
    maria.get_by_role("button", name="Approve 31,360.00 EUR").click()
    expect(maria.locator("#outcome")).to_contain_text("Waiting for Finance")
    expect(maria.get_by_role("button", name="Approve")).to_be_disabled()
    expect(maria.locator("#why-not")).to_contain_text("already decided")

    jonas = signed_in("jonas")
    jonas.get_by_role("link", name=LARGE_HEADLINE).click()
    jonas.get_by_role("button", name="Approve 31,360.00 EUR").click()
    assert committed_document(running, jonas).startswith("PO")


def test_the_owner_of_the_agent_may_not_approve(running: RealInstallation, signed_in: Callable[[str], Page]) -> None:
    before = running.ask("SELECT count(*) FROM approvals_decision")
    rows = running.ask("SELECT id::text FROM proposals_proposal WHERE idempotency_key = 'sample-order-brake-pads'")
    assert len(rows) == 1
    page = signed_in("maria")
    address = page.get_by_role("link", name="Brake pad").first.get_attribute("href")
    owner = signed_in("tomas")
    owner.goto(f"{running.address}{address}")
    expect(owner.get_by_role("button", name="Approve")).to_be_disabled()
    expect(owner.locator("#why-not")).to_contain_text("You own agent Purchasing agent")
    assert running.ask("SELECT count(*) FROM approvals_decision") == before
