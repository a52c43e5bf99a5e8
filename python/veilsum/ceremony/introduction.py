"""The first two steps: session keys, commitments, and the seeds of which all secrets are made.

For each set of f holders, and for each set of t - 1, there is a seed that all others know. Each of
these others commits to a part of it, then sends the part to the rest of them; the seed is a hash of
all parts. So nobody chooses a seed, and nobody has another seed than the others have. Commitments
to two coins, for choices that must come after something else is fixed, are made here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from veilsum.ceremony.channel import Channels
from veilsum.ceremony.exponent import mask_sets
from veilsum.ceremony.holder import Holder, Step, Steps, hashed
from veilsum.ceremony.messages import Introduction, SealedBoxes, read_part
from veilsum.ceremony.sharing import SEED_BYTES, Seeds
from veilsum.errors import MalformedDataError

__all__ = ["NUM_COINS", "Coins", "Met", "boxes_for_each", "introduce", "open_boxes"]

NUM_COINS = 2
_COIN_BYTES = 32
_SUMMANDS, _MASKS = "summands", "masks"

_Place = tuple[str, tuple[int, ...]]
"""Of a seed: what it is for, and the set that does not know it."""


class Coins:
    """One holder's coins, and the commitments to those of all."""

    def __init__(self, holder: Holder, commitments: dict[int, tuple[bytes, ...]]) -> None:
        self._holder = holder
        self._commitments = commitments

    def toss(self, number: int) -> Steps[bytes]:
        """Show coin ``number`` of everybody: 32 bytes that nobody chose.

        Raises:
            ProtocolError: a coin is not what its holder committed to; it names the holder.
        """
        said = yield Step(f"coin {number}", _coin(self._holder, number))
        for i in self._holder.all:
            if (
                _commitment(self._holder, i, f"coin {number}", said[i])
                != self._commitments[i][number]
            ):
                raise self._holder.blame([i], "its coin is not the one that it committed to")
        return hashed(b"coin", 32, *(said[i] for i in self._holder.all))


@dataclass(frozen=True)
class Met:
    """What one holder has after the introduction.

    Attributes:
        seeds: of summands, by which most secrets are shared.
        mask_seeds: by the set of t - 1 holders that does not know it.
        channels: to the others.
        coins: for common choices.
    """

    seeds: Seeds
    mask_seeds: dict[tuple[int, ...], bytes]
    channels: Channels
    coins: Coins

    def wipe(self) -> None:
        """Forget seeds and session keys."""
        self.seeds.wipe()
        self.mask_seeds.clear()
        self.channels.wipe()


def introduce(holder: Holder) -> Steps[Met]:
    """Exchange keys, commitments and seeds.

    Raises:
        ProtocolError: a holder's message is malformed, or a part of a seed is not what its holder
            committed to; it names the holder.
    """
    channels = Channels(holder)
    places = _places(holder)
    own = [place for place in places if holder.number not in place[1]]
    coins = [
        _commitment(holder, holder.number, f"coin {k}", _coin(holder, k)) for k in range(NUM_COINS)
    ]
    parts = {place: holder.draw("part of a seed", SEED_BYTES, _name(place)) for place in own}
    hello = Introduction(
        session_key=channels.public_key,
        commitments=(
            *coins,
            *(_commitment(holder, holder.number, _name(p).decode(), x) for p, x in parts.items()),
        ),
    )
    said = yield Step("introduction", hello.unframed())
    met = holder.read(said, partial(_introduction, num_commitments=NUM_COINS + len(own)))
    channels.meet({i: found.session_key for i, found in met.items()})
    commitments = {i: found.commitments for i, found in met.items()}

    def between(i: int, j: int) -> list[_Place]:
        return [place for place in places if i not in place[1] and j not in place[1]]

    plain = {
        j: b"".join(parts[place] for place in between(holder.number, j)) for j in holder.others
    }
    said = yield Step("parts of seeds", boxes_for_each(holder, channels, "parts of seeds", plain))
    sizes = {i: SEED_BYTES * len(between(i, holder.number)) for i in holder.others}
    opened = open_boxes(holder, channels, "parts of seeds", said, sizes)
    all_parts = {place: {holder.number: parts[place]} for place in own}
    for i, data in opened.items():
        theirs = iter(commitments[i][NUM_COINS:])
        promised = {place: next(theirs) for place in places if i not in place[1]}
        for k, place in enumerate(between(i, holder.number)):
            part = data[k * SEED_BYTES : (k + 1) * SEED_BYTES]
            if _commitment(holder, i, _name(place).decode(), part) != promised[place]:
                raise holder.blame([i], "a part of a seed is not the one that it committed to")
            all_parts[place][i] = part
    seeds = {
        place: hashed(
            b"seed",
            SEED_BYTES,
            holder.terms.ceremony_id,
            _name(place),
            *(found[i] for i in sorted(found)),
        )
        for place, found in all_parts.items()
    }
    shape = holder.terms.shape
    summands = {
        number: seeds[_SUMMANDS, shape.unaware[number]] for number in shape.aware(holder.number)
    }
    return Met(
        Seeds(shape, holder.number, summands, holder.terms.ceremony_id),
        {unaware: seed for (use, unaware), seed in seeds.items() if use == _MASKS},
        channels,
        Coins(holder, commitments),
    )


def boxes_for_each(holder: Holder, channels: Channels, step: str, plain: dict[int, bytes]) -> bytes:
    """The body with a box for each of the others."""
    boxes = tuple(channels.seal(j, step, plain[j]) for j in holder.others)
    return SealedBoxes(boxes=boxes).unframed()


def open_boxes(
    holder: Holder, channels: Channels, step: str, said: dict[int, bytes], sizes: dict[int, int]
) -> dict[int, bytes]:
    """What the others of ``sizes`` sealed for this holder, by number; so many bytes each."""
    found = holder.read(said, partial(_boxes, count=len(holder.others)))
    opened = {}
    for i, size in sizes.items():
        position = [j for j in holder.all if j != i].index(holder.number)
        opened[i] = channels.open(i, step, found[i].boxes[position], size)
    return opened


def _boxes(data: bytes, count: int) -> SealedBoxes:
    found = read_part(SealedBoxes, data)
    if len(found.boxes) != count:
        raise MalformedDataError("it has not a box for each of the others")
    return found


def _introduction(data: bytes, num_commitments: int) -> Introduction:
    found = read_part(Introduction, data)
    if len(found.commitments) != num_commitments:
        raise MalformedDataError("it has not a commitment to each coin and each part of a seed")
    return found


def _places(holder: Holder) -> list[_Place]:
    shape = holder.terms.shape
    masks = mask_sets(shape.num_holders, holder.terms.threshold)
    return [
        *((_SUMMANDS, unaware) for unaware in shape.unaware),
        *((_MASKS, unaware) for unaware in masks),
    ]


def _name(place: _Place) -> bytes:
    use, unaware = place
    return f"{use} without {', '.join(map(str, unaware))}".encode()


def _coin(holder: Holder, number: int) -> bytes:
    return holder.draw(f"coin {number}", _COIN_BYTES)


def _commitment(holder: Holder, owner: int, what: str, value: bytes) -> bytes:
    """To 32 secret random bytes, which hide themselves."""
    return holder.public("commitment", 32, bytes([owner]), what.encode(), value)
