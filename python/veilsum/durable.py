"""Files that survive: written whole or not at all, read within bounds, locked; SQLite records.

What only some files need is imported with the first of them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote_from_bytes

from veilsum.errors import (
    InvalidArgumentError,
    LedgerError,
    MalformedDataError,
    StoreInUseError,
)

if TYPE_CHECKING:
    import sqlite3

__all__ = [
    "Database",
    "DurableFile",
    "MemoryDatabase",
    "lock_file",
    "made_folder",
    "new_folder",
    "open_file",
    "read_file",
    "remove_rests",
    "rows_of",
    "sync",
    "write_file",
]

_READ_BYTES = 1 << 16
_MOST_NAME_BYTES = 100
_REST = re.compile(r"\.(.+)\.[a-z0-9_]{8}\.part", re.DOTALL)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


def write_file(
    path: str | os.PathLike[str],
    pieces: Iterable[bytes],
    *,
    overwrite: bool = False,
    private: bool = True,
    synced: bool = True,
) -> None:
    """Have these pieces in a file, whole and on the disk; after an error all is as it was.

    Args:
        path: where. A symbolic link is followed, so that what it names is replaced.
        pieces: what is written, one after another.
        overwrite: replace a regular file that is there.
        private: for its owner only; else everybody may read it.
        synced: wait for the disk. If not, a power cut may lose the file, or leave one of this name
            with anything in it: for what carries its checksum and can be made again.

    Raises:
        FileExistsError: there is something already, and ``overwrite`` is False.
        InvalidArgumentError: a pipe, a device or a socket is to be overwritten.
        IsADirectoryError: a folder is.
    """
    if overwrite:
        _check_replaceable(path)
    target = Path(os.path.realpath(path)) if overwrite else Path(path)
    descriptor, temporary = _temporary(target)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if not private:
                os.fchmod(file.fileno(), 0o644)
            for piece in pieces:
                file.write(piece)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        _put(temporary, target, overwrite=overwrite)
        if synced:
            sync(target.parent)
    finally:
        Path(temporary).unlink(missing_ok=True)


def read_file(
    path: str | os.PathLike[str], *, max_bytes: int, what: str, may_be_pipe: bool = False
) -> bytes:
    """A whole file of at most ``max_bytes``; ``what`` names it in errors, such as "a key file".

    Args:
        path: where.
        max_bytes: the most that such a file has.
        what: names it in errors.
        may_be_pipe: wait for whoever writes into a pipe, as a shell's ``<(...)`` makes one.

    Raises:
        MalformedDataError: it is longer, or is a device, a pipe or a socket, which might never end.
        OSError: it cannot be read.
    """
    data = bytearray()
    with open_file(path, what=what, may_be_pipe=may_be_pipe) as file:
        # In pieces: a buffer for ``max_bytes`` would be made for the shortest file.
        while piece := file.read(_READ_BYTES):
            data += piece
            if len(data) > max_bytes:
                raise MalformedDataError(f"{os.fspath(path)} is too long to be {what}")
    return bytes(data)


def open_file(path: str | os.PathLike[str], *, what: str, may_be_pipe: bool = False) -> BinaryIO:
    """A file to read, which has an end; ``what`` names it in errors, such as "a contribution".

    Raises:
        MalformedDataError: it is a device, a pipe or a socket, which might never end.
        OSError: it cannot be read.
    """
    # Without O_NONBLOCK the opening of a pipe waits for whoever writes into it.
    waits = 0 if may_be_pipe else os.O_NONBLOCK
    descriptor = os.open(path, os.O_RDONLY | waits | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(mode) and not (may_be_pipe and stat.S_ISFIFO(mode)):
            raise MalformedDataError(f"{os.fspath(path)} is no regular file, so it is not {what}")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


@contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder to fill, for its owner only, that appears at ``path`` whole or not at all.

    Raises:
        FileExistsError: there is something already.
    """
    import shutil
    import tempfile

    target = Path(path).absolute()
    if target.exists() or target.is_symlink():
        raise _exists(target)
    with made_folder(target.parent, mode=0o777):
        staged = Path(tempfile.mkdtemp(dir=target.parent, prefix=_prefix(target)))
        try:
            yield staged
            for path_in_it in staged.rglob("*"):
                sync(path_in_it)
            sync(staged)
            # Onto an empty folder made meanwhile it would succeed, and lose nothing.
            os.rename(staged, target)
            sync(target.parent)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise


@contextmanager
def made_folder(folder: Path, *, mode: int = 0o700) -> Iterator[None]:
    """Have a folder on the disk, with those above it; one that is there stays as it is.

    After an error inside, those that were made are gone again, but where something is in them.
    """
    made: list[Path] = []
    try:
        for path in () if folder.is_dir() else (*reversed(folder.parents), folder):
            try:
                path.mkdir(mode=mode if path == folder else 0o777)
            except OSError:  # It is there, whatever the error is: on a read-only disk it varies.
                if not path.is_dir():
                    raise
            else:
                made.append(path)
                sync(path.parent)
        yield
    except BaseException:
        for path in reversed(made):
            with suppress(OSError):
                path.rmdir()
        raise


def lock_file(path: Path, *, busy: str) -> int:
    """The descriptor of a file that nobody else has locked; closing it, or dying, unlocks.

    Raises:
        StoreInUseError: somebody else has; ``busy`` says what that means.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException as error:
        os.close(descriptor)
        if not isinstance(error, BlockingIOError):
            raise
        raise StoreInUseError(busy) from None
    return descriptor


def remove_rests(folder: Path, targets: re.Pattern[str]) -> None:
    """Remove what processes left that died within ``write_file``, of files with such names.

    Nobody else may be writing them. Of a long name the pattern meets the first 100 bytes.
    """
    for path in folder.iterdir():
        rest = _REST.fullmatch(path.name)
        if rest and targets.fullmatch(rest[1]) and path.is_file():
            path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have a file's contents, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _temporary(target: Path) -> tuple[int, str]:
    """A new file beside the one that it will become: its descriptor and path."""
    import tempfile

    try:
        return tempfile.mkstemp(dir=target.parent, prefix=_prefix(target), suffix=".part")
    except FileNotFoundError:
        raise FileNotFoundError(
            errno.ENOENT, "there is no such folder", os.fspath(target.parent)
        ) from None


def _prefix(target: Path) -> str:
    """What a temporary name begins with. Names are limited in bytes, not in letters."""
    return f".{os.fsencode(target.name)[:_MOST_NAME_BYTES].decode(errors='ignore')}."


def _put(temporary: str, target: Path, *, overwrite: bool) -> None:
    """Give a file that is on the disk its name."""
    if overwrite:
        os.replace(temporary, target)
    else:
        _check_absent(target)
        try:
            os.link(temporary, target)  # Unlike a rename, fails if the target exists.
        except FileExistsError:
            raise _exists(target) from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # A file system without links, such as that of a USB stick: take the name first.
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            os.replace(temporary, target)


def _check_replaceable(path: str | os.PathLike[str]) -> None:
    """That there is nothing, or a regular file; a rename would put one in the place of a device."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(mode):
        raise InvalidArgumentError(
            f"{os.fspath(path)} is no regular file, and nothing else is overwritten: write a new "
            "file, and copy it"
        )


def _check_absent(target: Path) -> None:
    if os.path.lexists(target):
        raise _exists(target)


def _check_journal(target: Path) -> None:
    """That SQLite's journal has a place: its name is longer, and one of others would be played."""
    journal = Path(f"{target}-journal")
    try:
        os.lstat(journal)
    except FileNotFoundError:
        return
    raise _exists(journal)


def _exists(target: Path) -> FileExistsError:
    return FileExistsError(f"{target} exists, and nothing is overwritten")


class DurableFile:
    """A SQLite file that is never made anew by itself. Several processes may share it.

    What it cannot see: that the file was put back to an older copy. Keep it where only its owner
    writes.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, what: str, shown: object | None = None
    ) -> None:
        """Nothing is opened yet.

        Args:
            path: where.
            what: names it in errors, such as "ledger".
            shown: stands in errors in the place of ``path``.
        """
        self.name = os.path.abspath(path)
        self._what = what
        self._shown = self.name if shown is None else shown

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        schema: str,
        what: str,
        fill: Callable[[sqlite3.Connection], object] = lambda connection: None,
    ) -> DurableFile:
        """Make the file with its tables, readable by its owner only; an error leaves nothing.

        Args:
            path: where.
            schema: SQL statements, each ended by a semicolon.
            what: names it in errors.
            fill: writes the first rows.

        Raises:
            FileExistsError: there is something already.
            LedgerError: it cannot be written.
        """
        target = Path(path)
        _check_absent(target)
        _check_journal(target)
        descriptor, temporary = _temporary(target)
        os.close(descriptor)
        try:
            with cls(temporary, what=what, shown=target).transaction() as connection:
                _fill(connection, schema, fill)
            _put(temporary, target, overwrite=False)
            sync(target.parent)
        finally:
            for rest in (temporary, f"{temporary}-journal"):
                Path(rest).unlink(missing_ok=True)
        return cls(target, what=what)

    def exists(self) -> bool:
        """Whether the file is there."""
        return os.path.exists(self.name)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing, and on the disk at the end. No other process comes between.

        Raises:
            LedgerError: the file is missing, damaged, full or locked.
        """
        import sqlite3

        try:
            # A new connection each time: one must not cross a fork, nor be shared by threads.
            with closing(_connect(self.name)) as connection, _transaction(connection):
                _check_sound(connection)
                yield connection
        # A damaged schema is named in an error message that may be no UTF-8.
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise LedgerError(
                f"the {self._what} {self._shown} cannot be read or written: {error}"
            ) from error


class MemoryDatabase:
    """As a ``DurableFile``, for as long as the process lives: for simulations."""

    name = "in memory"

    def __init__(
        self,
        *,
        schema: str,
        fill: Callable[[sqlite3.Connection], object] = lambda connection: None,
    ) -> None:
        import sqlite3

        # Any thread may use it, one at a time. Ten thousand parties have one each: pages are small,
        # and no statement is kept, which makes 27 kB of 88.
        self._connection = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False, cached_statements=0
        )
        self._connection.execute("PRAGMA page_size = 512")
        # Python 3.13 warns of a connection that nobody closes.
        weakref.finalize(self, self._connection.close)
        self._lock = threading.Lock()
        with self.transaction() as connection:
            _fill(connection, schema, fill)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing. Nobody else comes between."""
        with self._lock, _transaction(self._connection):
            yield self._connection


Database = DurableFile | MemoryDatabase


def rows_of(connection: sqlite3.Connection, query: str) -> list[tuple[Any, ...]]:
    """What a query finds; nothing where its table or column is missing, as in another database."""
    import sqlite3

    try:
        return connection.execute(query).fetchall()
    except sqlite3.OperationalError as error:
        if "no such" not in str(error):
            raise
        return []


def _fill(
    connection: sqlite3.Connection, schema: str, fill: Callable[[sqlite3.Connection], object]
) -> None:
    for statement in filter(str.strip, schema.split(";")):
        connection.execute(statement)
    fill(connection)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # A full disk has rolled back already.
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _connect(path: str) -> sqlite3.Connection:
    import sqlite3

    # mode=rw: a file that vanished is an error, not a new and empty one.
    uri = f"file://{quote_from_bytes(os.fsencode(path))}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)
    try:
        # EXTRA syncs the folder too when the rollback journal goes: a power cut right after the
        # commit cannot bring the journal back and undo the record.
        connection.execute("PRAGMA synchronous = EXTRA")
    except BaseException:
        connection.close()
        raise
    return connection


def _check_sound(connection: sqlite3.Connection) -> None:
    """DatabaseError unless each page and record is in one place, and in the index if it has one.

    So what is read is what was written: no row several times over, which a few bytes of damage can
    make megabytes of, and none that a look-up misses. It takes less time than reading all rows.
    """
    finding = connection.execute("PRAGMA integrity_check(1)").fetchall()[0][0]
    if finding != "ok":
        import sqlite3

        raise sqlite3.DatabaseError(f"it is damaged: {finding}")
