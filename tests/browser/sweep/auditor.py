"""The auditor's desk with a run of the rules and a sample, and the thresholds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kernel.actors import Actor
from kernel.clock import now as clock_now
from reconciliation.assurance.rule_runs import perform, request_rule_run
from reconciliation.assurance.samples import draw_sample
from reconciliation.assurance.scope import Scope
from tests.builders.console import Installation


def pages(installation: Installation) -> Iterator[tuple[str, str, str]]:
    """Yield one stop for each kind of page of the desk."""
    samuel, now = installation.person("samuel"), clock_now()
    actor = Actor.human(samuel.pk)
    scope = Scope(now - timedelta(days=30), now + timedelta(minutes=1), ("DE01",))
    run = request_rule_run(scope=scope, user=samuel, actor=actor, now=now)
    perform(key=run.pk, now=now)
    sample = draw_sample(scope=scope, method="random", size=5, purpose="Walkthrough of November", user=samuel, actor=actor, now=now)
    yield "samuel", "/audit/desk/", "desk"
    yield "samuel", "/audit/desk/search/", "desk-search"
    yield "samuel", "/audit/desk/controls/", "desk-controls"
    yield "samuel", f"/audit/desk/rules/{run.public_id}/", "desk-rules"
    yield "samuel", "/audit/desk/samples/", "desk-samples"
    yield "samuel", f"/audit/desk/samples/{sample.public_id}/", "desk-sample"
    yield "ruth", "/thresholds/", "thresholds"
