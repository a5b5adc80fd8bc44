from __future__ import annotations
import time
import pytest
from tests.builders import ledger as build

pytestmark = pytest.mark.django_db(databases=["default", "ledger"], transaction=True)

def test_speed(company: str) -> None:
    from django.db import connections
    from ledger.models import Budget
    Budget.objects.using("ledger").update(amount_minor=10**15)
    reqs = [[build.order_request(lines=[("I1", "2", "50.26"), ("I0", "3", "1.005")]) for _ in range(50)] for _ in range(40)]
    build.write(*reqs[0])
    for name, on in (("with", True), ("without deferred", False)):
        if not on:
            with connections["ledger"].cursor() as c:
                c.execute("alter table ledger_journalentry disable trigger ledger_entry_is_balanced; alter table ledger_purchaseorder disable trigger ledger_order_total_is_sum")
        times = []
        cpu = time.process_time()
        for b in reqs[1:20] if on else reqs[20:]:
            t = time.perf_counter()
            r = build.write(*b)
            times.append(time.perf_counter() - t)
            assert all(x.status == "posted" for x in r), r
        times.sort()
        print(name, "best", times[0] * 1000, "median", times[len(times)//2]*1000, "cpu per batch", (time.process_time()-cpu)/len(times)*1000)
    with connections["ledger"].cursor() as c:
        c.execute("select query, 1 from pg_stat_activity limit 0")
    import cProfile, pstats
    more = [build.order_request(lines=[("I1", "2", "50.26"), ("I0", "3", "1.005")]) for _ in range(50)]
    pr = cProfile.Profile(time.process_time)
    pr.enable(); build.write(*more); pr.disable()
    pstats.Stats(pr).sort_stats("cumulative").print_stats(60)
