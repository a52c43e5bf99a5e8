"""A round over HTTPS, without any framework: how to put veilsum into an engine of one's own.

The parties' objects take bytes and give bytes; here the standard library carries them, with TLS, on
this machine. The server learns the sum, and who is in it. The key is shared by four of the five
parties or more, and the server has none. Here all of them are throw-away parties in one folder, so
that the example is one command; docs/embedding.md says what changes with real ones.

    python examples/12_https_round.py
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import veilsum as vs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from veilsum.secure_sum import (
    Aggregator,
    Announcement,
    Federation,
    FolderStore,
    Identity,
    Invitations,
    PartyFolder,
    RoundDescriptor,
    SumResult,
    hash_model,
)
from veilsum.secure_sum.simulated_parties import SimulatedParties

DIM, NUM_PARTIES = 1000, 5
MOST_BYTES = 64 << 20  # Of one request; what is longer is not read.
SECONDS = 30.0  # Of one request.
ROUND_SECONDS = 120.0
MODEL = [np.zeros(DIM)]


# ---- the server ----


class Round:
    """One round behind a lock: an Aggregator serves one thread at a time."""

    def __init__(self, federation: Federation, identity: Identity, store: Path) -> None:
        self._lock = threading.Lock()
        self._invited = Invitations.of(party.name for party in federation.contributors)
        self._descriptor = RoundDescriptor.signed(
            identity,
            federation_hash=federation.hash,
            round_number=1,
            model_hash=hash_model(MODEL),
            invited=self._invited,
        )
        # A process that is killed goes on from its store: every message is in it.
        self._store = FolderStore(store)
        self._aggregator = Aggregator(
            federation, identity, self._descriptor, invited=self._invited, store=self._store
        )
        self._asked: dict[str, list[bytes]] = {}
        self.result: SumResult | None = None

    def close(self) -> None:
        self._store.close()

    def announcement(self, name: str) -> bytes:
        return Announcement.of(self._descriptor, self._invited, to=name).to_bytes()

    def receive(self, contribution: bytes) -> None:
        with self._lock:
            self._aggregator.receive(contribution)

    def request(self, holder: str) -> bytes | None:
        """What this holder is asked next; None if nothing, for now or for good."""
        with self._lock:
            everybody = len(self._aggregator.contributors) == len(self._invited)
            if not everybody or self.result is not None:
                return None
            if not self._asked:  # First all lock the set, then all open it; then it is the sum.
                requests = self._aggregator.open_requests()
                self._asked = {name: list(frames) for name, frames in requests.items()}
                if not requests:
                    self.result = self._aggregator.finish()
            return b"".join(self._asked[holder]) if holder in self._asked else None

    def answer(self, opening: bytes) -> None:
        with self._lock:
            # Whose it is says its signature, not the request that brought it.
            self._asked.pop(self._aggregator.receive_opening(opening), None)


class Handler(BaseHTTPRequestHandler):
    """announcement/NAME, contribution, request/NAME, opening and done."""

    round: Round
    timeout = SECONDS

    def do_GET(self) -> None:
        what, name = self._parts()
        if what == "announcement":
            try:
                self._reply(200, self.round.announcement(name))
            except vs.VeilsumError:  # Nobody of that name is invited.
                self._reply(404)
        elif what == "request":
            request = self.round.request(name)
            self._reply(204 if request is None else 200, request or b"")
        elif what == "done":
            self._reply(200 if self.round.result is not None else 204)
        else:
            self._reply(404)

    def do_POST(self) -> None:
        what, _ = self._parts()
        size = self.headers.get("Content-Length", "")
        if not size.isdecimal() or len(size) > 10 or int(size) > MOST_BYTES:
            self._reply(413)
            return
        body = self.rfile.read(int(size))
        try:
            if what == "contribution":
                self.round.receive(body)
            elif what == "opening":
                self.round.answer(body)
            else:
                self._reply(404)
                return
        except vs.VeilsumError as error:  # Signed by nobody, sent twice, of another round...
            self._reply(400, f"{type(error).__name__}: {error}".encode())
            return
        self._reply(204)

    def _parts(self) -> tuple[str, str]:
        what, _, name = self.path.strip("/").partition("/")
        return what, unquote(name)

    def _reply(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: what is logged by default is each request."""


@contextmanager
def served(about: Round, folder: Path) -> Iterator[str]:
    """The server on a free port of this machine, until the end of the block."""
    handler = type("RoundHandler", (Handler,), {"round": about})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    # Whoever connects and says nothing keeps a thread waiting, and nobody else.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# ---- a party ----


class Party:
    """One site: makes its objects from its folder for each message, as a process that may die."""

    def __init__(self, folder: Path, opener: vs.MachineKey, server: str, certificate: Path) -> None:
        self._folder = PartyFolder(folder)
        self._opener = opener
        self._server = server
        self._context = ssl.create_default_context(cafile=str(certificate))
        self.name = self._folder.enrolment.name

    def run(self, change: np.ndarray) -> None:
        """Contribute, then help to open until the server has its sum."""
        announced = self._ask(f"announcement/{self.name}")
        contributor = self._folder.contributor(passphrase=self._opener)
        sent = contributor.contribute(announced, change, model_hash=hash_model(MODEL))
        self._ask("contribution", sent)
        pause, deadline = threading.Event(), time.monotonic() + ROUND_SECONDS
        while self._status("done") != 200:
            if time.monotonic() > deadline:
                raise TimeoutError("the round had no sum in time")
            request = self._ask(f"request/{self.name}")
            if not request:
                pause.wait(0.05)
                continue
            holder = self._folder.key_holder(passphrase=self._opener)
            self._ask("opening", holder.open(request))

    def _ask(self, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"{self._server}/{path}", data=body)
        with urllib.request.urlopen(request, timeout=SECONDS, context=self._context) as reply:
            return bytes(reply.read(MOST_BYTES))

    def _status(self, path: str) -> int:
        url = f"{self._server}/{path}"
        with urllib.request.urlopen(url, timeout=SECONDS, context=self._context) as reply:
            return int(reply.status)


# ---- all of it ----


def write_certificate(folder: Path) -> None:
    """A certificate of this machine for a day, and its key: for an example, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "server.key").touch(mode=0o600)
    (folder / "server.key").write_bytes(secret)
    (folder / "server.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        parties = SimulatedParties.make(place / "parties", NUM_PARTIES, dim=DIM)
        opener = vs.MachineKey.load(parties.key_file)
        signed = parties.federation_file.read_bytes()
        federation = Federation.from_signed(signed, dealer=Federation.dealer_named_in(signed))
        server = Identity.load(parties.identity_file, passphrase=opener)
        write_certificate(place)

        about = Round(federation, server, place / "store")
        changes = [np.full(DIM, (i + 1) / 100) for i in range(NUM_PARTIES)]
        with served(about, place) as url:
            sites = [
                Party(parties.party(i), opener, url, place / "server.crt")
                for i in range(NUM_PARTIES)
            ]
            with ThreadPoolExecutor(NUM_PARTIES) as pool:
                list(pool.map(Party.run, sites, changes))

    result = about.result
    assert result is not None
    assert np.allclose(result.sum.mean(), np.mean(changes, axis=0), atol=1e-4)
    print(f"over HTTPS, the mean of {len(result.contributors)}: {result.sum.mean()[0]:.4f}")
    print(f"transcript of {len(result.transcript)} bytes: who was in the sum, and who opened it")


if __name__ == "__main__":
    main()
