"""Register an agent for the clients of this directory: run as the owner of a running installation's databases.

    python -m tests.clients.register strict|plain KEY_FILE

Prints its id and writes its private key to the file. The proofs of a strict agent have to cover the bodies.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

import django

ORDER, BUDGET, COMPANY = "create_purchase_order", "check_budget", "DE01"


def main() -> int:
    """Register an agent whose tokens are for reading a budget and ordering, bound to a key; print its id."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    kind, key_file = sys.argv[1:]
    print(register(kind, Path(key_file)))
    return 0


def register(kind: str, key_file: Path) -> str:
    """Return the id of a new agent with a key, a read grant, an active write grant and what its tokens are for."""
    from django.contrib.auth.models import User
    from joserfc.jwk import ECKey

    from identity import services
    from identity.services.grants import GrantTerms
    from identity.services.token_terms import set_token_terms
    from kernel.actors import Actor
    from kernel.clock import now as clock_now

    now = clock_now()
    owner, sponsor = User.objects.get(username="tomas"), User.objects.get(username="petra")
    actor = Actor.human(owner.pk)
    agent = services.register_agent(
        name=f"Framework agent, {kind}",
        purpose="Orders parts from within other people's frameworks.",
        runtime="Test clients",
        owner_id=owner.pk,
        sponsor_id=sponsor.pk,
        companies=[COMPANY],
        model="No model: a script",
        expires_on=(now + timedelta(days=30)).date(),
        actor=actor,
        now=now,
    )
    key = ECKey.generate_key("P-256")
    services.register_credential(
        agent_id=agent.pk, jwk=key.as_dict(private=False), not_after=now + timedelta(days=30), actor=actor, now=now
    )
    services.activate_agent(agent_id=agent.pk, actor=actor, now=now)
    until = now + timedelta(days=30)
    services.issue_grant(agent_id=agent.pk, tool=BUDGET, terms=GrantTerms(companies=(COMPANY,), valid_until=until), actor=actor, now=now)
    terms = GrantTerms(
        companies=(COMPANY,),
        valid_until=until,
        currency="EUR",
        ceiling_minor=1_000_000,
        ceiling_day_minor=100_000_000,
        ceiling_30_days_minor=100_000_000,
        count_per_hour=1_000,
    )
    grant = services.issue_grant(agent_id=agent.pk, tool=ORDER, terms=terms, actor=actor, now=now)
    services.activate_grant(grant_id=grant.pk, actor=actor, now=now)
    details = [
        {"type": "countersign_tool", "actions": [action], "tool": tool, "company": COMPANY}
        for action, tool in (("read", BUDGET), ("propose", ORDER))
    ]
    set_token_terms(
        agent_id=agent.pk,
        token_binding="dpop",
        token_shape="set",
        is_strict=kind == "strict",
        default_details=details,
        actor=actor,
        now=now,
    )
    descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(key.as_pem(private=True).decode("ascii"))
    return agent.public_id


if __name__ == "__main__":
    sys.exit(main())
