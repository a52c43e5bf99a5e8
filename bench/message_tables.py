"""The tables of docs/wire-format.md, written from the declarations of the messages.

The document has each between two comments, the first of which names the message or a part of some:

    <!-- fields of round descriptor -->
    <!-- end of fields -->
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from veilsum import keyfile
from veilsum.ceremony.messages import CeremonyMessage, Introduction, SealedBoxes
from veilsum.ceremony.terms import CeremonyTerms
from veilsum.codec import CODEC_LAYOUTS, SlotCodec
from veilsum.identity import Enrolment
from veilsum.message import Field, Form, Layout
from veilsum.paillier.float_message import ENCRYPTED_FLOATS
from veilsum.paillier.layouts import CIPHERTEXTS, PARTIAL_DECRYPTION, PLAINTEXT_PROOF
from veilsum.privacy.wire import NOISE, NOISE_KIND
from veilsum.schemes.vector_message import MASKED_BLOCKS, masked_form, vector_form
from veilsum.secure_sum.contribution import Chunk, ContributionHeader
from veilsum.secure_sum.descriptor import RoundDescriptor
from veilsum.secure_sum.federation import FEDERATION, SignedFederation
from veilsum.secure_sum.invitations import Invitation, Invitations, Invited
from veilsum.secure_sum.link import RoundLink
from veilsum.secure_sum.lock import Lock
from veilsum.secure_sum.opening import ChunkRequest, Opening, OpenRequest, Receipt
from veilsum.secure_sum.relay_report import RelayReport
from veilsum.secure_sum.relayed_sum import RelayedSum, RelayRequest
from veilsum.secure_sum.round_set import RoundSet, SignedRoot
from veilsum.secure_sum.spot_check import SpotCheck
from veilsum.secure_sum.transcript import Transcript

_PLACE = re.compile(
    r"(<!-- fields of (?P<name>[a-z ]+) -->\n).*?(?P<end><!-- end of fields -->)", re.DOTALL
)
_FIXED = re.compile(r"(\d+) bytes|[uif](\d+)")
_MESSAGES = (
    *(RoundDescriptor, ContributionHeader, Chunk, OpenRequest, ChunkRequest, Opening, Transcript),
    *(Enrolment, SignedFederation, RoundLink, Lock, Invitations, Invitation),
    *(RelayReport, RelayRequest, RelayedSum, SpotCheck),
    CeremonyMessage,
)
FORMS: tuple[Form, ...] = (
    *(CIPHERTEXTS, ENCRYPTED_FLOATS, PARTIAL_DECRYPTION, PLAINTEXT_PROOF, MASKED_BLOCKS),
    FEDERATION,
    *(vector_form(SlotCodec), masked_form(SlotCodec)),
    *keyfile.FORMS.values(),
    *(message.form() for message in _MESSAGES),
)
PARTS = {
    "codec": CODEC_LAYOUTS[False],
    "codec with segments": CODEC_LAYOUTS[True],
    "noise": Layout(kind=NOISE_KIND, **NOISE.fields),
    **{part.words(): part.layout() for part in (Receipt, Invited, RoundSet, SignedRoot)},
    **{part.words(): part.layout() for part in (CeremonyTerms, Introduction, SealedBoxes)},
}


def layouts() -> dict[str, Layout]:
    """By name; versions of one message differ in their codec alone, which has its own tables."""
    newest = {
        form.kind.name.lower().replace("_", " "): form.layouts[max(form.layouts)] for form in FORMS
    }
    return newest | PARTS


def filled(text: str) -> str:
    """The document with its tables as the messages are declared."""
    known = layouts()

    def table(place: re.Match[str]) -> str:
        return f"{place[1]}\n{markdown(known[place['name']])}\n{place['end']}"

    return _PLACE.sub(table, text)


def markdown(layout: Layout) -> str:
    """A row for each field."""
    rows = ["| offset | type | field | must be |", "|---|---|---|---|"]
    for offset, (name, field) in zip(_offsets(layout), layout.fields.items(), strict=True):
        cells = (offset, field.type, name, words_of(field).replace("|", "\\|"))
        rows.append("".join(f"| {cell} " if cell else "| " for cell in cells) + "|")
    return "\n".join(rows) + "\n"


def words_of(field: Field[Any]) -> str:
    """What a value must be."""
    return "; ".join(filter(None, (_bounds(field), field.words)))


def _bounds(field: Field[Any]) -> str:
    match field.bounds:
        case None:
            return ""
        case dict() as codes:
            return ", ".join(f"{code} {_value(value)}" for code, value in codes.items())
        case (int() as at_least, at_most):
            return _span(at_least, at_most)
        case (Field() as item, at_least, at_most):
            span = _span(at_least, at_most)
            return "; ".join(filter(None, (span and f"{span} of them", words_of(item))))
        case message:
            return f"length and a whole framed message of kind {message.KIND}"


def _span(at_least: int, at_most: int | None) -> str:
    if at_most is None:
        return f"at least {at_least}" if at_least else ""
    return f"{at_least} to {_power(at_most)}" if at_least < at_most else str(at_most)


def _power(number: int) -> str:
    exponent = number.bit_length() - 1
    return f"2^{exponent}" if exponent > 15 and number == 2**exponent else f"{number}"


def _value(value: object) -> str:
    """A coded value: a word, a class of noise, None, True or False."""
    if isinstance(value, tuple):
        return " and ".join(map(_value, value))
    if isinstance(value, type):
        return value.__name__.removesuffix("Noise").removesuffix("Type").lower()
    return {None: "none", True: "yes", False: "no"}.get(value, str(value))  # type: ignore[call-overload]


def _offsets(layout: Layout) -> Iterator[str]:
    """In the body, as long as all before have one length; then "then"."""
    offset: int | None = 0
    for field in layout.fields.values():
        yield "then" if offset is None else str(offset)
        fixed = _FIXED.fullmatch(field.type)
        if offset is not None:
            offset = None if fixed is None else offset + int(fixed[1] or int(fixed[2]) // 8)
