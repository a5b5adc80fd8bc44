"""A person who decides on the orders of these clients, over the console's pages, while they wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

from examples.replay_approvers import PROPOSAL, Approver, form_of
from tests.journey.installation import RealInstallation

PREFIX = "CLIENTS-"
REJECTED = "-REJECT"
COMMENT = "Not this month."


@contextmanager
def someone_decides(installation: RealInstallation) -> Iterator[None]:
    """Let a person decide over the console's pages meanwhile, on the orders of the clients only."""
    is_over = threading.Event()
    person = Approver(installation.address, "maria", installation.people()["maria"])
    person.log_in()

    def work() -> None:
        while not is_over.wait(0.5):
            for address in dict.fromkeys(PROPOSAL.findall(person.http.get("/inbox/?company=DE01").text)):
                _decide(person, address)

    with closing(person.http), ThreadPoolExecutor(1) as pool:
        desk = pool.submit(work)
        try:
            yield
        finally:
            is_over.set()
        desk.result()


def _decide(person: Approver, address: str) -> None:
    page = person.http.get(address)
    form = form_of(page, "/decide/")
    if PREFIX not in page.text or not form.action:
        return
    choice = {"kind": "approve", "reason_code": "", "comment": ""}
    if REJECTED in page.text:
        choice = {"kind": "reject", "reason_code": "not_needed", "comment": COMMENT}
    person.http.post(form.action, data={**form.fields, **choice})
