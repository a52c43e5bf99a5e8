"""``veilsum stats``: a study between folders. A round is a folder that all parties can write in."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from veilsum.arguments import printable
from veilsum.cli.files import (
    check_absent,
    check_readable,
    read_enrolment,
    read_federation_file,
)
from veilsum.cli.passphrases import known_passphrase
from veilsum.cli.study_round import AggregatorSide, StudyRound, announce, answer_round
from veilsum.cli.words import one_line, telling_of
from veilsum.errors import InvalidArgumentError
from veilsum.identity import Identity
from veilsum.secure_sum import Federation, PartyFolder
from veilsum.stats import forecast, load_study

__all__ = ["stats"]

stats = typer.Typer(
    help="Statistics of several sites' records: plan a study, answer it, open it.",
    no_args_is_help=True,
)


@stats.command()
def plan(
    study: Annotated[Path, typer.Argument(help="The study, as stats.save_study writes it.")],
    records: Annotated[
        int | None, typer.Option(help="How many records all sites have together.")
    ] = None,
    sites: Annotated[int | None, typer.Option(help="How many sites.")] = None,
    epsilon: Annotated[
        float | None, typer.Option(help="Of each record. If left out, there is no noise.")
    ] = None,
    delta: Annotated[float, typer.Option(help="Beside epsilon.")] = 1e-6,
    honest: Annotated[
        int | None,
        typer.Option(help="How many sites the noise counts on. If left out: half of them."),
    ] = None,
    studies: Annotated[int, typer.Option(help="How many such studies epsilon is for.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Announce the study to all sites of a federation, in this new folder, which the "
            "parties must be able to write in. It takes the options below, and none above."
        ),
    ] = None,
    federation: Annotated[
        Path | None, typer.Option(help="The dealer's file, dealt with --study.")
    ] = None,
    dealer: Annotated[
        Path | None, typer.Option(help="The enrolment of the dealer who signed it.")
    ] = None,
    identity: Annotated[Path | None, typer.Option(help="The aggregator's identity file.")] = None,
    after: Annotated[
        Path | None, typer.Option(help="The folder of the round that was opened before.")
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="A file with the passphrase of the identity.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a study would cost and how good it would be; or announce it to the sites."""
    if out is not None:
        with one_line("stats plan"):
            if any(x is not None for x in (records, sites, epsilon, honest)):
                raise InvalidArgumentError(
                    "--out announces what the federation has agreed on: leave the options of a "
                    "forecast out"
                )
        _announce(study, out, federation, dealer, identity, after, passphrase_file, json_output)
        return
    with one_line("stats plan"):
        if sites is None or records is None:
            raise InvalidArgumentError(
                "give --sites and --records, how many all together; or --out, to announce it"
            )
        found = forecast(
            load_study(study),
            num_sites=sites,
            num_records=records,
            epsilon=epsilon,
            delta=delta,
            honest_sites=max(1, (sites + 1) // 2) if honest is None else honest,
            studies=studies,
        )
    typer.echo(found.to_json() if json_output else str(found))


@stats.command()
def answer(
    folder: Annotated[Path, typer.Argument(help="The round's folder.")],
    party: Annotated[Path, typer.Option(help="The party's folder, made by `veilsum join`.")],
    table: Annotated[Path | None, typer.Option(help="The site's records, as a CSV file.")] = None,
    ids: Annotated[
        str | None,
        typer.Option("--id", help="The column that names each record. It never leaves the site."),
    ] = None,
    min_count: Annotated[
        int | None,
        typer.Option(
            help="The site's own floor: refuse a study without noise that has a smaller min_count "
            "or min_cell."
        ),
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="A file with the passphrase of the party's folder.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Answer what a party is asked: a site with its sums, a holder of the key with its opening.

    Run it again whenever `veilsum stats open` has asked for more; what was sent is sent again.
    """
    with one_line("stats answer"):
        member = PartyFolder(party)
        passphrase = known_passphrase(f"the party's folder {party}", passphrase_file)
        done, report = answer_round(
            StudyRound(folder),
            member,
            passphrase=passphrase,
            table=table,
            ids=ids,
            min_count=min_count,
        )
    with telling_of(folder):
        if json_output:
            records = None if report is None else asdict(report)
            found = {"party": member.enrolment.name, "sent": done, "records": records}
            typer.echo(json.dumps(found, indent=2))
            return
        typer.echo("\n".join(f"sent      {each}" for each in done) or "nothing to do yet")
        if report is not None:
            typer.echo(
                f"records   {report.num_used} of {report.num_records}, for you alone to know"
            )
            typer.echo(f"missing   {report.num_incomplete} of them lacked a value")
            for name, number in report.num_clipped.items():
                typer.echo(f"clipped   {number} values of {name}, outside the declared range")


@stats.command("open")
def open_study(
    folder: Annotated[Path, typer.Argument(help="The round's folder.")],
    federation: Annotated[Path, typer.Option(help="The dealer's file.")],
    dealer: Annotated[Path, typer.Option(help="The enrolment of the dealer who signed it.")],
    identity: Annotated[Path, typer.Option(help="The aggregator's identity file.")],
    level: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    close: Annotated[
        bool, typer.Option("--close", help="Go on without the sites that have not answered.")
    ] = False,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="A file with the passphrase of the identity.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Take in answers, ask the holders of the key, and show the result once it is open."""
    with one_line("stats open"):
        agreed = _federation(federation, dealer)
        server = _identity(identity, passphrase_file)
        side = AggregatorSide(StudyRound(folder), agreed, server)
        state = side.go_on(close=close, level=level)
    with telling_of(folder):
        if json_output:
            result = None if state.result is None else json.loads(state.result.to_json())
            waiting, refused = list(state.waiting_for), list(state.refused)
            found = {"waiting_for": waiting, "refused": refused, "result": result}
            typer.echo(json.dumps(found, indent=2))
        elif state.result is not None:
            typer.echo(str(state.result))
        else:
            names = ", ".join(printable(name) for name in state.waiting_for)
            typer.echo(f"waiting for `veilsum stats answer` of {names}")
            for each in state.refused:
                typer.echo(f"refused: {printable(each)}", err=True)


def _announce(
    study: Path,
    out: Path,
    federation: Path | None,
    dealer: Path | None,
    identity: Path | None,
    after: Path | None,
    passphrase_file: Path | None,
    json_output: bool,
) -> None:
    with one_line("stats plan"):
        if federation is None or dealer is None or identity is None:
            raise InvalidArgumentError(
                "--out needs --federation, the dealer's file, --dealer, the dealer's enrolment, "
                "and --identity, the aggregator's"
            )
        check_absent(out)
        asked, agreed = load_study(study), _federation(federation, dealer)
        made = announce(asked, agreed, _identity(identity, passphrase_file), out=out, after=after)
    with telling_of(out):
        if json_output:
            typer.echo(json.dumps({"folder": str(out), "sites": made}, indent=2))
            return
        typer.echo(f"asked     {', '.join(printable(name) for name in made)}")
        typer.echo(
            f"\nEach of them runs `veilsum stats answer {out}`, then you `veilsum stats open`."
        )


def _identity(file: Path, passphrase_file: Path | None) -> Identity:
    check_readable(file)
    passphrase = known_passphrase("the aggregator's identity", passphrase_file)
    return Identity.load(file, passphrase=passphrase)


def _federation(file: Path, dealer: Path) -> Federation:
    return Federation.from_signed(read_federation_file(file), dealer=read_enrolment(dealer))
