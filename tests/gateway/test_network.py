"""Where this installation connects to: two policies, pinned addresses, bounded answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.addresses import Address, AllowList, Place, parse_allow_list, place_of
from gateway.errors import OutboundFailed, OutboundRefused
from gateway.network import Bounds, GuardedTransport, OutboundClient, Policy, PrivateNetworkGuard, outbound_client, resolve
from kernel.context import Origin, origin
from tests.builders.http import Listener, Reply, listening, make_certificate

NOTHING = AllowList()
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Names:
    """A name server that gives its answers in turn, the last one again and again."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [ip_address(text) for text in answer]


def guard(policy: Policy, *answers: Sequence[str], allow: str = "") -> PrivateNetworkGuard:
    return PrivateNetworkGuard(policy, parse_allow_list(allow.split(",")), Names(*answers) if answers else resolve)


@pytest.fixture(scope="module")
def server() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


@pytest.fixture(autouse=True)
def _silent(server: Listener) -> None:
    server.heard.clear()
    server.replies[:] = [Reply()]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("8.8.8.8", Place.PUBLIC),
        ("2606:4700::1111", Place.PUBLIC),
        ("10.255.255.255", Place.PRIVATE),
        ("172.31.0.1", Place.PRIVATE),
        ("172.32.0.1", Place.PUBLIC),
        ("192.168.0.1", Place.PRIVATE),
        ("fd12::1", Place.PRIVATE),
        ("127.8.8.8", Place.LOOPBACK),
        ("::1", Place.LOOPBACK),
        ("169.254.1.1", Place.LINK_LOCAL),
        ("fe80::1", Place.LINK_LOCAL),
        ("169.254.169.254", Place.METADATA),
        ("168.63.129.16", Place.METADATA),
        ("100.100.100.200", Place.METADATA),
        ("fd00:ec2::254", Place.METADATA),
        ("100.64.0.1", Place.SHARED),
        ("224.0.0.1", Place.MULTICAST),
        ("ff02::1", Place.MULTICAST),
        ("0.0.0.0", Place.SPECIAL),  # noqa: S104  an address, not a listener
        ("255.255.255.255", Place.SPECIAL),
        ("192.0.2.1", Place.SPECIAL),
        ("198.18.0.1", Place.SPECIAL),
        ("::", Place.SPECIAL),
        ("::ffff:8.8.8.8", Place.SPECIAL),
        ("::ffff:10.0.0.1", Place.SPECIAL),
        ("::10.0.0.1", Place.SPECIAL),
        ("fec0::1", Place.SPECIAL),
        ("2002:0a00:0001::1", Place.SPECIAL),
        ("2001:0:4136:e378::1", Place.SPECIAL),
        ("2001:db8::1", Place.SPECIAL),
        ("64:ff9b::10.0.0.1", Place.PRIVATE),
        ("64:ff9b::8.8.8.8", Place.PUBLIC),
        ("64:ff9b::169.254.169.254", Place.METADATA),
        ("64:ff9b:1::a00:1", Place.SPECIAL),
    ],
)
def test_each_address_is_the_place_it_is(text: str, place: Place) -> None:
    assert place_of(ip_address(text)) == place


@pytest.mark.parametrize("policy", list(Policy))
@pytest.mark.parametrize(
    "url",
    [
        "ftp://10.0.0.1/",
        "//10.0.0.1/",
        "10.0.0.1",
        "https:///path",
        "https://user@10.0.0.1/",
        "https://user:secret@10.0.0.1/",
        "https://hooks.example.com@10.0.0.1/",
        "https://@hooks.example.com/",
        "https://hooks.example.com\\@10.0.0.1/",
        "https://hooks.example.com /",
        "https://hooks.example.com/\r\nX-Injected: 1",
        "https://hooks.example.com/#fragment",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://017700000001/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://①②⑦.0.0.1/",
        "https://[fe80::1%25eth0]/",
        "https://[fd00:ec2::254%25eth0]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::127.0.0.1]/",
        "https://[::]/",
        "https://0.0.0.0/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fd00:ec2::254]/",
        "https://100.64.0.1/",
        "https://224.0.0.1/",
        "https://a_b%20c.example.com/",
        f"https://hooks.example.com/{'a' * 2048}",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:99999/",
    ],
)
def test_an_address_that_no_policy_allows_is_refused_without_a_lookup(policy: Policy, url: str) -> None:
    names = Names(["10.0.0.1"])
    with pytest.raises(OutboundRefused):
        PrivateNetworkGuard(policy, NOTHING, names).check_url(url)
    assert names.asked == []


@pytest.mark.parametrize("text", ["10.0.0.1", "192.168.1.1", "127.0.0.1", "::1", "fd12::1"])
def test_each_policy_refuses_what_the_other_allows(text: str) -> None:
    assert guard(Policy.PRIVATE, [text]).addresses("erp.internal", 443)
    with pytest.raises(OutboundRefused):
        guard(Policy.PUBLIC, [text]).addresses("erp.internal", 443)
    assert guard(Policy.PUBLIC, ["8.8.8.8"]).addresses("hooks.example.com", 443)
    with pytest.raises(OutboundRefused):
        guard(Policy.PRIVATE, ["8.8.8.8"]).addresses("hooks.example.com", 443)


def test_the_refusal_names_host_address_and_setting() -> None:
    with pytest.raises(OutboundRefused) as refusal:
        guard(Policy.PUBLIC, ["10.1.2.3"]).check_url("https://hooks.example.com/in")
    assert refusal.value.detail == (
        "hooks.example.com resolves to 10.1.2.3, which is a private address, and webhooks go to public addresses. "
        "An operator can list the host or its network in COUNTERSIGN_OUTBOUND_ALLOW_PRIVATE."
    )
    assert refusal.value.data == {
        "host": "hooks.example.com",
        "address": "10.1.2.3",
        "place": "private",
        "policy": "public",
        "setting": "COUNTERSIGN_OUTBOUND_ALLOW_PRIVATE",
    }


def test_one_forbidden_address_among_good_ones_is_enough() -> None:
    with pytest.raises(OutboundRefused):
        guard(Policy.PUBLIC, ["8.8.8.8", "127.0.0.1"]).addresses("hooks.example.com", 443)


def test_plain_http_stays_in_private_networks() -> None:
    assert guard(Policy.PRIVATE, ["10.0.0.1"]).check_url("http://erp.internal/")
    for policy, allow in ((Policy.PUBLIC, ""), (Policy.PRIVATE, "login.example.com")):
        with pytest.raises(OutboundRefused, match="without TLS"):
            guard(policy, ["8.8.8.8"], allow=allow).check_url("http://login.example.com/")


@pytest.mark.parametrize(
    ("allow", "address", "is_allowed"),
    [
        ("hooks.internal", "10.0.0.1", True),
        ("hooks.internal", "127.0.0.1", True),
        ("HOOKS.internal.", "10.0.0.1", True),
        (".internal", "10.0.0.1", True),
        (".other", "10.0.0.1", False),
        ("ooks.internal", "10.0.0.1", False),
        ("10.0.0.0/24", "10.0.0.1", True),
        ("10.0.0.0/24", "10.0.1.1", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("fd12::/16", "fd12::1", True),
        ("hooks.internal", "169.254.169.254", False),
        ("hooks.internal", "169.254.1.1", False),
        ("169.254.0.0/16", "169.254.1.1", True),
        ("0.0.0.0/0", "169.254.169.254", False),
        ("::/0", "fd00:ec2::254", False),
        ("169.254.169.254", "169.254.169.254", True),
        ("hooks.internal", "::ffff:10.0.0.1", False),
    ],
)
def test_an_operator_lists_hosts_domains_addresses_and_networks(allow: str, address: str, is_allowed: bool) -> None:
    judge = guard(Policy.PUBLIC, [address], allow=allow)
    if is_allowed:
        assert judge.addresses("hooks.internal", 443) == [ip_address(address)]
    else:
        with pytest.raises(OutboundRefused):
            judge.addresses("hooks.internal", 443)


@pytest.mark.parametrize("entry", ["https://hooks.internal", "10.0.0.1/24", "10.0.0", "0x7f.1", "*", "*.internal", "a b", "-x"])
def test_an_entry_that_means_nothing_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="is no host"):
        parse_allow_list([entry])


def test_the_judged_address_is_the_one_that_is_connected_to(server: Listener) -> None:
    judge = guard(Policy.PRIVATE, ["127.0.0.1"], ["10.255.255.1"])
    with OutboundClient(judge) as client:
        answer = client.request("POST", server.url("/in?a=1", host="erp.invalid"), headers={"X-Key": "1"}, content=b"{}")
    assert (answer.status, answer.body, answer.address) == (200, b"ok", "127.0.0.1")
    assert judge.resolve.asked == ["erp.invalid"]  # type: ignore[attr-defined]
    (heard,) = server.heard
    assert (heard.method, heard.path, heard.body) == ("POST", "/in?a=1", b"{}")
    assert heard.headers["host"] == f"erp.invalid:{server.port}"


def test_a_name_that_turns_private_after_the_check_is_refused_at_the_connection(server: Listener) -> None:
    judge = guard(Policy.PUBLIC, ["8.8.8.8"], ["127.0.0.1"])
    url = server.url(host="rebind.invalid", scheme="https")
    assert judge.check_url(url)
    with OutboundClient(judge) as client, pytest.raises(OutboundRefused, match=r"rebind\.invalid resolves to 127\.0\.0\.1"):
        client.request("GET", url)
    assert server.heard == []


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data/", "/elsewhere", "https://8.8.8.8/"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_not_followed(server: Listener, target: str, status: int) -> None:
    server.replies[:] = [Reply(status, {"Location": target}, b"")]
    with OutboundClient(guard(Policy.PRIVATE)) as client, pytest.raises(OutboundRefused, match="redirects are not followed"):
        client.request("GET", server.url())
    assert len(server.heard) == 1


def test_a_following_client_of_somebody_else_is_judged_at_each_hop(server: Listener) -> None:
    server.replies[:] = [Reply(302, {"Location": "http://169.254.169.254/latest/meta-data/"}, b"")]
    transport = GuardedTransport(guard(Policy.PRIVATE))
    with httpx.Client(transport=transport, follow_redirects=True) as client, pytest.raises(OutboundRefused, match="cloud metadata"):
        client.get(server.url())


def test_tls_verifies_the_name_though_the_address_is_pinned(tmp_path: Path, settings: Any) -> None:
    certificate = make_certificate(tmp_path, "erp.internal")
    with listening(certificate=certificate) as secure:
        good, bad = (secure.url(host=host, scheme="https") for host in ("erp.internal", "other.internal"))
        with OutboundClient(guard(Policy.PRIVATE, ["127.0.0.1"])) as client, pytest.raises(OutboundFailed, match="self-signed"):
            client.request("GET", good)
        settings.OUTBOUND_CA_FILE = str(certificate)
        with OutboundClient(guard(Policy.PRIVATE, ["127.0.0.1"])) as client:
            assert client.request("GET", good).status == 200
            with pytest.raises(OutboundFailed, match="Hostname mismatch"):
                client.request("GET", bad)
        assert [heard.headers["host"] for heard in secure.heard] == [f"erp.internal:{secure.port}"]


def test_a_large_answer_is_cut_off(server: Listener) -> None:
    server.replies[:] = [Reply(body=b"x" * 5000)]
    with (
        OutboundClient(guard(Policy.PRIVATE), Bounds(body_bytes_max=4999)) as client,
        pytest.raises(OutboundFailed, match="more than 4999 bytes"),
    ):
        client.request("GET", server.url())
    with OutboundClient(guard(Policy.PRIVATE), Bounds(body_bytes_max=5000)) as client:
        assert len(client.request("GET", server.url()).body) == 5000


def test_a_compressed_answer_is_refused_unread(server: Listener) -> None:
    server.replies[:] = [Reply(headers={"Content-Encoding": "gzip"})]
    with OutboundClient(guard(Policy.PRIVATE)) as client, pytest.raises(OutboundFailed, match="compressed"):
        client.request("GET", server.url())
    assert server.heard[0].headers["accept-encoding"] == "identity"


def test_a_byte_now_and_then_keeps_nobody_waiting(server: Listener) -> None:
    gone = threading.Event()
    server.replies[:] = [Reply(body=b"x" * 1000, drip=lambda: gone.wait(0.05))]
    try:
        with OutboundClient(guard(Policy.PRIVATE), Bounds(total_seconds=0.2)) as client, pytest.raises(OutboundFailed, match="in time"):
            client.request("GET", server.url())
    finally:
        gone.set()


def test_nobody_there_and_no_such_name() -> None:
    with listening() as closed:
        url = closed.url()
    with OutboundClient(guard(Policy.PRIVATE)) as client, pytest.raises(OutboundFailed, match="Connection refused"):
        client.request("GET", url)
    with pytest.raises(OutboundFailed, match="has no address"):
        guard(Policy.PRIVATE, []).addresses("nowhere.invalid", 443)


def test_neither_proxies_nor_cookies_nor_netrc_come_from_anywhere(
    server: Listener, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine erp.invalid login someone password secret\n", encoding="ascii")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://10.255.255.1:1")
    server.replies[:] = [Reply(headers={"Set-Cookie": "session=1; Path=/"})]
    with OutboundClient(guard(Policy.PRIVATE, ["127.0.0.1"])) as client:
        client.request("GET", server.url(host="erp.invalid"))
        client.request("GET", server.url(host="erp.invalid"))
    assert len(server.heard) == 2
    for heard in server.heard:
        assert not {"cookie", "authorization", "proxy-authorization", "traceparent"} & set(heard.headers)


def test_the_trace_of_the_work_goes_on(server: Listener) -> None:
    with origin(Origin(trace_id=TRACE)), OutboundClient(guard(Policy.PRIVATE)) as client:
        client.request("GET", server.url())
    assert server.heard[0].headers["traceparent"].startswith(f"00-{TRACE}-")


def test_the_installation_s_lists_are_used(settings: Any, server: Listener) -> None:
    with outbound_client(Policy.PUBLIC) as client, pytest.raises(OutboundRefused, match="COUNTERSIGN_OUTBOUND_ALLOW_PRIVATE"):
        client.request("GET", server.url())
    settings.OUTBOUND_ALLOW_PRIVATE = parse_allow_list(["127.0.0.1"])
    with outbound_client(Policy.PUBLIC) as client:
        assert client.request("GET", server.url()).status == 200
