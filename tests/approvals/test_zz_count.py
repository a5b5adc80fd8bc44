import time
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from gateway.connections import use_connector
from tests.builders.approvals import *
from tests.builders.proposals import PlainErp

@pytest.mark.django_db
def test_count():
    with use_connector(PlainErp()):
        cast = make_cast()
        for name in ("propose", "show", "decide"):
            pass
        with CaptureQueriesContext(connection) as c: p = an_order(cast)
        print("propose", len(c))
        with CaptureQueriesContext(connection) as c: page = opened(cast.alice, p)
        print("show", len(c))
        with CaptureQueriesContext(connection) as c: decided(cast.alice, page)
        print("decide", len(c))
        for q in c: print("   ", q["sql"][:110], q["time"])
        ps = [an_order(cast) for _ in range(30)]
        t=time.time(); pages=[opened(cast.alice, p) for p in ps]; print("show s", (time.time()-t)/30)
        t=time.time(); [decided(cast.alice, x) for x in pages]; print("decide s", (time.time()-t)/30)
        t=time.time(); [an_order(cast) for _ in range(30)]; print("propose s", (time.time()-t)/30)
