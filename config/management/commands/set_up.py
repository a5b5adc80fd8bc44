"""`manage.py set_up`: migrate both databases, roles and rights, cache table, schedules, static files, sample data."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from audit.partitions import make_partitions
from config.database_roles import apply_roles
from config.migrating import has_pending, migrate_everything
from config.paths import PROJECT
from config.sample.load import load_sample_data
from kernel.clock import now
from kernel.queue import Cluster, ensure_schedule

SCHEDULES = (
    ("Commit sweep", "commits.tasks.sweep", 1),
    ("Expire proposals", "proposals.tasks.expire_due", 1),
    ("Withdraw proposals of decommissioned agents", "proposals.tasks.withdraw_orphans", 5),
    ("Suspend unreviewed agents", "identity.tasks.suspend_unreviewed", 15),
    ("Deliver webhooks", "proposals.webhooks.tasks.deliver", 1),
    ("Summarise refusals", "identity.limits.tasks.summarise", 1),
    ("Forget expired assertions", "identity.tasks.forget_expired_assertions", 60),
    ("Forget spent proofs", "identity.tasks.forget_spent", 5),
    ("Rotate the signing key by age", "identity.tasks.rotate_signing_key", 60),
    ("Escalate overdue steps", "approvals.tasks.escalate_overdue", 1),
    ("Mail approvers", "approvals.tasks.mail", 1),
    ("Import exchange rates", "approvals.tasks.import_rates", 60),
    ("Draw second reviews", "approvals.tasks.draw_reviews", 60),
    ("Nightly reconciliation", "reconciliation.tasks.run_nightly", 60),
    ("Make evidence bundles", "reconciliation.evidence.tasks.make_waiting", 1),
    ("List expired payloads", "audit.retention.tasks.list_due", 60),
    ("Carry on approved disposals", "audit.retention.tasks.carry_on", 10),
)

# What takes long runs beside what people wait for, not before it.
BULK_TASKS = frozenset(
    {
        "approvals.tasks.escalate_overdue",
        "approvals.tasks.mail",
        "approvals.tasks.import_rates",
        "approvals.tasks.draw_reviews",
        "audit.retention.tasks.carry_on",
        "audit.retention.tasks.list_due",
        "reconciliation.evidence.tasks.make_waiting",
        "reconciliation.tasks.run_nightly",
        "proposals.webhooks.tasks.deliver",
    }
)


class Command(BaseCommand):
    """Bring an installation up to date; repeatable and quick when nothing is to do."""

    help = "Migrate both databases, apply roles and rights, schedules and static files, optionally load the sample data."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--sample", action="store_true", help="also load the sample data")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do each step, saying which."""
        if has_pending():
            self.stdout.write("Migrating both databases …")
            migrate_everything()
            call_command("createcachetable", verbosity=0)
        apply_roles()
        make_partitions(now=now())
        for name, task, minutes in SCHEDULES:
            ensure_schedule(name, task, minutes=minutes, cluster=Cluster.BULK if task in BULK_TASKS else Cluster.COMMIT)
        self._collect_static()
        if options["sample"]:
            load_sample_data(now=now(), say=self.stdout.write)

    @staticmethod
    def _collect_static() -> None:
        """Collect static files when any of ours changed since the last time (packages change only with requirements.txt)."""
        sources = sorted(path for path in (PROJECT / "static").rglob("*") if path.is_file())
        stamp = hashlib.sha256()
        for path in [PROJECT / "requirements.txt", *sources]:
            stamp.update(str(path).encode())
            stamp.update(path.read_bytes())
        marker = Path(settings.STATIC_ROOT) / ".collected"
        if marker.exists() and marker.read_text(encoding="ascii") == stamp.hexdigest():
            return
        call_command("collectstatic", interactive=False, verbosity=0)
        marker.write_text(stamp.hexdigest(), encoding="ascii")
