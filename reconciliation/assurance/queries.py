"""Reads of runs of the rules and of samples: those whose companies are all among a person's."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db.models import QuerySet

from identity.permissions import Permission, companies_with
from kernel.errors import NotVisible
from kernel.ids import Prefix, decode
from reconciliation.assurance.models import RuleRun, Sample


def visible_rule_runs(user: User) -> QuerySet[RuleRun]:
    """Return the runs of the rules a person may see, newest first."""
    companies = sorted(companies_with(user, Permission.AUDIT_READ))
    return RuleRun.objects.filter(companies__contained_by=companies).select_related("started_by").order_by("-started_at")


def get_rule_run_for(user: User, run_id: str) -> RuleRun:
    """Return the run; raises NotVisible or InvalidIdentifier."""
    found = visible_rule_runs(user).filter(pk=decode(Prefix.RULE_RUN, run_id)).first()
    if found is None:
        raise NotVisible(detail=f"There is no run {run_id[:60]} that you may see.")
    return found


def visible_samples(user: User) -> QuerySet[Sample]:
    """Return the samples a person may see, newest first."""
    companies = sorted(companies_with(user, Permission.AUDIT_READ))
    return Sample.objects.filter(companies__contained_by=companies).select_related("drawn_by").order_by("-drawn_at")


def get_sample_for(user: User, sample_id: str) -> Sample:
    """Return the sample; raises NotVisible or InvalidIdentifier."""
    found = visible_samples(user).filter(pk=decode(Prefix.SAMPLE, sample_id)).first()
    if found is None:
        raise NotVisible(detail=f"There is no sample {sample_id[:60]} that you may see.")
    return found
