"""Time-stamps over checkpoints by an authority of somebody else (RFC 3161): that this head existed at that time.

The response covers the note as it is exported, byte for byte, so that it verifies with nothing of ours:
`openssl ts -verify -data <size>.note -in <size>.tsr -CAfile <authority>.pem`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from http import HTTPStatus

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from audit.exporting import Arrived, ExportFailed
from audit.models import Checkpoint
from gateway.checkpoints.configured import TimestampAuthority
from gateway.network import Policy, outbound_client

HEADERS = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}


@dataclass(frozen=True, slots=True)
class TimestampExporter:
    """Has checkpoints stamped by one authority; the answer kept is its response, DER."""

    authority: TimestampAuthority

    @property
    def name(self) -> str:
        """Return `timestamp:<address>`."""
        return f"timestamp:{self.authority.url}"[:100]

    @property
    def title(self) -> str:
        """Return its address."""
        return f"Time-stamp authority {self.authority.url}"

    @property
    def interval_seconds(self) -> float:
        """Return the shortest time between two stamps."""
        return self.authority.interval_seconds

    def export(self, checkpoint: Checkpoint) -> Arrived:
        """Return the response; raises ExportFailed when it is not a stamp of this note by an authority that is believed."""
        content = checkpoint.note.encode("utf-8")
        request = TimestampRequestBuilder().data(content).hash_algorithm(HashAlgorithm.SHA256).cert_request(cert_request=True).build()
        with outbound_client(Policy.PRIVATE) as client:
            answer = client.request("POST", self.authority.url, headers=HEADERS, content=request.as_bytes())
        if answer.status != HTTPStatus.OK:
            raise ExportFailed(f"the authority answers {answer.status}")
        try:
            response = decode_timestamp_response(answer.body)
        except ValueError as error:
            raise ExportFailed("the authority answers with something that is no time-stamp") from error
        self._require_genuine(request, response, content)
        return Arrived(f"{self.authority.url} at {response.tst_info.gen_time:%Y-%m-%d %H:%M:%S} UTC", answer.body)

    def _require_genuine(self, request: TimeStampRequest, response: TimeStampResponse, content: bytes) -> None:
        builder = VerifierBuilder.from_request(request)
        for certificate in x509.load_pem_x509_certificates(self.authority.ca_file.read_bytes()):
            builder = builder.add_root_certificate(certificate)
        try:
            builder.build().verify(response, hashlib.sha256(content).digest())
        except (VerificationError, ValueError) as error:
            raise ExportFailed(f"the time-stamp does not verify: {error}") from error
