"""Decide the replayed orders as the approvers would, over the console's own pages: log in, read the page, press the button.

Usage: python -m examples.replay_approvers DIRECTORY [--url http://localhost:8000] [--idle 10]

Approves what the data calls anything but `rejected` and rejects those. Ends when nothing waited for anybody for `--idle` seconds.
A kill loses nothing: what was decided is decided, what was not is still in the inbox.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import httpx
from tqdm import tqdm

from examples import DATA

ORDER = re.compile(r"\bPO-(\d+)\b")
PROPOSAL = re.compile(r'href="(/proposals/prop_[0-9a-z]+/)"')
GONE = {404, 409}
ATTEMPTS = 12


class FormReader(HTMLParser):
    """Collects the hidden fields of the form that posts to an address ending in `suffix`."""

    def __init__(self, address: str, suffix: str) -> None:
        """Remember which form, and the page's own address, where a form without one posts to."""
        super().__init__()
        self.address = address
        self.suffix = suffix
        self.action = ""
        self.fields: dict[str, str] = {}
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the form and its hidden fields."""
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = values.get("action") or self.address
            self._is_inside = action.split("?")[0].endswith(self.suffix)
            if self._is_inside:
                self.action = action
        elif tag == "input" and self._is_inside and values.get("type") == "hidden":
            self.fields[values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """Leave the form."""
        if tag == "form":
            self._is_inside = False


def form_of(page: httpx.Response, suffix: str) -> FormReader:
    """Return the form of a page that posts to an address ending in `suffix`."""
    reader = FormReader(page.url.path, suffix)
    reader.feed(page.text)
    return reader


@dataclass(slots=True)
class Approver:
    """One person at the console."""

    url: str
    name: str
    password: str
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        """Open a browser-like client that keeps cookies."""
        self.http = httpx.Client(base_url=self.url, timeout=60, headers={"Referer": self.url})

    def log_in(self) -> None:
        """Log in through the login page; raises SystemExit when it does not let us in."""
        page = self._get("/accounts/login/")
        form = form_of(page, "/login/")
        answer = self.http.post("/accounts/login/", data={**form.fields, "login": self.name, "password": self.password})
        if answer.status_code != 302:
            raise SystemExit(f"{self.name} could not log in: HTTP {answer.status_code}")

    def waiting(self) -> list[str]:
        """Return the addresses of the proposals on the first page of the inbox."""
        page = self._get("/inbox/?company=US01")
        return list(dict.fromkeys(PROPOSAL.findall(page.text)))

    def decide(self, address: str, rejected: frozenset[str]) -> bool:
        """Read one proposal and decide; return whether the decision was taken."""
        page = self._get(address)
        order = ORDER.search(page.text)
        form = form_of(page, "/decide/")
        if page.status_code in GONE or order is None or not form.action:
            return False
        choice = {"kind": "approve", "reason_code": "", "comment": ""}
        if order[1] in rejected:
            choice = {"kind": "reject", "reason_code": "not_needed", "comment": "The purchasing system calls this order rejected."}
        answer = self._post(form.action, {**form.fields, **choice})
        return answer.status_code in {302, 303}

    def _get(self, path: str) -> httpx.Response:
        return self._again(lambda: self.http.get(path))

    def _post(self, path: str, data: dict[str, str]) -> httpx.Response:
        return self._again(lambda: self.http.post(path, data=data))

    def _again(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        """Return the answer, asking again while the console is away; raises SystemExit when it stays away.

        A decision whose answer was lost is sent a second time: either it was not taken, or the console says that it was.
        """
        for attempt in range(ATTEMPTS):
            try:
                answer = send()
            except httpx.TransportError:
                pass
            else:
                if answer.status_code < 500:
                    return answer
            time.sleep(min(5.0, 0.2 * 2**attempt))
        raise SystemExit(f"{self.name}: the console does not answer.")


class Desk:
    """What the approvers of this script have in hand: nobody opens what another one is reading or decided a moment ago."""

    def __init__(self) -> None:
        """Start with an empty desk."""
        self._lock = threading.Lock()
        self._in_hand: set[str] = set()
        self._decided_at: dict[str, float] = {}

    def take(self, address: str, listed_at: float) -> bool:
        """Return whether it is ours now: listed after the last decision on it, and in nobody's hand."""
        with self._lock:
            if address in self._in_hand or self._decided_at.get(address, 0.0) > listed_at:
                return False
            self._in_hand.add(address)
            return True

    def put_back(self, address: str) -> None:
        """Let go of it, decided or not."""
        with self._lock:
            self._in_hand.discard(address)
            self._decided_at[address] = time.monotonic()


@dataclass(slots=True)
class Work:
    """What all approvers of this script share."""

    rejected: frozenset[str]
    idle_seconds: float
    bar: tqdm[None]
    desk: Desk = field(default_factory=Desk)
    last_found: float = field(default_factory=time.monotonic)

    def run(self, approver: Approver) -> None:
        """Decide whatever waits for this person until nothing waited for anybody for a while."""
        approver.log_in()
        self.last_found = time.monotonic()
        while time.monotonic() - self.last_found < self.idle_seconds:
            listed_at = time.monotonic()
            if not sum(self._decide(approver, address, listed_at) for address in approver.waiting()):
                time.sleep(0.5)

    def _decide(self, approver: Approver, address: str, listed_at: float) -> bool:
        if not self.desk.take(address, listed_at):
            return False
        try:
            is_decided = approver.decide(address, self.rejected)
        finally:
            self.desk.put_back(address)
        if is_decided:
            self.last_found = time.monotonic()
            self.bar.update()
        return is_decided


def main() -> int:
    """Let the approvers work side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--people", type=Path, default=DATA / "sample" / "people.csv", help="CSV with username, password, role")
    parser.add_argument("--idle", type=float, default=10)
    options = parser.parse_args()
    with (options.directory / "purchase_orders.csv").open(encoding="utf-8", newline="") as file:
        rejected = frozenset(row["purchase_order_id"] for row in csv.DictReader(file) if row["status"] == "rejected")
    with options.people.open(encoding="utf-8", newline="") as file:
        people = [row for row in csv.DictReader(file) if row["role"] == "approver"]
    with tqdm(desc="Decided", unit="decision", smoothing=0) as bar, ThreadPoolExecutor(len(people)) as pool:
        work = Work(rejected, options.idle, bar)
        approvers = [Approver(options.url, row["username"], row["password"]) for row in people]
        # What stops one of them stops the script: the result is asked for.
        list(pool.map(work.run, approvers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
