"""The PAdES signature of the report: certifying, nothing may be changed afterwards, and the same report gives the same bytes.

pyHanko would stamp its own clock, its name and a random file id into the file; here the instant is the one that the report is as of, the
id a digest of the unsigned bytes, and the metadata stays. It would also declare PDF 2.0, which a PDF/A-3 (1.7) may not be.
"""

from __future__ import annotations

import hashlib
import io
from datetime import datetime
from typing import Any

from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko_certvalidator.registry import SimpleCertificateStore

from reconciliation.evidence.report_key import ReportIdentity

FIELD = "CountersignSeal"


class _Writer(IncrementalPdfFileWriter):
    """Adds to a PDF 1.7 without turning it into something else."""

    def ensure_output_version(self, version: Any) -> None:
        """Leave the version as it is."""

    def _update_meta(self) -> None:
        """Leave the metadata as the typesetter wrote it; pyHanko would write its own name and clock into it."""

    @classmethod
    def _handle_id(cls, prev: Any) -> Any:
        prev.stream.seek(0)
        new = generic.ByteStringObject(hashlib.sha256(prev.stream.read()).digest()[:16])
        try:
            first = prev.trailer["/ID"][0]
        except KeyError:
            first = new
        if isinstance(first, generic.TextStringObject):
            first = generic.ByteStringObject(first.original_bytes)
        return generic.ArrayObject([first, new])


class _Signer(PdfSigner):
    """Signs as of an instant that is given."""

    at: datetime

    def init_signing_session(self, pdf_out: Any, existing_fields_only: bool = False) -> Any:
        """Return the session with its clock set."""
        session = super().init_signing_session(pdf_out, existing_fields_only=existing_fields_only)
        session.system_time = self.at
        return session


def signed_pdf(pdf: bytes, *, identity: ReportIdentity, at: datetime) -> bytes:
    """Return the PDF with the signature appended; the bytes before it are unchanged."""
    registry = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    registry.register_multiple([asn1_x509.Certificate.load(item) for item in identity.authorities])
    signer = SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(identity.certificate),
        signing_key=asn1_keys.PrivateKeyInfo.load(identity.key),
        cert_registry=registry,
    )
    metadata = PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        certify=True,
        docmdp_permissions=MDPPerm.NO_CHANGES,
    )
    session = _Signer(metadata, signer=signer)
    session.at = at
    output = io.BytesIO()
    session.sign_pdf(_Writer(io.BytesIO(pdf)), output=output)
    return output.getvalue()
