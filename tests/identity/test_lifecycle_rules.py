"""What no person has to do and nobody can undo: overdue reviews, agents nobody answers for, whom an agent acts for, two live keys."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django_q.models import OrmQ

from identity import services
from identity.errors import AgentUnaccountable, ReviewOverdue
from identity.models import Agent, Role, RoleAssignment
from identity.services import reviews
from identity.states import AgentState, Suspension
from kernel.clock import now
from kernel.errors import PermissionRefused, ValidationFailed
from kernel.ids import new_id
from tests.builders.identity import actor, make_agent, make_credential, make_key, make_user
from tests.identity.recorded import actors, kinds, outcomes

pytestmark = pytest.mark.django_db


def overdue(owner: User, name: str = "Purchasing agent") -> Agent:
    """Return an active agent whose review date was yesterday."""
    agent = make_agent(owner, name=name)
    Agent.objects.filter(pk=agent.pk).update(expires_on=now().date() - timedelta(days=1))
    return Agent.objects.get(pk=agent.pk)


def renew(agent: Agent, by: User) -> Agent:
    return services.renew_agent(agent_id=agent.pk, expires_on=now().date() + timedelta(days=90), actor=actor(by), now=now())


def edited(agent: Agent, by: User, *people: int) -> Agent:
    described = {name: getattr(agent, name) for name in ("purpose", "runtime", "model", "model_version")}
    return services.edit_agent(agent_id=agent.pk, **described, acts_for=people, actor=actor(by), now=now())


def test_past_its_review_date_an_agent_is_suspended_and_recorded(alice: User, dora: User) -> None:
    late, other = overdue(alice), make_agent(dora, name="Another agent")
    before = len(kinds())
    assert (reviews.suspend_unreviewed(now=now()), reviews.suspend_unreviewed(now=now())) == (1, 0)
    late.refresh_from_db()
    assert (late.state, late.suspended_because) == (AgentState.SUSPENDED, Suspension.REVIEW)
    assert late.suspended_at is not None
    assert late.last_edited_by == alice  # a job excludes nobody from deciding
    assert kinds()[before:] == ["agent:suspended"]
    assert actors("agent:suspended") == [("system", "agent-review")]
    assert outcomes("agent:suspended") == [{"state": "suspended", "before": "active", "code": "review_overdue"}]
    row = late.history.first()
    assert (row.state, row.history_user) == ("suspended", None)
    assert Agent.objects.get(pk=other.pk).state == AgentState.ACTIVE
    assert OrmQ.objects.count() == 1  # the wake-up that freezes its commits


def test_a_review_on_its_last_day_is_not_overdue(alice: User) -> None:
    agent = make_agent(alice)
    Agent.objects.filter(pk=agent.pk).update(expires_on=now().date())
    assert reviews.suspend_unreviewed(now=now()) == 0


def test_only_renewing_lets_it_work_again(alice: User) -> None:
    agent = overdue(alice)
    reviews.suspend_unreviewed(now=now())
    with pytest.raises(ReviewOverdue):
        services.resume_agent(agent_id=agent.pk, actor=actor(alice), now=now())
    found = renew(agent, alice)
    assert (found.state, found.suspended_at, found.suspended_because) == (AgentState.ACTIVE, None, "")
    assert outcomes("agent:renewed")[0]["state"] == "active"
    assert reviews.suspend_unreviewed(now=now()) == 0


def test_renewing_does_not_undo_what_a_person_stopped(alice: User) -> None:
    agent = make_agent(alice)
    services.suspend_agent(agent_id=agent.pk, actor=actor(alice), now=now(), reason="Odd orders")
    assert renew(agent, alice).state == AgentState.SUSPENDED


def test_a_draft_past_its_review_date_does_not_begin(alice: User) -> None:
    agent = make_agent(alice, is_active=False)
    Agent.objects.filter(pk=agent.pk).update(expires_on=now().date() - timedelta(days=1))
    with pytest.raises(ReviewOverdue):
        services.activate_agent(agent_id=agent.pk, actor=actor(alice), now=now())


@pytest.mark.parametrize("who", ["owner", "sponsor"])
@pytest.mark.parametrize("how", ["account closed", "role taken", "company taken"])
def test_an_agent_that_nobody_answers_for_is_suspended(alice: User, bob: User, who: str, how: str) -> None:
    agent = make_agent(alice)
    person: User = getattr(agent, who)
    if how == "account closed":
        User.objects.filter(pk=person.pk).update(is_active=False)
    elif how == "role taken":
        RoleAssignment.objects.filter(user=person).delete()
    else:
        RoleAssignment.objects.filter(user=person).update(companies=["FR01"])
    assert reviews.suspend_unreviewed(now=now()) == 1
    agent.refresh_from_db()
    assert (agent.state, agent.suspended_because) == (AgentState.SUSPENDED, Suspension.UNACCOUNTABLE)
    for step in (services.resume_agent, renewed_by):
        with pytest.raises(AgentUnaccountable):
            step(agent_id=agent.pk, actor=actor(bob), now=now())
    services.decommission_agent(agent_id=agent.pk, actor=actor(bob), now=now())


def renewed_by(**arguments: object) -> Agent:
    return services.renew_agent(**arguments, expires_on=now().date() + timedelta(days=90))  # type: ignore[arg-type]


def test_the_sponsor_has_a_role_in_each_of_its_companies(alice: User) -> None:
    with pytest.raises(ValidationFailed) as refused:
        make_agent(alice, sponsor=make_user("sponsor", [Role.CONTROLLER], ["FR01"]))
    assert [error.path for error in refused.value.errors] == ["/sponsor"]
    assert not Agent.objects.exists()


def test_an_agent_acts_for_nobody_unless_told(alice: User, dora: User) -> None:
    assert make_agent(alice).acts_for == []
    agent = make_agent(alice, name="Another agent", acts_for=[dora])
    assert agent.acts_for == [dora.pk]
    assert outcomes("agent:registered")[-1]["acts_for"] == [str(dora.pk)]


def test_whom_it_acts_for_changes_with_before_and_after(alice: User, dora: User) -> None:
    agent = make_agent(alice)
    edited(agent, alice, dora.pk, dora.pk)
    assert [row.acts_for for row in agent.history.all()][:2] == [[dora.pk], []]
    assert outcomes("agent:edited") == [{"fields": ["acts_for"]}]


def test_it_acts_only_for_people_of_its_companies(alice: User, charlie: User, dora: User) -> None:
    agent = make_agent(alice, acts_for=[dora])
    for stranger in (charlie.pk, 0, make_user("nobody").pk):
        with pytest.raises(ValidationFailed) as refused:
            edited(agent, alice, stranger)
        assert [error.path for error in refused.value.errors] == ["/acts_for"]
    assert Agent.objects.get().acts_for == [dora.pk]
    # Somebody who has left may stay in the list, where their name does nothing any more.
    RoleAssignment.objects.filter(user=dora).delete()
    assert edited(agent, alice, dora.pk).acts_for == [dora.pk]


def test_nobody_else_says_whom_it_acts_for(alice: User, dora: User) -> None:
    agent = make_agent(alice)
    with pytest.raises(PermissionRefused):
        edited(agent, dora, dora.pk)
    assert Agent.objects.get().acts_for == []
    assert kinds()[-1] == "agent:refused"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE identity_agent SET state = 'suspended', suspended_at = now()",
        "UPDATE identity_agent SET state = 'suspended', suspended_because = 'person'",
        "UPDATE identity_agent SET suspended_because = 'review_overdue'",
    ],
)
def test_the_database_wants_a_suspension_whole(alice: User, statement: str) -> None:
    make_agent(alice)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_database_wants_owner_and_sponsor_to_be_two(alice: User) -> None:
    agent = make_agent(alice)
    agent.pk, agent.name, agent.sponsor = new_id(), "Another agent", alice
    with pytest.raises(IntegrityError, match="owner_is_not_sponsor"), transaction.atomic():
        agent.save(force_insert=True)


def test_the_database_counts_live_keys(alice: User) -> None:
    agent = make_agent(alice)
    first, _ = (make_credential(agent, make_key()) for _ in range(2))
    third = make_key()

    def insert() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO identity_credential (id, agent_id, jwk, thumbprint, algorithm, not_after, issued_by_id, created_at)"
                " SELECT %s, agent_id, jwk, %s, algorithm, not_after, issued_by_id, now() FROM identity_credential WHERE id = %s",
                [new_id(), third.thumbprint(), first.pk],
            )

    with pytest.raises(IntegrityError, match="two live keys"):
        insert()
    services.revoke_credential(credential_id=first.pk, actor=actor(alice), now=now())
    insert()


def test_keys_rotate_with_an_overlap(alice: User) -> None:
    """The new one beside the old one, then the old one revoked: at no time is the agent without a key."""
    agent = make_agent(alice)
    old, new = (make_credential(agent, make_key()) for _ in range(2))
    services.revoke_credential(credential_id=old.pk, actor=actor(alice), now=now())
    live = agent.credentials.filter(revoked_at__isnull=True)
    assert live.get() == new
    make_credential(agent, make_key())
    assert live.count() == 2
