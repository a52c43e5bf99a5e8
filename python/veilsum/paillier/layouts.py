"""What the core's messages say to whoever has no key. Only the core reads and writes all of it."""

from dataclasses import replace

from veilsum.message import Form, Layout, counted, fixed, rest, u8, u32, u64
from veilsum.wire import WireKind

__all__ = ["CIPHERTEXTS", "PARTIAL_DECRYPTION", "PLAINTEXT_PROOF"]

_CIPHERTEXTS = Layout(
    key_fingerprint=fixed(32, "of the key they were made under, in either form"),
    shape=counted(u64(), "lengths, outermost first", count=u8, at_least=1, at_most=2),
    elements=rest("row-major, below", type="2*ceil(key_bits/8) bytes each"),
)
_PARTIAL_DECRYPTION = Layout(
    key_fingerprint=fixed(32, "of the threshold key"),
    holder=u8("at most num_holders", at_least=1),
    first_ciphertext=u64("position in the batch"),
    challenge=replace(fixed(16, "e of [threshold.md](threshold.md), section 5"), show=None),
    rest=rest("below"),
)
_PLAINTEXT_PROOF = Layout(
    key_fingerprint=fixed(32, "of the public key"),
    first_ciphertext=u64("position in the batch"),
    ciphertexts=u64(at_least=1),
    ciphertexts_of_a_proof=u32("the last has the rest", at_least=1, at_most=2**20),
    rest=rest("below"),
)
CIPHERTEXTS = Form(WireKind.CIPHERTEXTS, {1: _CIPHERTEXTS})
PARTIAL_DECRYPTION = Form(WireKind.PARTIAL_DECRYPTION, {2: _PARTIAL_DECRYPTION})
PLAINTEXT_PROOF = Form(WireKind.PLAINTEXT_PROOF, {3: _PLAINTEXT_PROOF})
