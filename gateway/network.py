"""PrivateNetworkGuard: where this installation may connect to, and the one HTTP client that goes there.

Two policies. `private` is for ERPs, vaults and token issuers: what holds an installation's credentials stays inside its networks.
`public` is for the webhooks of agents: whoever enters an address must not make us knock at a door inside. The operator can list
exceptions for each. A name is resolved once, every address it has is judged, and the connection goes to one of exactly these
addresses: a second answer of the name server changes nothing. TLS still verifies the host's name.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpcore
import httpx
from django.conf import settings

from gateway.addresses import HOST_NAME, Address, AllowList, Place, literal_address, place_of
from gateway.errors import OutboundFailed, OutboundRefused
from gateway.regions import require_region
from kernel.tracing import SpanKind, span, trace_headers

CONNECT_ATTEMPTS_MAX = 4
URL_LENGTH_MAX = 2048
USER_AGENT = "Countersign"


class Policy(StrEnum):
    """Which addresses may be connected to without being listed."""

    PRIVATE = "private"
    PUBLIC = "public"


PLACES_OF: Mapping[Policy, frozenset[Place]] = {
    Policy.PRIVATE: frozenset({Place.PRIVATE, Place.LOOPBACK}),
    Policy.PUBLIC: frozenset({Place.PUBLIC}),
}
SETTING_OF: Mapping[Policy, str] = {
    Policy.PRIVATE: "COUNTERSIGN_OUTBOUND_ALLOW_PUBLIC",
    Policy.PUBLIC: "COUNTERSIGN_OUTBOUND_ALLOW_PRIVATE",
}
RULE_OF: Mapping[Policy, str] = {
    Policy.PRIVATE: "connections to ERPs, vaults and issuers go to private and loopback addresses",
    Policy.PUBLIC: "webhooks go to public addresses",
}
# Without TLS nothing leaves the operator's own networks.
PLAINTEXT_PLACES = frozenset({Place.PRIVATE, Place.LOOPBACK})
Resolve = Callable[[str, int], Sequence[Address]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long one exchange may take and how much of an answer is read; seconds and bytes."""

    connect_seconds: float = 5.0
    read_seconds: float = 10.0
    total_seconds: float = 20.0
    body_bytes_max: int = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side answered: at most `Bounds.body_bytes_max` of body, and the address it came from."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    address: str = ""
    seconds: float = 0.0


def resolve(host: str, port: int) -> Sequence[Address]:
    """Return every address of the host, each once, in the resolver's order; raises OutboundFailed when there is none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as error:
        raise OutboundFailed(detail=f"{host} has no address: {error}.", data={"host": host}) from error
    # A link-local address comes with its interface behind a percent sign; which one it is changes nothing here.
    return [ip_address(text) for text in dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)]


@dataclass(frozen=True, slots=True)
class PrivateNetworkGuard:
    """Judges hosts and addresses for one policy; `allowed` is what the operator listed for it."""

    policy: Policy
    allowed: AllowList
    resolve: Resolve = resolve

    @classmethod
    def of(cls, policy: Policy) -> PrivateNetworkGuard:
        """Return the guard of this installation."""
        allowed = settings.OUTBOUND_ALLOW_PUBLIC if policy is Policy.PRIVATE else settings.OUTBOUND_ALLOW_PRIVATE
        return cls(policy, allowed)

    def addresses(self, host: str, port: int, *, is_plaintext: bool = False) -> Sequence[Address]:
        """Return the addresses a connection to the host may be opened to; raises OutboundRefused when any of them is forbidden.

        One forbidden address among good ones is enough: which one is tried first is up to whoever runs the name server. So is a host in
        a region where data may not go.
        """
        require_region(host)
        try:
            literal = literal_address(host)
        except ValueError as error:
            raise OutboundRefused(
                detail=f"{host} is a number, but no address in its usual form.", data={"host": host, "policy": str(self.policy)}
            ) from error
        found = [literal] if literal is not None else list(self.resolve(host, port))
        if not found:
            raise OutboundFailed(detail=f"{host} has no address.", data={"host": host})
        for address in found:
            self._require(host, address, is_plaintext=is_plaintext)
        return found

    def check_url(self, url: str) -> httpx.URL:
        """Return the parsed address if a request may go there now; raises OutboundRefused or OutboundFailed.

        For an early refusal where somebody enters an address. The connection is judged again when it is opened.
        """
        parsed = parse_url(url)
        port = parsed.port or (443 if parsed.scheme == "https" else 80)
        self.addresses(host_of(parsed), port, is_plaintext=parsed.scheme == "http")
        return parsed

    def _require(self, host: str, address: Address, *, is_plaintext: bool) -> None:
        place = place_of(address)
        data = {"host": host, "address": str(address), "place": str(place), "policy": str(self.policy), "setting": SETTING_OF[self.policy]}
        shown = host if ":" in host or host == str(address) else f"{host} resolves to {address}, which"
        if place not in PLACES_OF[self.policy] and not self.allowed.has(host, address):
            raise OutboundRefused(
                detail=f"{shown} is a {place} address, and {RULE_OF[self.policy]}. "
                f"An operator can list the host or its network in {SETTING_OF[self.policy]}.",
                data=data,
            )
        if is_plaintext and place not in PLAINTEXT_PLACES:
            raise OutboundRefused(detail=f"{shown} is a {place} address, and http without TLS stays in private networks.", data=data)


def host_of(url: httpx.URL) -> str:
    """Return the host as it is asked for: international names in their ASCII form."""
    return url.raw_host.decode("ascii")


def parse_url(url: str) -> httpx.URL:
    """Return the parsed address of a request; raises OutboundRefused for what only looks like a plain https or http address."""
    if len(url) > URL_LENGTH_MAX or not url.isprintable() or any(character in url for character in ' \\"<>'):
        raise OutboundRefused(detail="The address holds characters that no web address has, or is too long.")
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise OutboundRefused(detail=f"The address can't be read: {error}.") from error
    if parsed.scheme not in {"https", "http"} or not parsed.host:
        raise OutboundRefused(detail="The address must begin with https:// (or http:// inside a private network).")
    # An empty user name is dropped by the parser, so the text itself is looked at.
    if "@" in re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]:
        raise OutboundRefused(detail="The address carries a user name or password; credentials don't belong into an address.")
    if parsed.fragment:
        raise OutboundRefused(detail="The address has a fragment (#…), which is never sent.")
    host = host_of(parsed)
    if ":" not in host and not HOST_NAME.match(host.rstrip(".")):
        raise OutboundRefused(detail=f"{host[:100]!r} is not a host name.")
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise OutboundRefused(detail="The port is not one.")
    return parsed


# When the present exchange must be over, on the monotonic clock.
_deadline: ContextVar[float] = ContextVar("countersign_outbound_deadline", default=float("inf"))
_is_plaintext: ContextVar[bool] = ContextVar("countersign_outbound_plaintext", default=False)


@contextmanager
def _within(seconds: float, *, is_plaintext: bool) -> Iterator[None]:
    tokens = _deadline.set(time.monotonic() + seconds), _is_plaintext.set(is_plaintext)
    try:
        yield
    finally:
        _deadline.reset(tokens[0])
        _is_plaintext.reset(tokens[1])


def _remaining(timeout: float | None) -> float:
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the exchange took too long")
    return left if timeout is None else min(left, timeout)


class _BoundedStream(httpcore.NetworkStream):
    """A connection whose every step ends with the exchange's own time: a byte every few seconds keeps nobody waiting for ever."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _remaining(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _remaining(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _BoundedStream(self._inner.start_tls(ssl_context, server_hostname, _remaining(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _GuardedBackend(httpcore.NetworkBackend):
    """Opens connections to judged addresses only: the name is looked up here, once, and nowhere below."""

    def __init__(self, guard: PrivateNetworkGuard) -> None:
        self._guard = guard
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._guard.addresses(host, port, is_plaintext=_is_plaintext.get())[:CONNECT_ATTEMPTS_MAX]
        for position, address in enumerate(addresses, start=1):
            try:
                stream = self._inner.connect_tcp(str(address), port, _remaining(timeout), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if position == len(addresses):
                    raise
            else:
                return _BoundedStream(stream)
        raise AssertionError("there is no address without an attempt")

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        raise OutboundRefused(detail="No connection goes to a socket file.")


def _trust(file: str) -> ssl.SSLContext:
    """Return a context that verifies certificates and names, by certifi's authorities and those in `file`."""
    context = httpx.create_ssl_context(verify=True, trust_env=False)
    if file:
        context.load_verify_locations(cafile=file)
    return context


@lru_cache(maxsize=2)
def _shared_context(file: str, written_at: int) -> ssl.SSLContext:
    """Return the context of every client without a certificate of its own; reading certifi's file costs 30 ms."""
    del written_at
    return _trust(file)


class GuardedTransport(httpx.HTTPTransport):
    """httpx's transport over guarded connections: no proxy from the environment, TLS verified against certifi and the operator's CA."""

    def __init__(self, guard: PrivateNetworkGuard, *, client_certificate: tuple[str, str] | None = None) -> None:
        file = settings.OUTBOUND_CA_FILE
        written_at = Path(file).stat().st_mtime_ns if file else 0
        if client_certificate is None:
            context = _shared_context(file, written_at)
        else:
            context = _trust(file)
            context.load_cert_chain(*client_certificate)
        super().__init__(verify=context, trust_env=False)
        # httpx has no public way to say how connections are opened; httpcore, which it stands on, does.
        self._pool = httpcore.ConnectionPool(ssl_context=context, network_backend=_GuardedBackend(guard), max_connections=20)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the address is judged again, whoever made the request."""
        parse_url(str(request.url))
        token = _is_plaintext.set(request.url.scheme == "http")
        try:
            return super().handle_request(request)
        finally:
            _is_plaintext.reset(token)


@dataclass(slots=True)
class OutboundClient:
    """The outgoing HTTP client: guarded, bounded in time and size, without redirects, cookies, proxies or compressed answers.

    Raises OutboundRefused before anything is sent where the policy forbids it, OutboundFailed when there is no complete answer; a
    status of 400 or more is an answer. Use it as a context manager, or close it.
    """

    guard: PrivateNetworkGuard
    bounds: Bounds = field(default_factory=Bounds)
    client_certificate: tuple[str, str] | None = None
    _client: httpx.Client | None = None

    def request(self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes = b"") -> Answer:
        """Send one request and return its answer, read to its end; the trace of the present work goes with it."""
        parsed = parse_url(url)
        about = {"http.request.method": method, "server.address": host_of(parsed)}
        with span(f"{method} {host_of(parsed)}", kind=SpanKind.CLIENT, attributes=about):
            sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **trace_headers(), **(headers or {})}
            return self._exchange(method, parsed, sent, content)

    def _exchange(self, method: str, parsed: httpx.URL, sent: Mapping[str, str], content: bytes) -> Answer:
        started = time.monotonic()
        with (
            _answers(host_of(parsed)),
            _within(self.bounds.total_seconds, is_plaintext=parsed.scheme == "http"),
            self._open().stream(method, parsed, headers=sent, content=content) as response,
        ):
            self._require_plain(response)
            # Before the body: a server that closes after it leaves no socket to ask.
            stream = response.extensions.get("network_stream")
            peer = stream.get_extra_info("server_addr") if stream is not None else None
            body = self._read(response)
        seconds = time.monotonic() - started
        return Answer(response.status_code, dict(response.headers), body, str(peer[0]) if peer else "", seconds)

    def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close every connection."""
        self.close()

    def _open(self) -> httpx.Client:
        if self._client is None:
            self._client = httpx.Client(
                transport=GuardedTransport(self.guard, client_certificate=self.client_certificate),
                timeout=httpx.Timeout(self.bounds.read_seconds, connect=self.bounds.connect_seconds),
                follow_redirects=False,
                trust_env=False,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            )
        return self._client

    @staticmethod
    def _require_plain(response: httpx.Response) -> None:
        if response.is_redirect:
            target = response.headers.get("Location", "")[:200]
            raise OutboundRefused(
                detail=f"{response.url.host} answers {response.status_code} and points to {target!r}; redirects are not followed. "
                "Enter the final address.",
                data={"host": response.url.host, "status": response.status_code},
            )
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise OutboundFailed(detail=f"{response.url.host} sends a compressed answer though it was asked not to.")

    def _read(self, response: httpx.Response) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in response.iter_raw():
            size += len(part)
            if size > self.bounds.body_bytes_max:
                raise OutboundFailed(detail=f"{response.url.host} answers more than {self.bounds.body_bytes_max} bytes.")
            parts.append(part)
        return b"".join(parts)


@contextmanager
def _answers(host: str) -> Iterator[None]:
    """Turn every way of getting no answer into OutboundFailed, with a sentence that holds nothing of the request."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise OutboundFailed(detail=f"{host} did not answer in time.", data={"host": host, "reason": "timeout"}) from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ssl.SSLError, UnicodeError) as error:
        reason = str(error)[:200] or type(error).__name__
        raise OutboundFailed(detail=f"{host} gave no answer: {reason}.", data={"host": host, "reason": "connection"}) from error


def outbound_client(policy: Policy, *, bounds: Bounds | None = None) -> OutboundClient:
    """Return a client under the policy, with this installation's exceptions."""
    return OutboundClient(PrivateNetworkGuard.of(policy), bounds or Bounds())
