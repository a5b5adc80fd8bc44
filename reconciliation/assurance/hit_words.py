"""What a rule saw and what it was held against, in words: the stored facts keep their names, people read theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.contrib.auth.models import User

from approvals.flags.pages import LABELS
from approvals.rules.results import Hit
from reconciliation.assurance.models import RuleHit

# A hit that is stored, or one that was found just now.
Struck = RuleHit | Hit
SELDOM, PAIRS, PEOPLE = "J6", "J7", "J15"
# What stands before the colon of a name is the fact, what stands behind it the person.
ABOUT_PEOPLE = {"seconds": "approved {} s after the page was shown", "in_window": "{} approvals within the window for bulk"}
SEEN = {
    "multiple": "{} times the round unit",
    "day": "{}",
    "time": "entered at {}",
    "days_left": "{} days left in the month",
    "days_back": "{} days back",
    "days_after_month_end": "{} days after the month's end",
    "letters": "{} letters in the description",
    "agent_writes": "{} earlier writes of the agent",
    "agent_writes_here": "{} of them here",
    "robust_z": "robust z {}",
    "observations": "{} earlier amounts",
    "original_on": "original of {}",
    "days": "{} days later",
    "fields": "differs in {}",
    "differences": "differences: {}",
}
HELD_AGAINST = {"people_on_two_sides": "People on two sides allowed", "differences": "Differences allowed"}


def names_in(hits: Sequence[Struck]) -> dict[str, str]:
    """Return the names of the people whom the rules saw, by key; one query, none when they saw nobody."""
    keys = {key for hit in hits for name in hit.observed if (key := _person(hit.rule, name))}
    return {str(user.pk): user.get_full_name() or user.get_username() for user in User.objects.filter(pk__in=keys)} if keys else {}


def seen_text(hit: Struck, names: Mapping[str, str]) -> str:
    """Return what the rule saw, for somebody who does not know its names."""
    return "; ".join(_seen(hit.rule, name, str(value), names) for name, value in hit.observed.items())


def threshold_text(hit: Struck) -> str:
    """Return what it was held against, with the labels of the page where thresholds are set."""
    return "; ".join(f"{HELD_AGAINST.get(name) or LABELS.get(name) or _plain(name)}: {value}" for name, value in hit.threshold.items())


def _seen(rule: str, name: str, value: str, names: Mapping[str, str]) -> str:
    if person := _person(rule, name):
        fact = name.partition(":")[0]
        if name.endswith(" decided"):
            return f"{names.get(person, 'somebody')}: decided {value} times"
        return f"{names.get(person, 'somebody')}: {ABOUT_PEOPLE.get(fact, '{}').format(value.replace('_', ' '))}"
    if rule in {SELDOM, PAIRS}:
        return f"{'account' if rule == SELDOM else 'debit and credit'} {name}: {value} postings before"
    if name == "code":
        return _plain(value).lower()
    return SEEN[name].format(value) if name in SEEN else f"{_plain(name).lower()} {value}"


def _person(rule: str, name: str) -> str:
    """Return the key of the person that a fact is about; an empty text for any other fact."""
    fact, _, key = name.partition(":")
    if fact in ABOUT_PEOPLE and key:
        return key if key.isdecimal() else ""
    first = name.partition(" ")[0]
    return first if rule == PEOPLE and first.isdecimal() else ""


def _plain(name: str) -> str:
    return name.replace("_", " ").capitalize()
