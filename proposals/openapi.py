"""What the OpenAPI document says beyond the code: how to authenticate, which refusals an operation has."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from kernel.ids import Prefix
from proposals.body import KEY_PATTERN
from proposals.documents import ProblemDocument
from proposals.problems import PROBLEM_TYPE

MEANINGS = {
    400: "The request can't be read: malformed JSON, an identifier of another kind, a missing idempotency key.",
    401: "No access token, or one that is not valid (any more): get a new one from /oauth/token.",
    403: "The token, the grant or the agent's state does not allow this.",
    404: "There is nothing here that this agent can see.",
    405: "There is no such method here.",
    409: "The state is another one, or the first request with this key is still running.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "Readable, but not acceptable; `errors` names each field and what would be taken.",
    429: "Too many requests: wait as long as Retry-After says; RateLimit-Policy says which pace is allowed.",
    503: "The ERP does not answer; repeat the same request later.",
}
# Every operation can be asked without a valid token or in a way that the door does not understand.
EVERYWHERE = (401, 403, 405, 429)

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": f"^{KEY_PATTERN.pattern}$"},
    OpenApiParameter.HEADER,
    required=True,
    description="Made by the agent before it acts; the same key with the same body always gives the same proposal.",
)
REPLAYED = OpenApiParameter(
    "Idempotency-Replayed",
    str,
    OpenApiParameter.HEADER,
    response=[200],
    description="`true` when this proposal stood under the key already.",
)


def identifier(name: str, prefix: Prefix) -> OpenApiParameter:
    """Return the parameter of an address that identifies something of this kind."""
    return OpenApiParameter(
        name, {"type": "string", "pattern": f"^{prefix.value}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"}, OpenApiParameter.PATH, required=True
    )


def whole_number(name: str, low: int, high: int, description: str) -> OpenApiParameter:
    """Return a query parameter that is an integer within bounds."""
    return OpenApiParameter(name, {"type": "integer", "minimum": low, "maximum": high}, description=description)


def problems(*statuses: int) -> dict[tuple[int, str], Any]:
    """Return the problem responses of an operation, those every operation has included."""
    return {
        (status, PROBLEM_TYPE): OpenApiResponse(ProblemDocument, description=MEANINGS[status])
        for status in sorted({*statuses, *EVERYWHERE})
    }


class AgentTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes the agents' access token, bound to a key or, for agents registered so, not."""

    target_class = "identity.authentication.AgentTokenAuthentication"
    name = ["boundAgentToken", "agentToken"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        """Return the security schemes, in the order of their names."""
        what = "An access token for one tool in one company, at most 300 s old, from /oauth/token"
        bound = f"{what}, with a proof (RFC 9449) in the header DPoP: a new one for each request."
        plain = f"{what}; only for agents registered for tokens that are not bound to a key."
        return [
            {"type": "http", "scheme": "dpop", "description": bound},
            {"type": "http", "scheme": "bearer", "bearerFormat": "at+jwt", "description": plain},
        ]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        """Return that either of them opens the door."""
        return [{name: []} for name in self.name]
