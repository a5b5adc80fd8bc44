"""The code an owner ends up with: an agent's first request, ready to run, with its own id, key algorithm, tool and company.

Both texts are run by a test against a live server exactly as the page shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from pprint import pformat
from string import Template
from typing import Any
from urllib.parse import quote

from django.conf import settings

from gateway.catalogue import TOOLS, Tool
from gateway.catalogue.base import ToolKind
from identity.models import Agent, Credential, Grant, TokenBinding
from identity.queries import live_credentials
from identity.tokens.details import DETAIL_TYPE
from kernel.canonical import canonical_bytes

# How each registered algorithm is called in a header, and which class of joserfc holds its key.
KEY_CLASSES = {"ES256": "ECKey", "EdDSA": "OKPKey", "RS256": "RSAKey", "PS256": "RSAKey"}
# What a write needs so that its parts belong together; the numbers are those of the sample company.
TOGETHER: Mapping[str, dict[str, Any]] = {
    "create_purchase_order": {
        "vendor": "70001",
        "reference": "FIRST-ORDER",
        "cost_centre": "4010",
        "lines": [{"item": "P-1003", "quantity": "2", "unit_price": "30.80"}],
    },
    "post_journal_entry": {
        "description": "First entry",
        "lines": [{"account": "6400", "cost_centre": "4020", "debit": "10.00"}, {"account": "2200", "credit": "10.00"}],
    },
    "release_inventory": {"item": "P-1003", "location": "MAIN", "quantity": "1", "order": "SO-1"},
    "update_customer": {"customer": "10003", "changes": {"credit_limit": "26000.00"}, "reason": "First change"},
    "check_budget": {"cost_centre": "4010"},
    "get_vendor": {"vendor": "70001"},
    "search_vendors": {"text": "stahl"},
    "get_stock": {"item": "P-1003"},
    "get_customer": {"customer": "10003"},
}


@dataclass(frozen=True, slots=True)
class Sample:
    """Two texts that do the same: one for Python, one for a shell with OpenSSL and curl."""

    tool: str
    company: str
    python: str
    shell: str


def sample_of(agent: Agent, grant: Grant, now: datetime) -> Sample | None:
    """Return the sample for a grant, or None while the agent has no live key or the tool has left the catalogue."""
    key = live_credentials(agent.pk, now).order_by("-created_at").first()
    tool = TOOLS.get(grant.tool)
    if key is None or tool is None:
        return None
    values = _values(agent, grant, tool, key, now)
    python = PYTHON_HEAD + (PYTHON_WRITE if tool.kind is ToolKind.WRITE else PYTHON_READ)
    shell = SHELL_HEAD + SHELL_SIGN[key.algorithm] + SHELL_ASK + (SHELL_WRITE if tool.kind is ToolKind.WRITE else SHELL_READ)
    return Sample(grant.tool, values["company"], Template(python).substitute(values), Template(shell).substitute(values))


def example_input(tool: Tool, now: datetime, *, currency: str = "") -> dict[str, Any]:
    """Return input that has the form of the tool's schema: its own examples, today's date, and what has to fit together."""
    schema = tool.input_schema()
    found: dict[str, Any] = _example(schema, schema, now)
    found |= deepcopy(TOGETHER.get(tool.name, {}))
    if currency and "currency" in found:
        found["currency"] = currency
    return found


def _values(agent: Agent, grant: Grant, tool: Tool, key: Credential, now: datetime) -> dict[str, str]:
    is_bound = agent.token_binding == TokenBinding.DPOP
    example = example_input(tool, now, currency=grant.currency)
    action = "propose" if tool.kind is ToolKind.WRITE else "read"
    company = sorted(grant.companies)[0]
    detail = {"type": DETAIL_TYPE, "actions": [action], "tool": grant.tool, "company": company}
    return {
        "name": _plain(agent.name),
        "agent": agent.public_id,
        "gate": str(settings.PUBLIC_URL),
        "tool": grant.tool,
        "company": company,
        "algorithm": key.algorithm,
        "key_class": KEY_CLASSES[key.algorithm],
        "thumbprint": key.thumbprint,
        "example": pformat(example, width=100, sort_dicts=False),
        "example_line": _line(example),
        "details": quote(_line([detail])),
        "scheme": "DPoP" if is_bound else "Bearer",
        "proof_python": PYTHON_PROOF if is_bound else "",
        "prove_python": '        headers = {**headers, "DPoP": proof(method, url, body, token)}\n' if is_bound else "",
        "proof_shell": Template(SHELL_PROOF).substitute(jwk=_line(key.jwk)) if is_bound else "",
        "prove_shell": ' -H "DPoP: $(proof "$1" "$2" "$4" "${5-}")"' if is_bound else "",
    }


def _line(value: object) -> str:
    """Return JSON on one line as it may stand between single quotes of a shell."""
    return canonical_bytes(value).decode("utf-8").replace("'", "\\u0027")


def _plain(text: str) -> str:
    """Return a name as it may stand in a comment of both languages."""
    return "".join(character for character in text if character.isalnum() or character in " .,-_()")


def _example(schema: Mapping[str, Any], root: Mapping[str, Any], now: datetime) -> Any:
    if "$ref" in schema:
        return _example(root["$defs"][str(schema["$ref"]).rpartition("/")[2]], root, now)
    if schema.get("examples"):
        value = schema["examples"][0]
        return now.date().isoformat() if value == "2026-11-23" else value
    if "anyOf" in schema:
        return _example(next(item for item in schema["anyOf"] if item.get("type") != "null"), root, now)
    match schema.get("type"):
        case "object":
            wanted = schema.get("required", ())
            return {name: _example(item, root, now) for name, item in schema.get("properties", {}).items() if name in wanted}
        case "array":
            return [_example(schema["items"], root, now)]
        case "integer":
            least = int(schema.get("minimum", 1))
            return now.year if least <= now.year <= int(schema.get("maximum", 0)) and least > 1900 else least
        case "boolean":
            return False
    return next(iter(schema.get("enum", ())), "text")


PYTHON_HEAD = '''"""$name at Countersign: its first request. Needs: pip install httpx joserfc"""

import json
import pathlib
import time
import uuid
from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import urlencode

import httpx
from joserfc import jwt
from joserfc.jwk import $key_class

GATE = "$gate"
AGENT = "$agent"
COMPANY = "$company"
TOOL = "$tool"
KEY = $key_class.import_key(pathlib.Path("agent.pem").read_text())  # the private half: it never leaves this machine


def signed(header, claims):
    claims = {"iat": int(time.time()), "jti": str(uuid.uuid4()), **claims}
    return jwt.encode({"alg": "$algorithm", **header}, claims, KEY, algorithms=["$algorithm"])

$proof_python
def send(method, path, body=b"", headers={}, token=""):
    url = GATE + path
    for attempt in range(5):
        if token:
            headers = {**headers, "Authorization": "$scheme " + token}
$prove_python        answer = httpx.request(method, url, content=body, headers=headers, timeout=60)
        if answer.status_code < 500 and answer.status_code != 429:
            break
        time.sleep(2**attempt)
    if answer.is_error:
        raise SystemExit(f"{answer.status_code}: {answer.text}")  # says what is wrong, where, and what would be acceptable
    return answer.json()


def token(action):
    assertion = signed(
        {"kid": "$thumbprint", "typ": "JWT"},
        {"iss": AGENT, "sub": AGENT, "aud": GATE + "/oauth/token", "exp": int(time.time()) + 60},
    )
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
        "authorization_details": json.dumps(
            [{"type": "countersign_tool", "actions": [action], "tool": TOOL, "company": COMPANY}]
        ),
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return send("POST", "/oauth/token", urlencode(form).encode(), headers)["access_token"]


'''
PYTHON_PROOF = '''
def digest(content):
    return urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode()


def proof(method, url, body, token):
    """One request, proved to come from the holder of the key (DPoP, RFC 9449)."""
    claims = {"htm": method, "htu": url.partition("?")[0], "content_digest": digest(body)}
    if token:
        claims["ath"] = digest(token.encode())
    return signed({"typ": "dpop+jwt", "jwk": KEY.as_dict(private=False)}, claims)

'''
PYTHON_READ = """arguments = $example
body = json.dumps({"company": COMPANY, "arguments": arguments}).encode()
receipt = send("POST", f"/api/v1/tools/{TOOL}/read", body, {"Content-Type": "application/json"}, token("read"))
print(json.dumps(receipt["result"], indent=2))
print("Cite it in a proposal as", receipt["read_id"])
"""
PYTHON_WRITE = """payload = $example
# The key is made and kept before the action: run this again after any failure and nothing is proposed twice.
remembered = pathlib.Path(f"{TOOL}.key")
if not remembered.exists():
    remembered.write_text(str(uuid.uuid4()))
body = json.dumps({"tool": TOOL, "company": COMPANY, "payload": payload, "rationale": "A first try."}).encode()
headers = {"Content-Type": "application/json", "Idempotency-Key": f'"{remembered.read_text()}"'}
proposal = send("POST", "/api/v1/proposals", body, headers, token("propose"))
print(proposal["id"], proposal["status"], "-", proposal["headline"])
print("People decide at", GATE + "/proposals/" + proposal["id"] + "/")
# An approval may take days. Ask again whenever you like; this does not wait.
proposal = send("GET", f"/api/v1/proposals/{proposal['id']}?wait=0", token=token("propose"))
print("Now:", proposal["status"])
"""
SHELL_HEAD = r"""#!/usr/bin/env bash
# $name at Countersign: its first request. Needs openssl, curl and xxd; the private key lies in agent.pem.
set -euo pipefail

GATE='$gate'
AGENT='$agent'

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
"""
# Each reads what is to be signed from standard input and writes the raw signature.
SHELL_SIGN = {
    "ES256": r"""
# OpenSSL writes an ECDSA signature as DER; a JWT carries its two numbers, 32 bytes each.
signature() {
    openssl dgst -sha256 -sign agent.pem | openssl asn1parse -inform DER |
        sed -n 's/.*INTEGER *://p' | while read -r number; do printf '%64s' "$$number"; done | tr ' ' 0 | xxd -r -p
}
""",
    "EdDSA": r"""
signature() {
    local input; input=$$(mktemp); cat > "$$input"
    openssl pkeyutl -sign -inkey agent.pem -rawin -in "$$input"; rm -f "$$input"
}
""",
    "RS256": r"""
signature() { openssl dgst -sha256 -sign agent.pem; }
""",
    "PS256": r"""
signature() { openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -sign agent.pem; }
""",
}
SHELL_ASK = r"""
# signed HEADER CLAIMS: a signed JWT, made just now, with an id of its own
signed() {
    local now head claims
    now=$$(date +%s)
    head=$$(printf '{"alg":"$algorithm",%s}' "$$1" | base64url)
    claims=$$(printf '{"iat":%s,"jti":"%s",%s}' "$$now" "$$(openssl rand -hex 16)" "$$2" | base64url)
    printf '%s.%s.%s' "$$head" "$$claims" "$$(printf '%s.%s' "$$head" "$$claims" | signature | base64url)"
}
$proof_shell
# send METHOD URL CONTENT-TYPE BODY [TOKEN] [MORE HEADER]
send() {
    curl -sS --fail-with-body -X "$$1" "$$2" -H "Content-Type: $$3" --data-raw "$$4"$prove_shell \
        $${5:+-H "Authorization: $scheme $$5"} $${6:+-H "$$6"}
}

expires=$$(($$(date +%s) + 60))
assertion=$$(signed '"kid":"$thumbprint","typ":"JWT"' \
    "\"iss\":\"$$AGENT\",\"sub\":\"$$AGENT\",\"aud\":\"$$GATE/oauth/token\",\"exp\":$$expires")
details='$details'
form="grant_type=client_credentials"
form="$$form&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
form="$$form&client_assertion=$$assertion&authorization_details=$$details"
answer=$$(send POST "$$GATE/oauth/token" application/x-www-form-urlencoded "$$form")
token=$$(printf '%s' "$$answer" | sed -n 's/.*"access_token": *"\([^"]*\)".*/\1/p')
"""
SHELL_PROOF = r"""
# proof METHOD URL BODY [TOKEN]: this one request comes from the holder of the key (DPoP, RFC 9449)
digest() { printf '%s' "$$1" | openssl dgst -sha256 -binary | base64url; }
proof() {
    local claims="\"htm\":\"$$1\",\"htu\":\"$$2\",\"content_digest\":\"$$(digest "$$3")\""
    if [ -n "$${4-}" ]; then claims="$$claims,\"ath\":\"$$(digest "$$4")\""; fi
    signed '"typ":"dpop+jwt","jwk":$jwk' "$$claims"
}
"""
SHELL_READ = r"""
send POST "$$GATE/api/v1/tools/$tool/read" application/json '{"company":"$company","arguments":$example_line}' "$$token"
echo
"""
SHELL_WRITE = r"""
# The key is made and kept before the action: run this again after any failure and nothing is proposed twice.
[ -s $tool.key ] || openssl rand -hex 16 > $tool.key
body='{"tool":"$tool","company":"$company","payload":$example_line,"rationale":"A first try."}'
send POST "$$GATE/api/v1/proposals" application/json "$$body" "$$token" "Idempotency-Key: \"$$(cat $tool.key)\""
echo
"""
