"""Checkpoints reach an object store under lock, a witness and a time-stamp authority; each is a real one, and none is ours."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from pytest_django import Settings

from audit.exporting import ExportFailed, cosigned_note, export_due
from audit.keys import log_origin, verifying_key
from audit.models import Checkpoint, Export
from audit.verifier.countersign_verify import Checkpoint as Note
from audit.verifier.countersign_verify import VerifyingKey
from audit.witness import Witness as WitnessService
from audit.witness import WitnessMemory
from audit.witness_server import witness_server
from gateway.checkpoints.configured import ObjectStore, TimestampAuthority, Witness
from gateway.checkpoints.object_store import ObjectStoreExporter
from gateway.checkpoints.places import remote_exporters
from gateway.checkpoints.signature import signed_headers
from gateway.checkpoints.timestamps import TimestampExporter
from gateway.checkpoints.witness import WitnessExporter
from gateway.errors import OutboundRefused
from kernel import clock
from tests.builders.audit import INSTANT, recorded_many, seal_and_sign

pytestmark = pytest.mark.django_db

SECRET = {"region": "eu-central-1", "access_key": "AKIDEXAMPLE", "secret_key": "wJalrXUtnFEMI/K7MDENG"}


@pytest.fixture(autouse=True)
def checkpoint(tmp_path: Path, settings: Settings) -> Checkpoint:
    """Return a signed checkpoint over three events."""
    settings.AUDIT_CHECKPOINT_DIR = tmp_path / "checkpoints"
    recorded_many(3)
    found = seal_and_sign()
    assert found is not None
    return found


def next_checkpoint(count: int = 4) -> Checkpoint:
    """Return a signed checkpoint over more events."""
    recorded_many(count)
    found = seal_and_sign()
    assert found is not None
    return found


def a_store(url: str, *, lock_days: int = 2557) -> ObjectStore:
    """Return an object store at this address, with keys that moto takes."""
    return ObjectStore(
        url=url, region=SECRET["region"], access_key=SECRET["access_key"], secret_key=SECRET["secret_key"], lock_days=lock_days
    )


# --- Object store -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """Start moto's S3 and return a client for it, with a bucket that locks and one that does not."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    _, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=SECRET["region"],
        aws_access_key_id=SECRET["access_key"],
        aws_secret_access_key=SECRET["secret_key"],
    )
    place = {"LocationConstraint": SECRET["region"]}
    client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True, CreateBucketConfiguration=place)
    client.create_bucket(Bucket="open", CreateBucketConfiguration=place)
    yield client
    server.stop()


@pytest.fixture
def store(s3: Any, tmp_path: Path) -> ObjectStore:
    """Return the store that locks, with a prefix that no other test uses."""
    return a_store(f"{s3.meta.endpoint_url}/locked/{tmp_path.name.lower()}", lock_days=2557)


@pytest.mark.parametrize("path", ["/bucket/000000000003.note", "/bucket/prefix-1/x_y/3.note"])
def test_a_signature_is_the_one_that_botocore_makes(path: str) -> None:
    url, content = f"https://s3.example.com:9000{path}", b"note\n"
    given = {"content-type": "text/plain", "if-none-match": "*", "x-amz-object-lock-mode": "COMPLIANCE"}
    now = clock.now()
    ours = signed_headers("PUT", url, headers=given, content=content, now=now, **SECRET)
    request = AWSRequest(method="PUT", url=url, data=content, headers=given)
    request.context["timestamp"] = ours["x-amz-date"]
    theirs = S3SigV4Auth(Credentials(SECRET["access_key"], SECRET["secret_key"]), "s3", SECRET["region"])
    request.headers["X-Amz-Date"] = ours["x-amz-date"]
    request.headers["X-Amz-Content-SHA256"] = ours["x-amz-content-sha256"]
    signature = theirs.signature(theirs.string_to_sign(request, theirs.canonical_request(request)), request)
    assert ours["authorization"].endswith(f"Signature={signature}")


def test_a_checkpoint_lies_under_lock_and_cannot_be_deleted(s3: Any, store: ObjectStore, checkpoint: Checkpoint) -> None:
    (attempt,) = export_due(now=INSTANT, places=[ObjectStoreExporter(store)])
    assert (attempt.detail, attempt.is_done) == ("", True)
    key = f"{store.url.partition('/locked/')[2]}/000000000003.note"
    kept = s3.get_object(Bucket="locked", Key=key)
    assert kept["Body"].read().decode("utf-8") == checkpoint.note
    assert kept["ObjectLockMode"] == "COMPLIANCE"
    assert kept["ObjectLockRetainUntilDate"] > clock.now() + timedelta(days=2556)
    assert attempt.place.endswith(f"?versionId={kept['VersionId']}")
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.delete_object(Bucket="locked", Key=key, VersionId=kept["VersionId"])


def test_the_same_checkpoint_again_is_no_second_version(s3: Any, store: ObjectStore, checkpoint: Checkpoint) -> None:
    exporter = ObjectStoreExporter(store)
    first = exporter.export(checkpoint)
    assert exporter.export(checkpoint) == first
    other = Checkpoint(size=3, root=b"", note="another note\n")
    with pytest.raises(ExportFailed, match="another content lies"):
        exporter.export(other)


def test_a_bucket_without_lock_has_not_kept_it(s3: Any, checkpoint: Checkpoint) -> None:
    store = a_store(f"{s3.meta.endpoint_url}/open/x", lock_days=1)
    with pytest.raises(ExportFailed, match=r"InvalidRequest|without an object lock"):
        ObjectStoreExporter(store).export(checkpoint)
    unlocked = a_store(f"{s3.meta.endpoint_url}/open/y", lock_days=0)
    assert ObjectStoreExporter(unlocked).export(checkpoint).place.startswith(s3.meta.endpoint_url)


def test_a_missing_bucket_is_named_in_the_store_s_words(s3: Any, checkpoint: Checkpoint) -> None:
    store = a_store(f"{s3.meta.endpoint_url}/nowhere")
    with pytest.raises(ExportFailed, match=r"404 \(NoSuchBucket"):
        ObjectStoreExporter(store).export(checkpoint)


def test_a_store_outside_the_private_networks_is_not_connected_to(checkpoint: Checkpoint) -> None:
    store = a_store("https://198.51.100.7/bucket")
    with pytest.raises(OutboundRefused):
        ObjectStoreExporter(store).export(checkpoint)
    (attempt,) = export_due(now=INSTANT, places=[ObjectStoreExporter(store)])
    assert "198.51.100.7" in attempt.detail
    assert SECRET["secret_key"] not in attempt.detail


# --- Witness ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[WitnessService, Witness]]:
    """Start a witness of this log and return it with what an operator configures."""
    made = WitnessService(
        name="witness.example/w",
        key=Ed25519PrivateKey.generate(),
        logs=[verifying_key()],
        memory=WitnessMemory(tmp_path / "witness" / "witness.json"),
    )
    server = witness_server(made, host="127.0.0.1", port=0)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield made, Witness(f"http://127.0.0.1:{server.server_address[1]}", made.vkey)
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_witness_cosigns_one_head_after_the_other(service: tuple[WitnessService, Witness]) -> None:
    made, witness = service
    for position in range(3):
        (attempt,) = export_due(now=INSTANT + timedelta(hours=position), places=[WitnessExporter(witness)])
        assert attempt.detail == ""
        newest = Checkpoint.objects.latest("size")
        note = Note.parse(cosigned_note(newest))
        assert note.cosigned_at(made.vkey) is not None
        assert note.is_signed_by(verifying_key())
        next_checkpoint()


def test_a_witness_that_saw_more_than_we_know_of_is_asked_again(service: tuple[WitnessService, Witness], checkpoint: Checkpoint) -> None:
    """Its answer to the first one was lost: our record knows nothing of it."""
    _, witness = service
    WitnessExporter(witness).export(checkpoint)
    WitnessExporter(witness).export(next_checkpoint())


def test_a_witness_of_a_longer_history_raises_the_alarm(service: tuple[WitnessService, Witness], checkpoint: Checkpoint) -> None:
    _, witness = service
    WitnessExporter(witness).export(next_checkpoint())
    with pytest.raises(ExportFailed, match="has seen a head of 7 entries, this log has 3: it was cut off"):
        WitnessExporter(witness).export(checkpoint)


def test_an_answer_that_the_pinned_key_has_not_signed_is_none(service: tuple[WitnessService, Witness], checkpoint: Checkpoint) -> None:
    made, witness = service
    other = VerifyingKey.named(made.vkey.name, Ed25519PrivateKey.generate().public_key().public_bytes_raw(), 4)
    with pytest.raises(ExportFailed, match="pinned key has not made"):
        WitnessExporter(Witness(witness.url, other)).export(checkpoint)


def test_a_log_s_own_key_is_no_witness() -> None:
    with pytest.raises(ValueError, match="is not one of a witness"):
        Witness("http://127.0.0.1:1", VerifyingKey.named(log_origin(), bytes(32)))


# --- Time-stamps --------------------------------------------------------------------------------------------------------------

AUTHORITY = """
[tsa]
default_tsa = made
[made]
serial = {directory}/serial
signer_cert = {directory}/tsa.pem
signer_key = {directory}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
clock_precision_digits = 0
ess_cert_id_alg = sha256
[stamping]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TimestampAuthority]:
    """Start a time-stamp authority that is openssl's own `ts -reply`."""
    directory = tmp_path_factory.mktemp("tsa")
    config = directory / "tsa.cnf"
    config.write_text(AUTHORITY.format(directory=directory), encoding="utf-8")

    def openssl(*arguments: str, content: bytes = b"") -> bytes:
        return subprocess.run(["openssl", *arguments], cwd=directory, input=content, check=True, capture_output=True).stdout

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test root", "-days", "2")
    openssl("req", *new, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=Test authority")
    openssl("x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "tsa.pem", "-days", "2",
            "-extfile", "tsa.cnf", "-extensions", "stamping")  # fmt: skip

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = directory / "asked.tsq"
            asked.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            answer = openssl("ts", "-reply", "-config", "tsa.cnf", "-queryfile", str(asked))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield TimestampAuthority(f"http://127.0.0.1:{server.server_address[1]}/tsr", directory / "ca.pem")
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_stamp_verifies_with_openssl(authority: TimestampAuthority, checkpoint: Checkpoint, tmp_path: Path) -> None:
    (attempt,) = export_due(now=INSTANT, places=[TimestampExporter(authority)])
    assert (attempt.detail, attempt.is_done) == ("", True)
    note, stamp = tmp_path / "3.note", tmp_path / "3.tsr"
    note.write_text(checkpoint.note, encoding="utf-8")
    stamp.write_bytes(bytes(Export.objects.get().answer))
    command = ["openssl", "ts", "-verify", "-data", str(note), "-in", str(stamp), "-CAfile", str(authority.ca_file)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    note.write_text(checkpoint.note.replace("3", "4", 1), encoding="utf-8")
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0


def test_a_stamp_of_an_authority_that_nobody_trusts_is_none(authority: TimestampAuthority, checkpoint: Checkpoint, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(tmp_path / "k"),
         "-out", str(other), "-subj", "/CN=Other", "-days", "2"],
        check=True, capture_output=True,
    )  # fmt: skip
    with pytest.raises(ExportFailed, match="does not verify"):
        TimestampExporter(TimestampAuthority(authority.url, other)).export(checkpoint)


def test_settings_name_the_remote_places(settings: Settings, authority: TimestampAuthority) -> None:
    assert remote_exporters() == []
    settings.AUDIT_OBJECT_STORE = a_store("https://s3.internal/bucket")
    settings.AUDIT_WITNESSES = (Witness("https://w.internal", VerifyingKey.named("w", bytes(32), 4)),)
    settings.AUDIT_TIMESTAMP_AUTHORITY = authority
    names = [place.name.partition(":")[0] for place in remote_exporters()]
    assert names == ["object_store", "witness", "timestamp"]
