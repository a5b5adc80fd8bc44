"""`manage.py audit_keys`: the keys that wrap payload keys: which there are, a new one, everything wrapped anew, old ones retired."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db.models import Count

from audit.models import PayloadKey
from audit.payload_keys import wrapping_ring
from audit.retention.services.keys import add_wrapping_key, rewrap_everything
from kernel.actors import Actor
from kernel.clock import now
from kernel.context import Origin, origin

ACTOR = Actor.system("key-rotation")


class Command(BaseCommand):
    """Shows or rotates the wrapping keys; payloads and events stay as they are."""

    help = "show: which keys wrap how much. rotate: a new key wraps everything. rewrap: the ring's first key does (added by a vault)."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("action", choices=["show", "rotate", "rewrap"])
        parser.add_argument("--retire", action="store_true", help="take the other keys out of the ring afterwards")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it and say so."""
        with origin(Origin(channel="command")):
            if options["action"] == "rotate":
                self.stdout.write(f"New key {add_wrapping_key().id}.")
            if options["action"] != "show":
                done = rewrap_everything(actor=ACTOR, now=now(), is_retiring=options["retire"])
                self.stdout.write(f"{done.rewrapped} payload keys wrapped anew under {done.key_id}.")
                for key_id in done.retired:
                    self.stdout.write(f"Retired {key_id}: destroy its copies elsewhere, too.")
        self._show()

    def _show(self) -> None:
        rows = PayloadKey.objects.filter(wrapped__isnull=False).values_list("wrapping_key").annotate(Count("pk"))
        counts = dict(rows.order_by("wrapping_key"))
        for number, key in enumerate(wrapping_ring().keys):
            place = "wraps new ones" if number == 0 else "opens only"
            self.stdout.write(f"{key.id}  {counts.pop(key.id, 0)} payload keys, {place}")
        for key_id, count in counts.items():
            self.stdout.write(f"{key_id}  {count} payload keys that can't be opened: this key is not in the ring")
