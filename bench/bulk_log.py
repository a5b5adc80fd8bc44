"""A log of any size, quickly: real records, macs, leaves, entries and tree, but their rows written by COPY instead of by the services.

What the services do beside that costs most of their time: locks, looking for the end of each chain and for unsealed rows, checking each
event before it is sealed. None of it is measured here; the verifier reads all of it again. Every event is about something of its own.
"""

from __future__ import annotations

import os
import time

PART = 20_000
EVENT_COPY = """
COPY audit_event (event_id, kind, occurred_at, actor_kind, actor_id, subject_kind, subject_id, proposal, company, tool, chain, position,
    bytes, leaf, mac) FROM STDIN
"""
SEAL_COPY = "COPY audit_seal (sequence, event_id, entry, previous) FROM STDIN"


def copy_to(size: int) -> int:
    """At least so many events are recorded and sealed; return how many were made here."""
    from audit.verification import sealed_count

    made, began_at = 0, time.perf_counter()
    while (missing := size - sealed_count()) > 0:
        made += _copied(min(missing, PART))
    if made:
        seconds = time.perf_counter() - began_at
        print(f"  {made:,} events copied into the log in {seconds:.0f} s, {made / seconds:,.0f} a second", flush=True)
    return made


def _copied(count: int) -> int:
    """So many more events stand at the end of the chain; nobody else may record or seal meanwhile."""
    from django.db import connection, transaction

    from audit.keys import chain_id, mac_key, region, release
    from audit.models import Frontier as FrontierRow
    from audit.records import Link, NewEvent, Subject, event_mac, record_bytes
    from audit.sealer import current_head
    from audit.verifier.countersign_verify import entry_hash, leaf_hash
    from kernel.actors import Actor
    from kernel.clock import now
    from kernel.context import Origin
    from kernel.ids import Prefix, encode, new_id

    actor, key, at, head = Actor.system("bench"), mac_key(), now(), current_head()
    values = {"chain_id": chain_id(), "region": region(), "release": release(), "origin": Origin(), "beside": None}
    events, seals = [], []
    for _ in range(count):
        event_id, subject = new_id(), Subject("bench", str(new_id()))
        entry = NewEvent(kind="read:taken", actor=actor, subject=subject, now=at, outcome={"status": "read"})
        link = Link(chain=subject.chain, position=1, previous=None)
        stored = record_bytes(entry, event_id=encode(Prefix.EVENT, event_id), link=link, **values)  # type: ignore[arg-type]
        leaf = leaf_hash(stored)
        mac = event_mac(key, leaf=leaf, event_id=event_id.bytes)
        row = (event_id, entry.kind, at, "system", "bench", "bench", subject.id, "", "", "", subject.chain, 1, stored, leaf, mac)
        events.append(row)
        head.frontier.append(leaf)
        previous, head.entry = head.entry, entry_hash(head.frontier.size, head.entry, leaf)
        seals.append((head.frontier.size, event_id, head.entry, previous))
    with transaction.atomic(), connection.cursor() as cursor:
        for statement, rows in ((EVENT_COPY, events), (SEAL_COPY, seals)):
            with cursor.copy(statement) as copy:
                for values_of_row in rows:
                    copy.write_row(values_of_row)
        subtrees = b"".join(head.frontier.subtrees)
        FrontierRow.objects.create(size=head.frontier.size, subtrees=subtrees, root=head.frontier.root(), entry=head.entry)
    return count


def is_wanted() -> bool:
    """Tell whether a log is to be grown by COPY: on machines where a million events would take an hour."""
    return os.environ.get("COUNTERSIGN_BENCH_COPY", "") == "on"
