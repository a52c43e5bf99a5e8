"""``veilsum inspect``: what a file is, and whether it verifies."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from veilsum.arguments import printable
from veilsum.cli.contents import look_at
from veilsum.cli.facts import print_facts
from veilsum.cli.files import read_federation_file
from veilsum.cli.findings import Agreed, Contents
from veilsum.cli.runs import Run
from veilsum.cli.words import one_line, parse_hash
from veilsum.errors import InvalidArgumentError, VeilsumError
from veilsum.secure_sum import Federation

__all__ = ["inspect"]


@dataclass(frozen=True)
class _Seen:
    """What came of one file."""

    path: Path
    contents: Contents
    error: VeilsumError | None

    @property
    def verified(self) -> bool | None:
        """None if something was left unchecked, or there was nothing to hold it against."""
        if self.error is not None:
            return False
        return True if self.contents.checked and not self.contents.unchecked else None


def inspect(
    files: Annotated[list[Path], typer.Argument(help="Any files of veilsum, or parties' folders.")],
    federation: Annotated[
        Path | None, typer.Option(help="The dealer's file, against which messages are verified.")
    ] = None,
    hash_text: Annotated[
        str | None, typer.Option("--hash", help="The hash of the federation, which pins it.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what files are, without a passphrase and without their secrets; verify what can be.

    Exit code 1: a file is broken or does not verify; the error is named.
    """
    with one_line("inspect"):
        pin = None if hash_text is None else parse_hash(hash_text)
        for path in files:
            if not path.exists():
                raise InvalidArgumentError(f"there is nothing at {path}")
        data = None
        if federation is not None:
            data = read_federation_file(federation)
        if data is None:
            agreed = Agreed(pin=pin)
        else:
            agreed = Agreed(federation=_read_federation(data, pin), pin=pin)
        seen = [_look(path, agreed) for path in files]
        run = Run(one.contents for one in seen)
        seen = [_linked(one, run) for one in seen]
    if json_output:
        typer.echo(json.dumps([_as_json(one) for one in seen], indent=2))
    else:
        console = Console(highlight=False)
        for number, one in enumerate(seen):
            if number:
                console.print()
            _print(console, one)
    if any(one.error is not None for one in seen):
        raise typer.Exit(1)


def _read_federation(data: bytes, pin: bytes | None) -> Federation:
    try:
        if pin is not None:
            return Federation.from_signed(data, expected_hash=pin)
        return Federation.from_signed(data, dealer=Federation.dealer_named_in(data))
    except VeilsumError as error:
        typer.echo(
            f"veilsum inspect: the federation: {type(error).__name__}: {printable(str(error))}",
            err=True,
        )
        raise typer.Exit(1) from None


def _look(path: Path, agreed: Agreed) -> _Seen:
    contents = Contents()
    try:
        look_at(path, agreed, contents)
    except VeilsumError as error:
        return _Seen(path, contents, error)
    return _Seen(path, contents, None)


def _linked(seen: _Seen, run: Run) -> _Seen:
    """With what the other files say of a transcript."""
    told = seen.contents.transcript
    if told is None or seen.error is not None:
        return seen
    try:
        run.look_at(told, seen.contents)
    except VeilsumError as error:
        return replace(seen, error=error)
    return seen


def _print(console: Console, seen: _Seen) -> None:
    contents = seen.contents
    kind = contents.facts.get("kind", "not a file of veilsum")
    console.print(
        f"[bold]{escape(printable(str(seen.path)))}[/]: {escape(str(kind))}", soft_wrap=True
    )
    print_facts(console, {key: value for key, value in contents.facts.items() if key != "kind"})
    for words in contents.checked:
        console.print(f"[green]verified[/]: {escape(printable(words))}", soft_wrap=True)
    for words in contents.unchecked:
        console.print(f"[yellow]not verified[/]: {escape(printable(words))}", soft_wrap=True)
    if seen.error is not None:
        name, words = type(seen.error).__name__, printable(str(seen.error))
        console.print(f"[red]{name}[/]: {escape(words)}", soft_wrap=True)


def _as_json(seen: _Seen) -> dict[str, Any]:
    error = seen.error
    return {
        "file": str(seen.path),
        **seen.contents.facts,
        "verified": seen.verified,
        "checked": seen.contents.checked,
        "unchecked": seen.contents.unchecked,
        "error": None if error is None else {"name": type(error).__name__, "message": str(error)},
    }
