from __future__ import annotations
import os, pytest
from tests.builders.console import *
from approvals.models import Policy
from identity.models import Agent
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "ledger"])]

def test_look(visit, installation):
    p = installation.proposal(); p2=installation.proposal(LARGE_ORDER); e=installation.proposal(ENTRY)
    paths = {"inbox":"/inbox/","proposal":f"/proposals/{p.public_id}/","entry":f"/proposals/{e.public_id}/","policies":"/policies/","policy":f"/policies/{Policy.objects.get().public_id}/","agents":"/agents/","agent":f"/agents/{Agent.objects.filter(name__startswith='Purch').get().public_id}/","tools":"/tools/","tool":"/tools/create_purchase_order/","commits":"/commits/"}
    other = {"tomas":{"owner-agent":paths["agent"]},"ines":{"recon":"/reconciliation/","breaks":"/reconciliation/breaks/"},"samuel":{"audit":"/audit/","audit-prop":f"/audit/proposals/{p.public_id}/"}}
    modes = os.environ.get("LOOK","wide,phone").split(",")
    for mode in modes:
        kw = dict(phone="phone" in mode, dark="dark" in mode)
        for who, ps in {"maria":paths, **other}.items():
            w = visit(who, **kw)
            for n, path in ps.items():
                w.open(path); w.picture(f"look-{n}-{mode}")
                try: w.check()
                except AssertionError as err: print("FAULT", mode, n, str(err)[:1500])
                w.faults.clear()
        l = visit("", **kw); l.open("/"); l.picture(f"look-login-{mode}"); 
        try: l.check()
        except AssertionError as err: print("FAULT", mode, "login", str(err)[:1500])
