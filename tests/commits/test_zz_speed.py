import time, cProfile, pstats
import pytest
from commits import services
from kernel.clock import now as clock_now
from tests.builders.commits import Gate
pytestmark = pytest.mark.django_db(databases=["default", "ledger"], transaction=True)

def test_speed(transactional_db):
    from tests.builders.commits import make_gate
    gate = make_gate()
    for n in range(300): gate.order("1.00")
    t=time.perf_counter(); services.open_commits(now=clock_now()); print("open", time.perf_counter()-t)
    from django.db import connections
    T={}
    def timed(name, f):
        t=time.perf_counter(); c=time.process_time(); r=f(); T.setdefault(name,[0,0]); T[name][0]+=time.perf_counter()-t; T[name][1]+=time.process_time()-c; return r
    n=0
    profile=cProfile.Profile()
    for i in range(6):
        print(T)
        pass
        claimed=timed("claim", lambda: services.claim(now=clock_now(), worker="w"))
        sent=timed("send", lambda: services.send(claimed, now=clock_now()))
        timed("settle", lambda: services.settle(sent, now=clock_now()))
        n+=len(claimed)
    pass
    print(n, T)

