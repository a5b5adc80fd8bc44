"""The certificate that the report's PDF is signed with: one PEM with the private key, the certificate, and the authority it is from.

An installation makes its own at the first start: an authority that exists for nothing else, and a certificate for digital signatures and
non-repudiation. A firm that has a certificate of its own puts it into the secret instead. RSA with PKCS #1 v1.5: every reader of
PDF knows it, and the same report gives the same signature.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

KEY_BITS = 3072
AUTHORITY_YEARS, CERTIFICATE_YEARS = 20, 10


@dataclass(frozen=True, slots=True)
class ReportIdentity:
    """What signs reports; everything DER."""

    key: bytes = field(repr=False)
    certificate: bytes
    authorities: tuple[bytes, ...]


def new_report_identity(name: str, now: datetime) -> str:
    """Return a new identity as PEM: private key, certificate, authority."""
    authority_key = rsa.generate_private_key(65537, KEY_BITS)
    authority_name = _name(f"Countersign report authority of {name}")
    authority = _signed(authority_name, authority_key.public_key(), authority_name, authority_key, now, AUTHORITY_YEARS, is_authority=True)
    key = rsa.generate_private_key(65537, KEY_BITS)
    certificate = _signed(
        _name(f"Countersign reports of {name}"), key.public_key(), authority_name, authority_key, now, CERTIFICATE_YEARS, is_authority=False
    )
    parts = (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        certificate.public_bytes(Encoding.PEM),
        authority.public_bytes(Encoding.PEM),
    )
    return b"".join(parts).decode("ascii")


def parse_identity(pem: str) -> ReportIdentity:
    """Return the identity in a PEM; raises ValueError when a part is missing or the key is not the certificate's."""
    stored = pem.encode("ascii")
    key = load_pem_private_key(stored, password=None)
    certificates = x509.load_pem_x509_certificates(stored)
    if certificates[0].public_key() != key.public_key():
        raise ValueError("the first certificate is not the one of the private key")
    return ReportIdentity(
        key=key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        certificate=certificates[0].public_bytes(Encoding.DER),
        authorities=tuple(item.public_bytes(Encoding.DER) for item in certificates[1:]),
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _signed(
    subject: x509.Name,
    public: rsa.RSAPublicKey,
    issuer: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
    now: datetime,
    years: int,
    *,
    is_authority: bool,
) -> x509.Certificate:
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=not is_authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
    builder = x509.CertificateBuilder(
        subject_name=subject, issuer_name=issuer, public_key=public, serial_number=x509.random_serial_number()
    )
    return (
        builder.not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * years))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
