"""Runs in the peers' environment: `python peer_django_ledger.py URL COUNT` prints the posted journal entries per second."""

from __future__ import annotations

import sys
import time
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit


def main() -> None:
    """Migrate, make an entity with its chart and a ledger, post, print."""
    from django.conf import settings

    parts = urlsplit(sys.argv[1])
    host = parts.hostname or parse_qs(parts.query).get("host", [""])[0]
    database = {"ENGINE": "django.db.backends.postgresql", "NAME": parts.path[1:], "USER": parts.username, "PASSWORD": parts.password or ""}
    settings.configure(
        DATABASES={"default": database | {"HOST": host, "PORT": parts.port or "", "CONN_MAX_AGE": None}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_ledger"],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        SECRET_KEY="measured",  # noqa: S106  a throw-away environment
    )
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.utils.timezone import now
    from django_ledger.models import EntityModel  # type: ignore[import-not-found]

    call_command("migrate", verbosity=0)
    admin = get_user_model().objects.create_user("bench", "bench@example.com", "measured")
    entity = EntityModel.create_entity(name="Bench", use_accrual_method=True, admin=admin, fy_start_month=1)
    entity.create_chart_of_accounts(assign_as_default=True, commit=True, coa_name="Bench")
    entity.populate_default_coa(activate_accounts=True)
    ledger = entity.create_ledger(name="Bench", posted=True)
    accounts = {account.role: account for account in entity.get_default_coa_accounts(active=True)}
    expense, payable = accounts["ex_regular"], accounts["lia_cl_acc_payable"]

    def post() -> None:
        ledger.commit_txs(
            je_timestamp=now(),
            je_posted=True,
            je_ledger_model=ledger,
            je_desc="Bench entry",
            je_txs=[
                {"account": expense, "amount": Decimal("0.01"), "tx_type": "debit", "description": ""},
                {"account": payable, "amount": Decimal("0.01"), "tx_type": "credit", "description": ""},
            ],
        )

    post()
    count = int(sys.argv[2])
    started = time.perf_counter()
    for _ in range(count):
        post()
    print(count / (time.perf_counter() - started))


main()
