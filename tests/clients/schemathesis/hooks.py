"""What schemathesis needs to knock at this door: a token with a proof for each request, and a count of what it was answered.

Loaded by schemathesis in an environment of its own (schemathesis.toml); mcp_auth.py of examples/ lies on its path.
"""

from __future__ import annotations

import atexit
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import requests
import schemathesis
from mcp_auth import Tokens

GATE = os.environ["COUNTERSIGN_URL"]
tokens = Tokens(gate=GATE, agent_id=os.environ["AGENT_ID"], key=os.environ["AGENT_KEY"], resource=f"{GATE}/api")
answers: Counter[str] = Counter()


class BoundToken(requests.auth.AuthBase):
    """Shows the agent's token and a proof that covers the request as it is sent."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return the request with its proof; buys a token where the last is about to end."""
        if time.time() >= tokens.renew_at:
            form = requests.Request("POST", tokens.endpoint, data=tokens.form()).prepare()
            form.headers.update(tokens.headers("POST", tokens.endpoint, sent(form)))
            answer = requests.Session().send(form, timeout=30)
            answer.raise_for_status()
            tokens.accept(answer.json())
        request.headers.update(tokens.headers(str(request.method), str(request.url), sent(request), token=tokens.token))
        return request


def sent(request: requests.PreparedRequest) -> bytes:
    """Return the body as it goes over the wire."""
    body = request.body or b""
    return body if isinstance(body, bytes) else body.encode()


schemathesis.auth.set_from_requests(BoundToken())


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Count the answer under its operation."""
    answers[f"{case.operation.label} {response.status_code}"] += 1


@atexit.register
def write_answers() -> None:
    """Leave the counts where the caller looks for them."""
    lines = [f"{name} {count}" for name, count in sorted(answers.items())]
    Path(os.environ["SCHEMATHESIS_ANSWERS"]).write_text("\n".join(lines), encoding="ascii")
