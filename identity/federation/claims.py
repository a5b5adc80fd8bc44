"""The claims a federated credential rests on: the parts of a token that must be just so, written as in the token itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from identity.federation.kinds import OWN_CHECKS, RULES, IssuerKind, Path

CLAIMS_MAX = 20
DEPTH_MAX = 6
TEXT_LENGTH_MAX = 500
Claims = Mapping[str, object]


def rows_of(claims: Claims, before: Path = ()) -> Iterator[tuple[Path, object]]:
    """Yield each claim that must match: the way to it and its value."""
    for name, value in sorted(claims.items()):
        path = (*before, name)
        if isinstance(value, Mapping):
            yield from rows_of(value, path)
        else:
            yield path, value


def written(path: Path) -> str:
    """Return the way to a claim as people read it."""
    return " → ".join(path)


def value_at(claims: object, path: Path) -> object:
    """Return what stands there in a token; None when nothing does."""
    for name in path:
        if not isinstance(claims, Mapping) or name not in claims:
            return None
        claims = claims[name]
    return claims


def problems_of(kind: str, issuer: str, claims: object) -> Iterator[str]:
    """Yield, as sentences, why a credential of this kind of issuer can't rest on these claims; nothing when it can."""
    if not isinstance(claims, Mapping) or any(not is_form for is_form in _forms(claims)):
        yield f"Claims are an object of at most {CLAIMS_MAX} texts, whole numbers and truth values, nested as in the token."
        return
    rules, listed = RULES[kind], dict(rows_of(claims))
    for path in listed:
        if path[0] in OWN_CHECKS:
            yield f"`{path[0]}` is checked anyway; leave it out of the claims."
        if any(path[: len(never)] == never for never in rules.forbidden):
            yield f"`{written(path)}` proves nothing here: leave it out."
    for group in rules.mandatory:
        if not any(path in listed for path in group):
            yield f"The claim {' or '.join(f'`{written(path)}`' for path in group)} is mandatory."
    for path, value in rules.fixed.items():
        if not _is_same(listed.get(path), value):
            yield f"The claim `{written(path)}` is mandatory, with the value {_shown(value)}."
    if kind == IssuerKind.ENTRA and "tid" in claims and f"/{claims['tid']}/" not in issuer:
        yield "`tid` is not the tenant of the issuer."


def mismatch(kind: str, expected: Claims, token: Claims) -> str:
    """Return the first claim in which the token is not what the credential asks for; empty when all of it is."""
    for path, value in rows_of(expected):
        found = value_at(token, path)
        if path in RULES[kind].words and isinstance(found, str) and isinstance(value, str):
            # Words in any order: the token may say more of the agent than the credential asks for.
            if not value.split() or not set(value.split()) <= set(found.split()):
                return written(path)
        elif not _is_same(found, value):
            return written(path)
    return ""


def _is_same(found: object, expected: object) -> bool:
    """Return whether both are the same value of the same type: Python takes 1 for true, a token does not."""
    return type(found) is type(expected) and found == expected


def _forms(claims: Mapping[object, object]) -> Iterator[bool]:
    """Yield whether each part has a form that can be compared."""
    found = list(_parts(claims, 1))
    yield len(found) <= CLAIMS_MAX
    yield from found


def _parts(claims: Mapping[object, object], depth: int) -> Iterator[bool]:
    for name, value in claims.items():
        is_name = isinstance(name, str) and 0 < len(name) <= TEXT_LENGTH_MAX
        if isinstance(value, Mapping):
            yield from _parts(value, depth + 1) if is_name and value and depth < DEPTH_MAX else iter([False])
        elif isinstance(value, str):
            yield is_name and 0 < len(value) <= TEXT_LENGTH_MAX
        else:
            yield is_name and isinstance(value, int)


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'
