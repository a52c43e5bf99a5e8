"""Messages, declared once: a dataclass whose annotations say how each field is written.

    @dataclass(frozen=True, kw_only=True)
    class Chunk(Message, kind=WireKind.CHUNK, version=1):
        index: Annotated[int, u32("from 0")]
        proof: Annotated[bytes, rest("that its maker knows what is encrypted")]

Reader, writer, the checks of the constructor, what ``veilsum inspect`` shows and the tables of
docs/wire-format.md follow from that. Where an object and its wire form differ, as for a codec, a
``Layout`` is declared by itself, and a ``Form`` with the layout of each version of its message.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache, partial
from math import copysign
from operator import methodcaller
from typing import Any, ClassVar, Generic, TypeVar, get_type_hints

from veilsum import arguments
from veilsum.errors import InvalidArgumentError, MalformedDataError
from veilsum.wire import FRAME_BYTES, BytesLike, Reader, WireKind, Writer, as_bytes

__all__ = [
    "Field",
    "Form",
    "Layout",
    "Message",
    "Part",
    "code",
    "counted",
    "f64",
    "fixed",
    "framed",
    "framed_or_none",
    "inner",
    "rest",
    "short_bytes",
    "to_end",
    "u8",
    "u32",
    "u64",
]

T = TypeVar("T")
P = TypeVar("P", bound="Part")
M = TypeVar("M", bound="Message")

_VERSION_AT = slice(5, 6)


# ---- fields ----


def _unchecked(name: str, value: Any) -> Any:
    raise TypeError(f"{name}: the class that has this field checks it")


@dataclass(frozen=True)
class Field(Generic[T]):
    """How one value is written, read and checked. The functions below make the usual ones.

    Attributes:
        type: what docs/wire-format.md calls it.
        words: what it must be, in that document, besides its bounds.
        least: fewest bytes of a value.
        write: writes a value that was checked.
        read: reads what ``write`` wrote; MalformedDataError for anything else.
        check: takes a parameter's name and its value, and returns the value as it is kept. Fields
            of a ``Layout`` that is declared by itself have their checks in its class.
        show: the value as ``veilsum inspect`` shows it; None if it does not.
        bounds: the document's too: of a number or of the length of a list, the codes of values, or
            the class of a message.
    """

    type: str
    words: str
    least: int
    write: Callable[[Writer, T], object]
    read: Callable[[Reader], T]
    check: Callable[[str, Any], T] = _unchecked
    show: Callable[[T], object] | None = None
    bounds: Any = None


def _number(
    bits: int, words: str = "", *, at_least: int = 0, at_most: int | None = None
) -> Field[int]:
    most = min(2**bits, 2**63) - 1 if at_most is None else at_most
    check = partial(arguments.count, at_least=at_least, at_most=most)
    return Field(f"u{bits}", words, bits // 8, *_NUMBERS[bits], check, int, (at_least, at_most))


_NUMBERS = {8: (Writer.u8, Reader.u8), 32: (Writer.u32, Reader.u32), 64: (Writer.u64, Reader.u64)}
u8, u32, u64 = (partial(_number, bits) for bits in _NUMBERS)
"""Unsigned integers of so many bits, ``at_least`` and ``at_most`` these."""


def f64(words: str, *, or_none: bool = False) -> Field[float | None]:
    """An IEEE 754 double; None, where that may be, is written as +0.0."""

    def write(writer: Writer, value: float | None) -> None:
        writer.f64(0.0 if value is None else value)

    def read(reader: Reader) -> float | None:
        value = reader.f64()
        return None if or_none and value == 0 and copysign(1, value) > 0 else value

    return Field("f64", words, 8, write, read)


def code(what: str, codes: Mapping[Any, int], words: str = "") -> Field[Any]:
    """One of a few values as a byte; an error says ``what`` they are.

    ``codes`` is asked at each use: what it has may change.
    """

    def write(writer: Writer, value: Any) -> None:
        writer.u8(int(codes[value]))

    def read(reader: Reader) -> Any:
        found = reader.u8()
        for value, code in codes.items():
            if int(code) == found:
                return value
        raise MalformedDataError(f"{found} is no {what} that this version of veilsum reads")

    bounds = {int(code): value for value, code in codes.items()}
    return Field("u8", words, 1, write, read, bounds=bounds)


def fixed(size: int, words: str = "", *, what: str = "it") -> Field[bytes]:
    """So many bytes; an error says ``what`` has as many."""

    def check(name: str, value: Any) -> bytes:
        found = arguments.instance(name, value, bytes)
        if len(found) != size:
            raise InvalidArgumentError(f"{name} has {len(found)} bytes; {what} has {size} bytes")
        return found

    read = methodcaller("bytes", size)
    return Field(f"{size} bytes", words, size, Writer.bytes, read, check, bytes.hex)


def short_bytes(words: str = "") -> Field[bytes]:
    """Up to 255 bytes, with their number before them."""

    def check(name: str, value: Any) -> bytes:
        found = arguments.instance(name, value, bytes)
        if len(found) > 255:
            raise InvalidArgumentError(f"{name} has {len(found)} bytes, and may have 255")
        return found

    def write(writer: Writer, value: bytes) -> None:
        writer.u8(len(value))
        writer.bytes(value)

    def read(reader: Reader) -> bytes:
        return reader.bytes(reader.u8())

    return Field("u8 and as many bytes", words, 1, write, read, check, bytes.hex)


def rest(words: str, *, type: str = "bytes") -> Field[Any]:
    """Bytes, or whatever has ``to_bytes``, up to the end of the body; read as bytes."""

    def write(writer: Writer, value: Any) -> None:
        writer.bytes(_bytes_of(value))

    def read(reader: Reader) -> bytes:
        return reader.bytes(reader.remaining())

    return Field(type, words, 0, write, read, partial(arguments.instance, kind=bytes))


def framed(
    of: "type[Message] | None", words: str = "", *, length: Callable[..., Field[int]] = u64
) -> Field[Any]:
    """A whole message with its length before it: of a class, or bytes that are not looked at."""
    number = length()
    made_of = bytes if of is None else of.from_bytes
    least = number.least + FRAME_BYTES + (0 if of is None else of.layout().least)

    def write(writer: Writer, value: Any) -> None:
        data = _bytes_of(value)
        number.write(writer, len(data))
        writer.bytes(data)

    def read(reader: Reader) -> Any:
        return made_of(reader.bytes(number.read(reader)))

    check = partial(arguments.instance, kind=of or bytes)
    return Field(f"{number.type} and message", words, least, write, read, check, bounds=of)


def inner(of: "type[Part]") -> Field[Any]:
    """A part without a frame."""
    layout, check = of.layout(), partial(arguments.instance, kind=of)
    return Field(of.words(), "", layout.least, layout.write, of.read_from, check)


def framed_or_none(of: "type[Message]", words: str = "") -> Field[Any]:
    """A whole message with its length before it; None is a length of 0."""
    whole = framed(of)

    def write(writer: Writer, value: Any) -> None:
        if value is None:
            writer.u64(0)
        else:
            whole.write(writer, value)

    def read(reader: Reader) -> Any:
        size = reader.u64()
        return None if size == 0 else of.from_bytes(reader.bytes(size))

    check = partial(arguments.instance, kind=(of, type(None)))
    return Field(whole.type, words, 8, write, read, check, bounds=of)


def counted(
    item: Field[Any],
    words: str = "",
    *,
    count: Callable[..., Field[int]] = u32,
    at_least: int = 0,
    at_most: int | None = None,
) -> Field[tuple[Any, ...]]:
    """How many, within these bounds, then each. A list longer than its message is not begun."""
    number = count(at_least=at_least, at_most=at_most)

    def write(writer: Writer, values: tuple[Any, ...]) -> None:
        number.write(writer, len(values))
        _write_each(item, writer, values)

    def read(reader: Reader) -> tuple[Any, ...]:
        length = number.read(reader)
        if length < at_least or (at_most is not None and length > at_most):
            most = "" if at_most is None else f" and at most {at_most}"
            raise MalformedDataError(
                f"a list has {length} items; it must have at least {at_least}{most}"
            )
        if length * item.least > reader.remaining():
            raise MalformedDataError("a list is longer than its message")
        return tuple([item.read(reader) for _ in range(length)])

    def check(name: str, value: Any) -> tuple[Any, ...]:
        values = _check_each(item, name, value)
        number.check(f"the length of {name}", len(values))
        return values

    type, least = f"{number.type}, then {item.type} each", number.least + at_least * item.least
    show = list if item.show is int else None
    return Field(type, words, least, write, read, check, show, (item, at_least, at_most))


def to_end(item: Field[Any], words: str) -> Field[tuple[Any, ...]]:
    """Values up to the end of the body."""

    def read(reader: Reader) -> tuple[Any, ...]:
        return tuple([item.read(reader) for _ in iter(reader.remaining, 0)])

    write, check = partial(_write_each, item), partial(_check_each, item)
    return Field(f"{item.type} each", words, 0, write, read, check)


def _write_each(item: Field[Any], writer: Writer, values: tuple[Any, ...]) -> None:
    for value in values:
        item.write(writer, value)


def _check_each(item: Field[Any], name: str, value: Any) -> tuple[Any, ...]:
    values = arguments.tuple_of(name, value, object)
    return tuple([item.check(f"each of {name}", one) for one in values])


def _bytes_of(value: Any) -> bytes:
    return value if isinstance(value, bytes) else bytes(value.to_bytes())


# ---- layouts ----


class Layout:
    """Fields by name, in the order of the wire."""

    def __init__(self, **fields: Field[Any]) -> None:
        self.fields = fields
        self.least = sum(field.least for field in fields.values())
        self._writers = [(name, field.write) for name, field in fields.items()]
        self._readers = [(name, field.read) for name, field in fields.items()]
        self.checks = [(name, field.check) for name, field in fields.items()]

    def write(self, writer: Writer, source: object) -> None:
        """Write the attributes of these names."""
        for name, write in self._writers:
            write(writer, getattr(source, name))

    def read(self, reader: Reader) -> dict[str, Any]:
        """Read what ``write`` wrote, by name."""
        return {name: read(reader) for name, read in self._readers}

    def shown(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What ``veilsum inspect`` shows of values of these names."""
        shown = ((name, field.show) for name, field in self.fields.items())
        return {name: show(values[name]) for name, show in shown if show is not None}


class Form:
    """A kind of message: the layout of its body, for each of its versions."""

    def __init__(self, kind: WireKind, layouts: Mapping[int, Layout]) -> None:
        self.kind = kind
        self.layouts = layouts

    def write(self, source: object, version: int | None = None) -> bytes:
        """The message of these attributes, in this version or the newest."""
        version = max(self.layouts) if version is None else version
        writer = Writer(self.kind, version)
        self.layouts[version].write(writer, source)
        return writer.finish()

    def shown(self, data: BytesLike) -> dict[str, Any]:
        """What ``veilsum inspect`` shows of a message of one version; errors as ``read``."""
        (layout,) = self.layouts.values()
        return layout.shown(self.read(data))

    def read(self, data: BytesLike) -> dict[str, Any]:
        """The fields of a message, by name.

        Raises:
            MalformedDataError: the bytes are not those of such a message.
        """
        message = as_bytes(data)
        stated = int.from_bytes(message[_VERSION_AT], "little")
        version = stated if stated in self.layouts else max(self.layouts)
        reader = Reader(message, self.kind, version)
        values = self.layouts[version].read(reader)
        reader.finish()
        return values


class Part:
    """A frozen dataclass whose annotations are its layout: a message, or a part of some."""

    __slots__ = ()
    _WORDS: ClassVar[str]

    def __init_subclass__(cls) -> None:
        cls._WORDS = re.sub("(?<=[a-z])(?=[A-Z])", " ", cls.__name__).lower()

    def __post_init__(self) -> None:
        for name, check in self.layout().checks:
            object.__setattr__(self, name, check(name, getattr(self, name)))

    @classmethod
    def words(cls) -> str:
        """What documents and errors call it."""
        return cls._WORDS

    @classmethod
    def layout(cls) -> Layout:
        """Its fields on the wire."""
        return _layout_of(cls)  # type: ignore[arg-type]

    def write_to(self, writer: Writer) -> None:
        """Write its fields."""
        self.layout().write(writer, self)

    @classmethod
    def read_from(cls: type[P], reader: Reader) -> P:
        """Read what ``write_to`` wrote."""
        return cls._made_of(cls.layout().read(reader))

    def unframed(self) -> bytes:
        """Its fields without a frame."""
        writer = Writer(WireKind.CHUNK, 0)  # Of any kind: the frame is cut off.
        self.write_to(writer)
        return writer.finish()[FRAME_BYTES:]

    @classmethod
    def _made_of(cls: type[P], values: dict[str, Any]) -> P:
        try:
            return cls(**values)
        except InvalidArgumentError as error:
            raise MalformedDataError(f"{cls._WORDS}: {error}") from error


class Message(Part):
    """A part with a frame, of one kind and version: ``class X(Message, kind=..., version=...)``."""

    __slots__ = ()
    KIND: ClassVar[WireKind]
    VERSION: ClassVar[int]

    def __init_subclass__(cls, *, kind: WireKind | None = None, version: int = 1) -> None:
        if kind is not None:  # A dataclass with slots is made a second time, without these.
            cls.KIND, cls.VERSION = kind, version
        cls._WORDS = cls.KIND.name.lower().replace("_", " ")

    @classmethod
    def form(cls) -> Form:
        """Its kind, version and layout."""
        return _form_of(cls)  # type: ignore[arg-type]

    def to_bytes(self) -> bytes:
        """The wire form (docs/wire-format.md)."""
        return self.form().write(self)

    @classmethod
    def from_bytes(cls: type[M], data: BytesLike) -> M:
        """Read what ``to_bytes`` wrote. Signatures, and what is framed in bytes, are not checked.

        Raises:
            MalformedDataError: the bytes are not those of such a message.
        """
        return cls._made_of(cls.form().read(data))


@cache
def _layout_of(part: Any) -> Layout:
    """Its annotations, each of which must have a field."""
    hints = get_type_hints(part, include_extras=True)
    found = {each.name: hints[each.name].__metadata__[0] for each in fields(part)}
    return Layout(**found)


@cache
def _form_of(message: type[Message]) -> Form:
    return Form(message.KIND, {message.VERSION: message.layout()})
