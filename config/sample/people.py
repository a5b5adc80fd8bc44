"""The cast of the sample data: eight people, their roles and approval groups."""

from __future__ import annotations

import csv
import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from io import StringIO

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User

from config.paths import SAMPLE
from identity.models import Role
from identity.services.people import add_group_member, appoint_first_administrator, assign_role, create_group
from kernel.actors import Actor

COMPANIES = ["DE01", "US01"]
GROUPS = {"purchasing": "Purchasing lead", "finance": "Finance"}


@dataclass(frozen=True, slots=True)
class Person:
    """One person of the cast."""

    username: str
    first_name: str
    last_name: str
    role: Role
    title: str
    groups: tuple[str, ...] = ()


CAST = (
    Person("maria", "Maria", "Keller", Role.APPROVER, "approver", ("purchasing", "finance")),
    Person("jonas", "Jonas", "Okafor", Role.APPROVER, "second approver", ("purchasing", "finance")),
    Person("petra", "Petra", "Lindt", Role.CONTROLLER, "controller, wrote the policy"),
    Person("ruth", "Ruth", "Amsel", Role.CONTROLLER, "second controller, activated it"),
    Person("tomas", "Tomas", "Brandt", Role.AGENT_OWNER, "agent owner"),
    Person("ines", "Ines", "Duarte", Role.OPERATOR, "operator"),
    Person("samuel", "Samuel", "Reyes", Role.AUDITOR, "auditor"),
    Person("adele", "Adele", "Moser", Role.ADMINISTRATOR, "administrator"),
)


def load_people(*, now: datetime) -> dict[str, User]:
    """Create the cast with passwords of this installation's own, written to .data/sample/; return people by username."""
    users = {}
    passwords = {person.username: f"{person.username}-{secrets.token_hex(4)}-{secrets.token_hex(2)}" for person in CAST}
    for person in CAST:
        users[person.username] = get_user_model().objects.create_user(
            username=person.username,
            email=f"{person.username}@example.com",
            password=passwords[person.username],
            first_name=person.first_name,
            last_name=person.last_name,
        )
    _write(passwords)
    appoint_first_administrator(user_id=users["adele"].pk, companies=COMPANIES, now=now)
    administrator = Actor.human(users["adele"].pk)
    for code, title in GROUPS.items():
        create_group(code=code, title=title, actor=administrator, now=now)
    for person in CAST:
        if person.role is not Role.ADMINISTRATOR:
            assign_role(user_id=users[person.username].pk, role=person.role, companies=COMPANIES, actor=administrator, now=now)
        for group in person.groups:
            add_group_member(group_code=group, user_id=users[person.username].pk, companies=COMPANIES, actor=administrator, now=now)
    return users


def _write(passwords: dict[str, str]) -> None:
    """Write the people for whoever starts the installation: a text to read and a file for the replay's approvers."""
    SAMPLE.mkdir(parents=True, exist_ok=True)
    table = StringIO()
    rows = csv.writer(table)
    rows.writerow(["username", "password", "role", "name", "title"])
    lines = ["Sample people (log in with user name and password):", ""]
    for person in CAST:
        password = passwords[person.username]
        name = f"{person.first_name} {person.last_name}"
        rows.writerow([person.username, password, person.role.value, name, person.title])
        lines.append(f"  {person.username:<8} {password:<24} {name}, {person.title}")
    for file, text in (("people.csv", table.getvalue()), ("people.txt", "\n".join(lines) + "\n")):
        descriptor = os.open(SAMPLE / file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as handle:
            handle.write(text)
