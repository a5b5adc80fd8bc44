"""Importing published exchange rates: all rates of a file, for every company's currency, in one transaction, or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from django.db import connection, transaction

from approvals.events import PolicyEvent
from approvals.matrix.currencies import RATE_MAX, RATE_PLACES, SOURCE_LENGTH_MAX
from approvals.matrix.models import CompanyCurrency, ExchangeRate, RateImport
from approvals.services.matrix import refusals_recorded
from audit.records import Subject
from audit.services import record
from gateway.reference_rates import RatesUnreadable, ReferenceRates, parse_rates
from kernel.actors import Actor

IMPORTER = Actor.system("rates")
SUBJECT = Subject("policy", "rates")
STEP = Decimal(1).scaleb(-RATE_PLACES)


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of one file: the import, None when it held nothing new, and how many of its rates were known already."""

    made: RateImport | None
    known: int


def import_rates(*, content: bytes, source: str, now: datetime, actor: Actor = IMPORTER) -> Imported:
    """The rates of a file count from now on, each for its day; what is recorded already for a day is left as it is.

    From every currency of the file to the currency of each company. Doing it again changes nothing, and another rate for the same day is
    a correction that replaces the earlier one, which stays on record. Raises RatesUnreadable: then nothing is stored, and one
    `policy:refused` says why.
    """
    with refusals_recorded(actor, SUBJECT, now):
        if not source.strip() or len(source) > SOURCE_LENGTH_MAX:
            raise RatesUnreadable(detail=f"Say whose rates they are, in up to {SOURCE_LENGTH_MAX} characters.")
        found = parse_rates(content)
        newest = max(found.days)
        if newest > now.date():
            raise RatesUnreadable(detail=f"The exchange rates can't be taken: {newest.isoformat()} is in the future.")
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('rates', 0))")
            wanted = list(_rates(found, _bases(found)))
            stored = _stored(min(found.days), newest)
            fresh = [item for item in wanted if stored.get(item[:3]) != item[3]]
            made = _store(fresh, content=content, source=source.strip(), actor=actor, now=now) if fresh else None
    return Imported(made, len(wanted) - len(fresh))


def _bases(found: ReferenceRates) -> list[str]:
    """Return the currencies that companies keep their books in and the file knows."""
    bases = sorted(set(CompanyCurrency.objects.values_list("currency", flat=True)))
    told = {found.base}.union(*found.days.values())
    if not bases:
        raise RatesUnreadable(detail="No company's currency is recorded, so there is nothing to convert into.")
    if not told.intersection(bases):
        raise RatesUnreadable(detail=f"The exchange rates can't be taken: none of {', '.join(bases)} is in it.")
    return [base for base in bases if base in told]


def _rates(found: ReferenceRates, bases: list[str]) -> Iterator[tuple[str, str, date, Decimal]]:
    """Yield from, to, day and rate for each pair; crossed over the currency that the file is about."""
    for day, rates in sorted(found.days.items()):
        worth = {**rates, found.base: Decimal(1)}
        for base in bases:
            for currency in sorted(worth):
                if currency != base and base in worth:
                    yield currency, base, day, _crossed(worth[base], worth[currency], currency, base)


def _crossed(base: Decimal, other: Decimal, currency: str, to: str) -> Decimal:
    with localcontext() as context:
        context.prec = 40
        rate = (base / other).quantize(STEP, ROUND_HALF_EVEN)
    if not 0 < rate < RATE_MAX:
        raise RatesUnreadable(detail=f"The exchange rates can't be taken: one {currency} would be worth {rate:f} {to}.")
    return rate


def _stored(since: date, until: date) -> dict[tuple[str, str, date], Decimal]:
    """Return the rates that count for these days: of each pair and day the one recorded last."""
    rows = ExchangeRate.objects.filter(rate_on__gte=since, rate_on__lte=until).order_by("recorded_at", "pk")
    return {(row.from_currency, row.to_currency, row.rate_on): row.rate for row in rows}


def _store(fresh: list[tuple[str, str, date, Decimal]], *, content: bytes, source: str, actor: Actor, now: datetime) -> RateImport:
    first, last = min(item[2] for item in fresh), max(item[2] for item in fresh)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    made = RateImport.objects.create(source=source, digest=digest, first_on=first, last_on=last, count=len(fresh), recorded_at=now)
    ExchangeRate.objects.bulk_create(
        [
            ExchangeRate(from_currency=currency, to_currency=base, rate=rate, rate_on=day, source=source, imported_by=made, recorded_at=now)
            for currency, base, day, rate in fresh
        ],
        batch_size=1000,
    )
    record(
        kind=PolicyEvent.RATES_IMPORTED,
        actor=actor,
        subject=SUBJECT,
        now=now,
        outcome={
            "import": made.pk,
            "digest": digest,
            "first_on": first.isoformat(),
            "last_on": last.isoformat(),
            "count": len(fresh),
            "to": sorted({item[1] for item in fresh}),
        },
        payload={"source": source},
    )
    return made
