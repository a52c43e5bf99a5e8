"""Every reader of bytes from outside, what it may do with them, and messages to start from.

A reader returns an object, whose wire form is the very bytes that were read where the format
promises that, or raises one of the errors that it documents; and it keeps no more memory than in
proportion to what it was given. ``check`` holds one case against that.
"""

import dataclasses
import time
import tracemalloc
from collections.abc import Callable

import veilsum as vs
from fuzz import files
from known_keys import VECTORS, known_key
from shared_keys import shared_key
from vectors import generate_wire
from veilsum import _core, secure_sum, stats, threshold
from veilsum.ceremony.messages import CeremonyMessage
from veilsum.schemes.masking import Masking
from veilsum.secure_sum.merkle import leaf_hash, path_leads_to
from veilsum.wire import split_frames

WIRE = VECTORS / "wire"
FREE_BYTES = 1 << 20
BYTES_FOR_EACH = 64  # A name of one letter is a str of 50 bytes.
MAX_SECONDS = 2.0  # Of processor time, with a sanitizer or a tracer in it.
MAX_FRAME_BYTES = 1 << 16

MALFORMED = (vs.MalformedDataError,)
BAD_KEY = (*MALFORMED, vs.InvalidKeyError)
BAD_CIPHERTEXT = (*MALFORMED, vs.KeyMismatchError, vs.InvalidCiphertextError)
BAD_PROOF = (*MALFORMED, vs.KeyMismatchError, vs.ProofError)
BAD_SIGNATURE = (*BAD_KEY, vs.SignatureError, vs.PolicyRefusedError)
BAD_SEAL = (*BAD_KEY, vs.PassphraseError)
BAD_RECORD = (vs.LedgerError, vs.PolicyRefusedError)


@dataclasses.dataclass(frozen=True)
class Target:
    """A reader: ``read`` gives the wire form of what was read, or None where none is promised."""

    read: Callable[[bytes], bytes | None]
    refusals: tuple[type[Exception], ...]
    seeds: tuple[str, ...] = ()
    make_seeds: Callable[[], list[bytes]] = list
    free_bytes: int = FREE_BYTES

    def all_seeds(self):
        return [(WIRE / f"{name}.bin").read_bytes() for name in self.seeds] + self.make_seeds()


def check(target, data):
    """Read ``data``; AssertionError, or the reader's own error, if it breaks its promise.

    Returns whether the reader took it. Memory is looked at while tracemalloc traces.
    """
    allowed = target.free_bytes + BYTES_FOR_EACH * len(data)
    used, taken = _read(target, data)
    if used > allowed:
        # The interpreter's table of interned strings grows now and then, by megabytes and whatever
        # is read; what a reader takes, it takes each time.
        used, taken = _read(target, data)
    assert used <= allowed, f"{used} for {len(data)} bytes"
    return taken


def _read(target, data):
    """The most memory it had, 0 if nothing traces that, and whether it was taken."""
    tracing = tracemalloc.is_tracing()
    if tracing:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
    begin = time.process_time()
    try:
        written, taken = target.read(data), True
    except target.refusals:
        written, taken = None, False
    seconds = time.process_time() - begin
    assert seconds < MAX_SECONDS, f"{seconds} seconds for {len(data)} bytes"
    assert written in (None, data), "a reader took bytes that its object does not write"
    used = tracemalloc.get_traced_memory()[1] - before if tracing else 0
    return used, taken


# ---- messages ----


def written_by(read):
    return lambda data: read(data).to_bytes()


def read_signed_federation(data):
    dealer = secure_sum.Federation.dealer_named_in(data)
    return secure_sum.Federation.from_signed(data, dealer=dealer) and None


def read_chunk_request(data):
    request = secure_sum.ChunkRequest.from_bytes(data)
    path_leads_to(bytes(32), leaf_hash(request.chunk), request.contribution, 2**32, request.path)
    return request.to_bytes()


def read_frames(data):
    """In pieces, as from a socket."""
    pieces = [data[i : i + 97] for i in range(0, len(data), 97)]
    return b"".join(split_frames(pieces, max_frame_bytes=MAX_FRAME_BYTES))


def read_opened(data):
    """What one who has the whole key answers for a chunk."""
    plaintexts = _core.plaintexts_from_bytes(data, known_key(2048).public._native)
    return _core.plaintexts_to_bytes(plaintexts, 256)


def opened_seeds():
    return [secure_sum.Opening.from_bytes((WIRE / "opening_3_authority.bin").read_bytes()).body]


def masking_of_blocks():
    """What the golden blocks were masked with."""
    return Masking(generate_wire.BLOCKS_CODEC, known_key(2048).public)


def frames_seeds():
    names = ("open_request_4", "chunk_request", "chunk")
    return [b"".join((WIRE / f"{name}.bin").read_bytes() for name in names)]


def announcement_seeds():
    """For one contributor, and for all."""
    links = ["round_link_authority", "round_link_authority"]
    return [
        b"".join((WIRE / f"{name}.bin").read_bytes() for name in names)
        for names in (
            ["round_descriptor_3", "invitation", *links],
            ["round_descriptor_3", "invitations", *links],
        )
    ]


def study_seeds():
    """One of every kind of column, condition and statistic, and a small one."""
    time, age = stats.Number("time", 0, 100), stats.Number("age", 0, 120, unit="years")
    every = stats.Study(
        "every kind",
        columns=[age, time, stats.Category("sex", ("F", "M")), stats.Flag("event")],
        queries=[
            *(stats.Count(), stats.Sum("age"), stats.Mean("age", share=2), stats.Variance("age")),
            *(stats.Covariance("age", "time"), stats.Histogram("age", bins=[0, 50, 120])),
            *(stats.Quantiles("age", bins=4), stats.KaplanMeier("time", "event", [10, 100])),
        ],
        by="sex",
        where=[stats.Between("age", 18, 90), stats.OneOf("sex", ("F",))],
        missing="skip",
    )
    small = stats.Study("small", columns=[age], queries=[stats.Mean("age")], min_cell=1)
    return [stats.study_to_bytes(asked) for asked in (every, small)]


def read_study(data):
    """A study has other JSON too, and one hash whatever its layout was."""
    asked = stats.study_from_bytes(data)
    written = stats.study_to_bytes(asked)
    again = stats.study_from_bytes(written)
    assert again == asked
    assert stats.study_to_bytes(again) == written
    stats.Layout(asked)


# ---- all of them ----

TARGETS = {
    "public_key": Target(
        written_by(vs.PublicKey.from_bytes), BAD_KEY, ("public_key", "public_key_classic")
    ),
    "threshold_key": Target(
        written_by(threshold.ThresholdKey.from_bytes), BAD_KEY, ("threshold_key",)
    ),
    "ciphertexts": Target(
        written_by(lambda data: vs.Ciphertexts.from_bytes(data, known_key(2048).public)),
        BAD_CIPHERTEXT,
        ("ciphertexts_vector", "ciphertexts_matrix"),
    ),
    "encrypted_floats": Target(
        written_by(lambda data: vs.EncryptedFloats.from_bytes(data, known_key(2048).public)),
        BAD_CIPHERTEXT,
        ("encrypted_floats",),
    ),
    "encrypted_vector": Target(
        written_by(lambda data: vs.EncryptedVector.from_bytes(data, known_key(2048).public)),
        BAD_CIPHERTEXT,
        ("encrypted_vector",),
    ),
    "masked_vector": Target(
        written_by(lambda data: vs.EncryptedVector.from_bytes(data, known_key(2048).public)),
        BAD_CIPHERTEXT,
        ("masked_vector",),
    ),
    "masked_blocks": Target(
        written_by(masking_of_blocks().read_blocks), MALFORMED, ("masked_blocks",)
    ),
    "plaintext_proof": Target(
        written_by(lambda data: vs.PlaintextProof.from_bytes(data, known_key(2048).public)),
        BAD_PROOF,
        ("plaintext_proof_3",),
    ),
    "partial_decryption": Target(
        written_by(lambda data: threshold.PartialDecryption.from_bytes(data, shared_key().key)),
        BAD_CIPHERTEXT,
        ("partial_decryption",),
    ),
    "enrolment": Target(written_by(secure_sum.Enrolment.from_bytes), MALFORMED, ("enrolment",)),
    "federation": Target(
        written_by(secure_sum.Federation.from_bytes),
        BAD_KEY,
        ("federation_4", "federation_4_threshold", "federation_6"),
    ),
    "signed_federation": Target(read_signed_federation, BAD_SIGNATURE, ("signed_federation_2",)),
    "round_link": Target(
        written_by(secure_sum.RoundLink.from_bytes), MALFORMED, ("round_link_authority",)
    ),
    "invitations": Target(
        written_by(secure_sum.Invitations.from_bytes), MALFORMED, ("invitations",)
    ),
    "invitation": Target(written_by(secure_sum.Invitation.from_bytes), MALFORMED, ("invitation",)),
    **{
        name: Target(written_by(kind.from_bytes), MALFORMED, (name,))
        for name, kind in (
            ("relay_report", secure_sum.RelayReport),
            ("relay_request", secure_sum.RelayRequest),
            ("relayed_sum", secure_sum.RelayedSum),
            ("spot_check", secure_sum.SpotCheck),
        )
    },
    "ceremony_message": Target(
        written_by(CeremonyMessage.from_bytes), MALFORMED, ("ceremony_message",)
    ),
    "lock": Target(written_by(secure_sum.Lock.from_bytes), MALFORMED, ("lock",)),
    "announcement": Target(
        written_by(secure_sum.Announcement.from_bytes), MALFORMED, make_seeds=announcement_seeds
    ),
    "round_descriptor": Target(
        written_by(secure_sum.RoundDescriptor.from_bytes),
        MALFORMED,
        ("round_descriptor_3", "round_descriptor_3_opener"),
    ),
    "contribution": Target(
        written_by(secure_sum.ContributionHeader.from_bytes), MALFORMED, ("contribution_2",)
    ),
    "chunk": Target(written_by(secure_sum.Chunk.from_bytes), MALFORMED, ("chunk",)),
    "open_request": Target(
        written_by(secure_sum.OpenRequest.from_bytes),
        MALFORMED,
        ("open_request_4", "open_request_4_chunks"),
    ),
    "opened_plaintexts": Target(read_opened, MALFORMED, make_seeds=opened_seeds),
    "chunk_request": Target(read_chunk_request, MALFORMED, ("chunk_request",)),
    "opening": Target(
        written_by(secure_sum.Opening.from_bytes),
        MALFORMED,
        ("opening_3_authority", "opening_3_partial"),
    ),
    "transcript": Target(
        written_by(secure_sum.Transcript.from_bytes), MALFORMED, ("transcript_3",)
    ),
    "frames": Target(read_frames, MALFORMED, make_seeds=frames_seeds),
    "key_file": Target(
        files.loaded_by(vs.SecretKey.load), BAD_SEAL, make_seeds=files.key_file_seeds
    ),
    "share_file": Target(
        files.loaded_by(threshold.KeyShare.load), BAD_SEAL, make_seeds=files.share_file_seeds
    ),
    "identity_file": Target(
        files.loaded_by(secure_sum.Identity.load), BAD_SEAL, make_seeds=files.identity_file_seeds
    ),
    "party_folder": Target(
        files.read_party, (*MALFORMED, *BAD_RECORD), make_seeds=files.party_seeds
    ),
    "round_ledger": Target(
        files.read_round_ledger, BAD_RECORD, make_seeds=files.round_ledger_seeds
    ),
    "privacy_ledger": Target(
        files.read_privacy_ledger,
        (vs.LedgerError, vs.BudgetExhaustedError),
        make_seeds=files.privacy_ledger_seeds,
    ),
    "round_store": Target(files.read_store, MALFORMED, make_seeds=files.store_seeds),
    "checkpoint": Target(files.read_a_checkpoint, MALFORMED, make_seeds=files.checkpoint_seeds),
    "run_folder": Target(
        files.read_run_folder, (*MALFORMED, vs.ProtocolError), make_seeds=files.run_folder_seeds
    ),
    "study": Target(read_study, MALFORMED, make_seeds=study_seeds),
    "inspect": Target(
        files.inspect,
        (),
        make_seeds=files.inspect_seeds,
        free_bytes=2 * FREE_BYTES,  # It reads files by the MiB.
    ),
}
