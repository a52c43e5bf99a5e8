"""Records that survive: SQLite files whose transactions are on the disk when they end; folders."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from veilsum.errors import LedgerError

__all__ = ["DurableFile", "new_folder", "replace_file", "sync"]


@contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder to fill, for its owner only, that appears at ``path`` whole or not at all.

    Raises:
        FileExistsError: there is something already.
    """
    target = Path(path).absolute()
    if target.exists() or target.is_symlink():
        raise FileExistsError(f"{target} exists; what is in it is never overwritten")
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name[:100]}."))
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


def replace_file(path: Path, pieces: Iterable[bytes]) -> None:
    """Have these pieces in a file, whole and on the disk, or what was there before."""
    prefix = f"{path.name[:100]}."
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync(path.parent)
    finally:
        Path(temporary).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have a file's contents, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DurableFile:
    """A SQLite file that is never made anew by itself. Several processes may share it.

    What it cannot see: that the file was put back to an older copy. Keep it where only its owner
    writes.
    """

    def __init__(self, path: str | os.PathLike[str], *, what: str) -> None:
        """``what`` names it in errors, such as "ledger". Nothing is opened yet."""
        self.name = os.path.abspath(path)
        self._what = what

    @classmethod
    def create(cls, path: str | os.PathLike[str], *, schema: str, what: str) -> "DurableFile":
        """Make the file with its tables, readable by its owner only.

        Raises:
            FileExistsError: there is something already.
            LedgerError: it cannot be written.
        """
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        file = cls(path, what=what)
        with file.transaction() as connection:
            for statement in filter(str.strip, schema.split(";")):
                connection.execute(statement)
        return file

    def exists(self) -> bool:
        """Whether the file is there."""
        return os.path.exists(self.name)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing, and on the disk at the end. No other process comes between.

        Raises:
            LedgerError: the file is missing, damaged, full or locked.
        """
        try:
            # A new connection each time: one must not cross a fork, nor be shared by threads.
            with closing(_connect(self.name)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    _check_sound(connection)
                    yield connection
                except BaseException:
                    if connection.in_transaction:  # A full disk has rolled back already.
                        connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
        # A damaged schema is named in an error message that may be no UTF-8.
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise LedgerError(
                f"the {self._what} {self.name} cannot be read or written: {error}"
            ) from error


def _connect(path: str) -> sqlite3.Connection:
    # mode=rw: a file that vanished is an error, not a new and empty one.
    uri = f"{Path(path).absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)
    # EXTRA syncs the folder too when the rollback journal goes: a power cut right after the commit
    # cannot bring the journal back and undo the record.
    connection.execute("PRAGMA synchronous = EXTRA")
    return connection


def _check_sound(connection: sqlite3.Connection) -> None:
    """DatabaseError unless each page and record is in one place, and in the index if it has one.

    So what is read is what was written: no row several times over, which a few bytes of damage can
    make megabytes of, and none that a look-up misses. It takes less time than reading all rows.
    """
    finding = connection.execute("PRAGMA integrity_check(1)").fetchall()[0][0]
    if finding != "ok":
        raise sqlite3.DatabaseError(f"it is damaged: {finding}")
