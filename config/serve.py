"""The web process of an installation: `python -m config.serve --port 8000 --processes 2`.

uvicorn's own command binds its socket without naming the protocol, and asyncio switches Nagle's algorithm off only where TCP is named.
Every answer on a kept-open connection would wait 40 ms for the client's delayed acknowledgement.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys

from uvicorn import Config, Server
from uvicorn.supervisors import Multiprocess

BACKLOG = 2048
# A process that computes on a crowded machine answers late; it is replaced only when it does not answer at all.
HEALTH_SECONDS = 30


def main() -> int:
    """Serve until told to stop; return 0 after a clean stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    config = Config(
        "config.asgi:application",
        workers=options.processes,
        backlog=BACKLOG,
        lifespan="on",
        access_log=False,
        # Whose X-Forwarded-For is believed: limits and the audit log name the caller, not the proxy.
        forwarded_allow_ips=os.environ.get("COUNTERSIGN_TRUSTED_PROXIES", "127.0.0.1"),
        log_level="warning",
        timeout_worker_healthcheck=HEALTH_SECONDS,
    )
    try:
        listening = listen(options.host, options.port)
    except OSError as error:
        print(f"Port {options.port} on {options.host} cannot be used: {error.strerror}.", file=sys.stderr, flush=True)
        return 1
    if options.processes > 1:
        Multiprocess(config, sockets=[listening]).run()
    else:
        Server(config).run(sockets=[listening])
    return 0


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address, known to be TCP."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    listening.set_inheritable(True)
    return listening


if __name__ == "__main__":
    sys.exit(main())
