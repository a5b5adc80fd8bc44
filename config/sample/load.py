"""Load the sample data: the ledger's masters, people, agents, a policy, and what the agents want first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.contrib.auth import get_user_model
from django.db import transaction

from config.sample.agents import load_agents
from config.sample.people import CAST, load_people
from config.sample.policy import load_policy
from config.sample.proposals import load_proposals
from kernel.context import Origin, origin
from ledger.sample import load_sample_company


def load_sample_data(*, now: datetime, say: Callable[[str], object]) -> None:
    """Load everything once; an installation that has the cast already is left as it is."""
    load_sample_company()
    with origin(Origin(channel="command")):
        if not get_user_model().objects.filter(username=CAST[0].username).exists():
            say("Loading the sample data …")
            # One transaction: a start that is interrupted here leaves nothing half-loaded for the next one.
            with transaction.atomic():
                people = load_people(now=now)
                load_agents(people=people, now=now)
                load_policy(people=people, now=now)
        load_proposals(now=now)
