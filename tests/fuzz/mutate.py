"""Mutations that know frames: most of what they make gets past the first checks of a reader."""

MAGIC = b"veil"
FRAME_BYTES = 16
LENGTH_BYTES = 8
INTERESTING = (0, 1, 2, 31, 32, 33, 63, 64, 127, 128, 255, 2**31, 2**32 - 1, 2**40, 2**62, 2**63)
FLOATS = ("0000000000000080", "000000000000f07f", "000000000000f87f", "0100000000000000")


def mutated(rng, data, others=()):
    """``data`` after one to four mutations; ``others`` are messages to take parts from."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        frames = _inner_frames(data)
        if frames and rng.random() < 0.5:
            data = _with_inner(data, rng.choice(frames), rng, others)
        else:
            data = _changed(rng, data, others)
    return with_length(data) if rng.random() < 0.9 else data


def with_length(data):
    """The message with the length of its body put right; anything but a message as it is."""
    if len(data) < FRAME_BYTES or not data.startswith(MAGIC):
        return data
    return (
        data[:8] + (len(data) - FRAME_BYTES).to_bytes(LENGTH_BYTES, "little") + data[FRAME_BYTES:]
    )


def mutated_frames(rng, frames, others=()):
    """A message of frames after mutations of one of them, of their order, or of both."""
    frames = list(frames)
    for _ in range(rng.choice((1, 1, 2))):
        place = rng.randrange(len(frames))
        action = rng.randrange(7)
        if action <= 2:
            frames[place] = mutated(rng, frames[place], others)
        elif action == 3 and len(frames) > 1:
            del frames[place]
        elif action == 4:
            frames.insert(place, rng.choice([*frames, *others]))
        elif action == 5:
            rng.shuffle(frames)
        elif others:
            frames[place] = rng.choice(others)
    message = b"".join(frames)
    return message[: rng.randrange(len(message) + 1)] if rng.random() < 0.1 else message


def _changed(rng, data, others):
    """One mutation anywhere, more often near the front, where the structure is."""
    out = bytearray(data) or bytearray(1)
    where = rng.randrange(len(out) if rng.random() < 0.5 else min(len(out), 120))
    action = rng.randrange(9)
    if action == 8:  # Lengths that are right modulo a power of two: products of them may wrap.
        value = int.from_bytes(out[where : where + 8], "little") + (1 << rng.randrange(64))
        out[where : where + 8] = (value % 2**64).to_bytes(8, "little")
    elif action == 0:
        out[where] ^= 1 << rng.randrange(8)
    elif action == 1:
        out[where] = rng.randrange(256)
    elif action in (2, 3):
        size = rng.choice((1, 2, 4, 8))
        value = (rng.choice(INTERESTING) + rng.choice((-1, 0, 0, 1))) % 2 ** (8 * size)
        out[where : where + size] = value.to_bytes(size, "little")
    elif action == 4:
        out[where : where + 8] = bytes.fromhex(rng.choice(FLOATS))
    elif action == 5:
        del out[where : where + rng.choice((1, 1, 8, 32, len(out)))]
    elif action == 6:
        begin = rng.randrange(len(out))
        out[where:where] = out[begin : begin + rng.choice((1, 8, 32, 128))]
    else:
        source = rng.choice(others) if others else rng.randbytes(64)
        begin = rng.randrange(len(source) + 1)
        size = rng.choice((4, 16, 64))
        out[where : where + size] = source[begin : begin + size]
    return bytes(out)


def _inner_frames(data):
    """(begin, end) of the whole messages inside a message."""
    found, begin = [], data.find(MAGIC, 1)
    while begin >= 0:
        size = int.from_bytes(data[begin + 8 : begin + FRAME_BYTES], "little")
        if begin + FRAME_BYTES + size <= len(data):
            found.append((begin, begin + FRAME_BYTES + size))
        begin = data.find(MAGIC, begin + 1)
    return found


def _with_inner(data, place, rng, others):
    """An inner message changed, and the lengths that stand before it and in it with it."""
    begin, end = place
    inner = with_length(_changed(rng, data[begin:end], others))
    for size_bytes in (8, 4):
        before = begin - size_bytes
        if before >= 0 and data[before:begin] == (end - begin).to_bytes(size_bytes, "little"):
            length = len(inner).to_bytes(size_bytes, "little")
            return data[:before] + length + inner + data[end:]
    return data[:begin] + inner + data[end:]
