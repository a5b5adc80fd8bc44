"""Samples: drawn from a stated population with a seed that is kept, so that anybody can draw them again."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

import audit.services
from audit.records import Subject
from identity.permissions import Permission, companies_with
from kernel.actors import Actor
from kernel.errors import FieldError, NotVisible, ValidationFailed
from reconciliation.assurance.models import Sample, SampleItem
from reconciliation.assurance.population import Member, PopulationDigest, members
from reconciliation.assurance.sampling import DRAWS, Picked
from reconciliation.assurance.scope import Scope, require_companies
from reconciliation.assurance.states import SampleMethod
from reconciliation.events import AssuranceEvent

SIZE_MAX = 1_000
PURPOSE_MAX = 300
SEED_PATTERN = re.compile(r"^[0-9A-Za-z_-]{1,64}$")


def draw_sample(
    *, scope: Scope, method: str, size: int, purpose: str, user: User, actor: Actor, now: datetime, seed: str = "", currency: str = ""
) -> Sample:
    """The sample is drawn and kept with its population's count, sums and digest; without a seed one is made at random.

    Raises ValidationFailed for a method, size, seed or purpose without a form, and for a population with nothing to draw;
    NotVisible for a company that is not the person's.
    """
    require_companies(scope)
    if not set(scope.companies) <= companies_with(user, Permission.EVIDENCE_EXPORT):
        raise NotVisible(detail="One of these companies is not among yours.")
    _require_sound(method, size, purpose, seed, currency)
    seed = seed or secrets.token_hex(16)
    population = PopulationDigest()
    picked = draw(_counted(scope, population), method=method, size=size, seed=seed, currency=currency)
    if not picked:
        raise ValidationFailed(
            detail="There is nothing to draw from: nothing landed in this period.",
            errors=(FieldError("/since", "nothing landed", "a period in which something landed"),),
        )
    with transaction.atomic():
        sample = Sample.objects.create(
            since=scope.since,
            until=scope.until,
            companies=list(scope.companies),
            method=method,
            currency=currency if method == SampleMethod.MONETARY_UNIT else "",
            seed=seed,
            size=size,
            population_count=population.count,
            population_totals=dict(sorted(population.totals.items())),
            population_digest=population.text,
            purpose=purpose.strip(),
            drawn_by=user,
            drawn_at=now,
        )
        SampleItem.objects.bulk_create(
            SampleItem(sample=sample, position=position, proposal_id=item.member.key, stratum=item.stratum, because=item.because)
            for position, item in enumerate(picked, start=1)
        )
        audit.services.record(
            kind=AssuranceEvent.SAMPLE_DRAWN,
            actor=actor,
            subject=Subject(kind="sample", id=sample.public_id, company=scope.companies[0] if len(scope.companies) == 1 else ""),
            now=now,
            outcome={
                "scope": scope.parameters,
                "method": str(method),
                "seed": seed,
                "size": size,
                "drawn": len(picked),
                "population": population.count,
                "population_digest": population.text,
            },
        )
        return sample


def draw(found: Iterator[Member], *, method: str, size: int, seed: str, currency: str = "") -> list[Picked]:
    """Return what this method, size and seed select from the population; the whole population is read."""
    if method == SampleMethod.MONETARY_UNIT:
        everything = list(found)
        return DRAWS[method]([member for member in everything if member.currency == currency], size=size, seed=seed)
    return DRAWS[method](found, size=size, seed=seed)


def redrawn(sample: Sample) -> tuple[list[Picked], PopulationDigest]:
    """Return what the stored parameters select today, and today's population: the same, unless something landed late or was altered."""
    population = PopulationDigest()
    scope = Scope(sample.since, sample.until, tuple(sample.companies))
    picked = draw(_counted(scope, population), method=sample.method, size=sample.size, seed=sample.seed, currency=sample.currency)
    return picked, population


def _counted(scope: Scope, population: PopulationDigest) -> Iterator[Member]:
    for member in members(scope):
        population.add(member)
        yield member


def _require_sound(method: str, size: int, purpose: str, seed: str, currency: str) -> None:
    errors = []
    if method not in SampleMethod.values:
        errors.append(FieldError("/method", f"{method[:20]!r} is no method", ", ".join(SampleMethod.values)))
    if not 1 <= size <= SIZE_MAX:
        errors.append(FieldError("/size", f"{size} is no size of a sample", f"1 to {SIZE_MAX:,}"))
    if not 1 <= len(purpose.strip()) <= PURPOSE_MAX:
        errors.append(FieldError("/purpose", "what it is for is missing or too long", f"1 to {PURPOSE_MAX} characters"))
    if seed and not SEED_PATTERN.match(seed):
        errors.append(FieldError("/seed", "the seed has another form", "letters, digits, - and _, up to 64"))
    if method == SampleMethod.MONETARY_UNIT and not re.match(r"^[A-Z]{3}$", currency):
        errors.append(FieldError("/currency", "units of which money?", "an ISO 4217 code such as EUR"))
    if errors:
        raise ValidationFailed(detail=f"{errors[0].message[:1].upper()}{errors[0].message[1:]}.", errors=tuple(errors))
