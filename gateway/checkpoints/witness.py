"""Asking witnesses to cosign checkpoints, by the protocol of C2SP tlog-witness: `POST <prefix>/add-checkpoint`.

A witness remembers the last head of this log that it cosigned, and signs a new one only after a proof that it contains the old one. What it
answers is verified here with the key that the operator pinned; a refusal is an alarm, not a hiccup.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from audit.exporting import Arrived, ExportFailed
from audit.models import Checkpoint, Export
from audit.proofs import stored_consistency_path
from audit.verification import is_signed_fast
from audit.verifier.countersign_verify import Checkpoint as Note
from audit.verifier.countersign_verify import Malformed, encode_base64
from gateway.checkpoints.configured import Witness
from gateway.network import Answer, OutboundClient, Policy, outbound_client


@dataclass(frozen=True, slots=True)
class WitnessExporter:
    """Has checkpoints cosigned by one witness; the answer kept is its signature line."""

    witness: Witness

    @property
    def name(self) -> str:
        """Return `witness:<name of its key>`."""
        return f"witness:{self.witness.key.name}"[:100]

    @property
    def title(self) -> str:
        """Return its name."""
        return f"Witness {self.witness.key.name}"

    @property
    def interval_seconds(self) -> float:
        """Return the shortest time between two cosignatures."""
        return self.witness.interval_seconds

    def export(self, checkpoint: Checkpoint) -> Arrived:
        """Return the cosignature; raises ExportFailed when the witness refuses, or answers what its key has not signed."""
        last = Export.objects.filter(exporter=self.name, is_done=True).order_by("-size").first()
        with outbound_client(Policy.PRIVATE) as client:
            answer = self._ask(client, checkpoint, last.size if last else 0)
            if answer.status == HTTPStatus.CONFLICT and (known := _known_size(answer)) is not None:
                if known > checkpoint.size:
                    raise ExportFailed(
                        f"the witness has seen a head of {known} entries, this log has {checkpoint.size}: "
                        "it was cut off, or there are two of it"
                    )
                answer = self._ask(client, checkpoint, known)
        if answer.status != HTTPStatus.OK:
            raise ExportFailed(f"the witness refuses with {answer.status}: {answer.body[:200].decode('utf-8', errors='replace').strip()}")
        return Arrived(self.witness.url, self._verified(checkpoint, answer.body))

    def _ask(self, client: OutboundClient, checkpoint: Checkpoint, old_size: int) -> Answer:
        path = stored_consistency_path(old_size, checkpoint.size)
        lines = [f"old {old_size}", *(encode_base64(node) for node in path), "", checkpoint.note]
        url = f"{self.witness.url.rstrip('/')}/add-checkpoint"
        return client.request("POST", url, headers={"Content-Type": "text/plain; charset=utf-8"}, content="\n".join(lines).encode("utf-8"))

    def _verified(self, checkpoint: Checkpoint, answered: bytes) -> bytes:
        """Return the line of the pinned key; a witness may answer with others beside, which are left out."""
        lines = [line for line in answered.split(b"\n") if line.startswith(f"\u2014 {self.witness.key.name} ".encode())]
        for line in lines:
            try:
                note = Note.parse(checkpoint.note.encode("utf-8") + line + b"\n")
            except Malformed:
                continue
            if note.cosigned_at(self.witness.key, is_signed_fast) is not None:
                return line + b"\n"
        raise ExportFailed("the witness answers with a signature that its pinned key has not made")


def _known_size(answer: Answer) -> int | None:
    text = answer.body.strip()
    return int(text) if text.isdigit() and len(text) < 19 else None
