"""The witness's door: `POST /add-checkpoint` as C2SP tlog-witness has it, and `GET /` for its key."""

from __future__ import annotations

import logging
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from audit.witness import BODY_BYTES_MAX, Reply, Witness, WitnessUnusable
from kernel import clock

logger = logging.getLogger(__name__)
EXCHANGE_SECONDS = 10


def witness_server(witness: Witness, *, host: str, port: int) -> ThreadingHTTPServer:
    """Return a server for the witness, bound but not yet serving; port 0 takes a free one."""

    class Door(BaseHTTPRequestHandler):
        """Answers one request."""

        timeout = EXCHANGE_SECONDS
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Answer with the witness's key."""
            known = self.path == "/"
            self._answer(Reply(HTTPStatus.OK if known else HTTPStatus.NOT_FOUND, f"{witness.vkey.text}\n".encode() if known else b""))

        def do_POST(self) -> None:
            """Cosign, or say why not."""
            if self.path != "/add-checkpoint":
                self._answer(Reply(HTTPStatus.NOT_FOUND, b""))
                return
            length = self.headers.get("Content-Length", "")
            if not length.isdigit() or int(length) > BODY_BYTES_MAX:
                self.close_connection = True
                self._answer(Reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"the request is too long, or does not say how long it is\n"))
                return
            try:
                reply = witness.add_checkpoint(self.rfile.read(int(length)), seconds=int(clock.now().timestamp()))
            except (WitnessUnusable, OSError) as error:
                logger.error("THE WITNESS CAN'T SIGN: %s", error)  # noqa: TRY400  the sentence says it all
                reply = Reply(HTTPStatus.INTERNAL_SERVER_ERROR, b"the witness can't sign now\n")
            if reply.status not in {HTTPStatus.OK, HTTPStatus.CONFLICT}:
                logger.warning("Refused with %s: %s", int(reply.status), reply.body.decode("utf-8").strip())
            self._answer(reply)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name http.server gives it
            """Keep quiet: what matters is logged above."""

        def _answer(self, reply: Reply) -> None:
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

    return ThreadingHTTPServer((host, port), Door)
