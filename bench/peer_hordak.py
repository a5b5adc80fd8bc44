"""Runs in the peers' environment: `python peer_hordak.py URL COUNT` prints the two-leg transactions per second of django-hordak."""

from __future__ import annotations

import sys
import time
from urllib.parse import parse_qs, urlsplit


def main() -> None:
    """Migrate, make two accounts, post, print."""
    from django.conf import settings

    parts = urlsplit(sys.argv[1])
    host = parts.hostname or parse_qs(parts.query).get("host", [""])[0]
    database = {"ENGINE": "django.db.backends.postgresql", "NAME": parts.path[1:], "USER": parts.username, "PASSWORD": parts.password or ""}
    settings.configure(
        DATABASES={"default": database | {"HOST": host, "PORT": parts.port or "", "CONN_MAX_AGE": None}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "mptt", "djmoney", "hordak"],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DEFAULT_CURRENCY="EUR",
        CURRENCIES=["EUR"],
        SECRET_KEY="measured",  # noqa: S106  a throw-away environment
    )
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import transaction
    from hordak.models import Account, AccountType, Leg, Transaction  # type: ignore[import-not-found]
    from moneyed import Money  # type: ignore[import-not-found]

    call_command("migrate", verbosity=0)
    expense = Account.objects.create(name="Cleaning", code="63", type=AccountType.expense, currencies=["EUR"])
    payable = Account.objects.create(name="Payables", code="20", type=AccountType.liability, currencies=["EUR"])

    def post() -> None:
        with transaction.atomic():
            entry = Transaction.objects.create(description="Bench entry")
            Leg.objects.create(transaction=entry, account=expense, debit=Money("0.01", "EUR"))
            Leg.objects.create(transaction=entry, account=payable, credit=Money("0.01", "EUR"))

    post()
    count = int(sys.argv[2])
    started = time.perf_counter()
    for _ in range(count):
        post()
    print(count / (time.perf_counter() - started))


main()
