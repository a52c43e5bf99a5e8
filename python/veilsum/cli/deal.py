"""``veilsum deal``: the dealer makes the key and the agreement, hands them out and forgets."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from veilsum.arguments import printable
from veilsum.cli.deal_numbers import (
    Rounding,
    agreed_codec,
    agreed_for_study,
    agreed_noise,
    check_for_study,
    counted_on,
)
from veilsum.cli.dealing import Dealt, deal_federation, new_run_id, renew_federation
from veilsum.cli.facts import print_facts
from veilsum.cli.files import (
    check_absent,
    check_readable,
    check_writable,
    read_enrolment,
    read_federation_file,
    read_roster,
)
from veilsum.cli.noise_options import Kind, Neighbours
from veilsum.cli.passphrases import known_passphrase
from veilsum.cli.terms import check_key_bits, choose_policy, roster_facts, terms_facts
from veilsum.cli.words import grouped, one_line, telling_of
from veilsum.errors import InvalidArgumentError
from veilsum.identity import Enrolment, Identity
from veilsum.privacy import AgreedNoise
from veilsum.schemes import Policy
from veilsum.secure_sum import Federation
from veilsum.secure_sum.agreement import Agreement
from veilsum.stats import load_study

__all__ = ["deal"]

T = TypeVar("T")

_USUAL_DAYS = 365
_OF_A_RENEWAL = {
    *("identity", "out", "renew", "aggregator", "last_day"),
    *("passphrase_file", "yes", "json_output"),
}

_OPTIONS = {
    "chunk_size": "--chunk-size",
    "clip": "--clip",
    "colluding_contributors": "--colluding",
    "delta": "--delta",
    "dim": "--dim",
    "epsilon": "--epsilon",
    "honest_contributors": "--honest",
    "max_addends": "--max-addends",
    "max_repeats": "--max-repeats",
    "min_contributors": "--min-contributors",
    "norm_bound": "--norm-bound",
    "rounds": "--rounds",
    "serial": "--serial",
    "spread": "--weight-spread",
    "value_bits": "--value-bits",
}


class Trust(str, Enum):
    """Who can open sums."""

    threshold = "threshold"
    authority = "authority"
    contributors = "contributors"


class Scheme(str, Enum):
    """How updates travel."""

    auto = "auto"
    packed = "packed"
    masked = "masked"


class SameModel(str, Enum):
    """What holders do with a second sum of one model."""

    refuse = "refuse"
    allow = "allow"


def deal(
    context: typer.Context,
    identity: Annotated[
        Path, typer.Option(help="The dealer's identity file, made by `veilsum enrol`.")
    ],
    out: Annotated[Path, typer.Option(help="The folder to make; nothing may be there yet.")],
    aggregator: Annotated[
        Path | None,
        typer.Option(help="The enrolment file of the aggregator, who announces the rounds."),
    ] = None,
    contributors: Annotated[
        list[Path] | None,
        typer.Option(
            help="Enrolment files of the contributors, or a folder of them; may be repeated."
        ),
    ] = None,
    dim: Annotated[
        int | None,
        typer.Option(help="Number of values of the model, and one more for each summed metric."),
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(
            help="Deal for the statistics of this study instead of a model: it takes the place of "
            "--dim and of all about values, and --epsilon is then of each record."
        ),
    ] = None,
    colluding: Annotated[
        int | None,
        typer.Option(
            help="How many contributors may work with the aggregator: those of the roster that it "
            "could have brought in, bought or broken into. A sum then has that many more. Take 0 "
            "only if you know all of them."
        ),
    ] = None,
    serial: Annotated[
        int,
        typer.Option(
            help="Counts what this dealer deals to these parties; a party refuses a lower one than "
            "it has pinned."
        ),
    ] = 1,
    last_day: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="After it parties answer nothing. If left out: a year from today.",
        ),
    ] = None,
    renew: Annotated[
        Path | None,
        typer.Option(
            help="The federation.veil to renew: the same key and terms for another run, with the "
            "next serial number. Parties that pinned this dealer accept it unasked."
        ),
    ] = None,
    holders: Annotated[
        list[Path] | None,
        typer.Option(help="Enrolment files of the key holders; one with --trust authority."),
    ] = None,
    relays: Annotated[
        list[Path] | None,
        typer.Option(
            help="Enrolment files of relays, who each add for some contributors, or a folder of "
            "them; with --scheme masked."
        ),
    ] = None,
    trust: Annotated[Trust, typer.Option(help="Who can open sums.")] = Trust.threshold,
    threshold: Annotated[
        int | None,
        typer.Option(help="How many holders open a sum. If left out: as few as is safe."),
    ] = None,
    max_colluding: Annotated[
        int | None,
        typer.Option(help="How many holders may break their promises. If left out: a minority."),
    ] = None,
    bits: Annotated[int, typer.Option(help="Size of the key's modulus, in bits.")] = 3072,
    clip: Annotated[
        float | None,
        typer.Option(
            help="Largest value in an update; larger ones are cut. `veilsum measure` helps to "
            "choose. If left out: the norm bound."
        ),
    ] = None,
    value_bits: Annotated[int, typer.Option(help="Precision of a value, in bits.")] = 16,
    weight_spread: Annotated[
        float,
        typer.Option(
            help="Largest weight over the smallest, such as the most samples of a contributor over "
            "the fewest. 1 if all weigh alike; each doubling costs a bit of every value."
        ),
    ] = 1.0,
    max_addends: Annotated[
        int | None, typer.Option(help="Most contributors in a sum. If left out: all of them.")
    ] = None,
    rounding: Annotated[Rounding, typer.Option(help="How values are rounded.")] = Rounding.nearest,
    scheme: Annotated[
        Scheme,
        typer.Option(
            help="How updates travel: packed in ciphertexts; masked, with ciphertexts only for the "
            "key of the mask; or auto, the shorter one, and masked where one party has the key."
        ),
    ] = Scheme.auto,
    chunk_size: Annotated[int, typer.Option(help="How many ciphertexts make a chunk.")] = 512,
    epsilon: Annotated[
        float | None,
        typer.Option(help="The privacy goal after all rounds. If left out, there is no noise."),
    ] = None,
    delta: Annotated[
        float | None, typer.Option(help="The goal's delta, for Gaussian noise. If left out: 1e-6.")
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(help="How many rounds one contributor may take part in. If left out: 1."),
    ] = None,
    noise: Annotated[
        Kind | None, typer.Option(help="The kind of noise. If left out: gaussian.")
    ] = None,
    norm_bound: Annotated[
        float | None,
        typer.Option(
            help="Longest update: its L2 norm, or L1 with Laplace noise. If left out: 1.0."
        ),
    ] = None,
    adjacency: Annotated[
        Neighbours | None,
        typer.Option(help="What the noise protects against. If left out: zero-out."),
    ] = None,
    uniform: Annotated[
        bool, typer.Option("--uniform", help="All weights are 1, so that they need no noise.")
    ] = False,
    honest: Annotated[
        int | None,
        typer.Option(
            help="How many contributors of a sum are counted on. If left out: half of them with "
            "Gaussian noise (1 with --trust contributors), else 2."
        ),
    ] = None,
    same_model: Annotated[
        SameModel,
        typer.Option(help="Whether one model may be opened twice, for different contributors."),
    ] = SameModel.refuse,
    max_repeats: Annotated[
        int,
        typer.Option(
            help="How many times a model that was opened in vain may be announced again, for other "
            "contributors too."
        ),
    ] = 1000,
    min_contributors: Annotated[
        int | None,
        typer.Option(help="Fewest contributors in a sum. If left out: --honest plus --colluding."),
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="A file with the passphrase of the dealer's identity.")
    ] = None,
    passphrase_dir: Annotated[
        Path | None,
        typer.Option(help="A new folder for the passphrases. If left out, they are shown once."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nothing: the fingerprints were compared.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Deal a federation: its key, shares for the holders, and one file that all parties pin.

    Do it on a machine without a network. What is to be kept secret leaves it in encrypted files
    only, and nothing stays behind.
    """
    ends = _last_day(last_day)
    if renew is not None:
        _renew(context, renew, identity, out, aggregator, ends, passphrase_file, yes, json_output)
        return
    with one_line("deal", _OPTIONS):
        check_absent(out, *filter(None, [passphrase_dir]))
        contributors = _required("--contributors", contributors)
        colluding = _required("--colluding", colluding)
        aggregator = _required("--aggregator", aggregator)
        if passphrase_dir is not None and out.absolute() in passphrase_dir.absolute().parents:
            raise InvalidArgumentError(
                "--passphrase-dir is inside --out; passphrases go another way than the files, so "
                "name a folder outside of it"
            )
        if passphrase_dir is None and (json_output or not sys.stdout.isatty()):
            raise InvalidArgumentError(
                "passphrases are shown on a terminal only; write them with --passphrase-dir"
            )
        if json_output and not yes:
            raise InvalidArgumentError(
                "--json asks no questions: compare the fingerprints first, then give --yes"
            )
        enrolled = read_roster(contributors)
        half = 1 if trust is Trust.contributors else max(1, (len(enrolled) + 1) // 2)
        most = len(enrolled) if max_addends is None else max_addends
        agreed: AgreedNoise | None
        if study is not None:
            check_for_study(_given(context))
            agreed, codec = agreed_for_study(
                load_study(study),
                epsilon=epsilon,
                delta=delta,
                rounds=rounds,
                adjacency=adjacency,
                honest=half if honest is None else honest,
                num_sites=most,
            )
        else:
            of_model = agreed_noise(
                epsilon=epsilon,
                delta=delta,
                rounds=rounds,
                kind=noise,
                norm_bound=norm_bound,
                adjacency=adjacency,
                uniform=uniform,
                honest=honest,
                half=half,
            )
            dim = _required("--dim", dim)
            codec = agreed_codec(of_model, clip, dim, value_bits, weight_spread, most, rounding)
            agreed = of_model
        key_holders = read_roster(holders or [])
        terms = Agreement(
            aggregator=read_enrolment(aggregator),
            run_id=new_run_id(),
            serial=serial,
            last_day=ends,
            contributors=enrolled,
            holders=key_holders,
            relays=read_roster(relays or []),
            policy=_policy(trust, key_holders, threshold, max_colluding),
            key_bits=check_key_bits(bits),
            codec=codec,
            noise=agreed,
            honest_contributors=counted_on(honest, agreed),
            colluding_contributors=colluding,
            min_contributors=min_contributors,
            chunk_size=chunk_size,
            scheme=scheme.value,
            same_model=same_model.value,
            max_repeats=max_repeats,
        )
        check_readable(identity)
        check_writable(out, *filter(None, [passphrase_dir]))
        passphrase = known_passphrase("the dealer's identity", passphrase_file)
        dealer = Identity.load(identity, passphrase=passphrase)
    if not yes:
        _confirm(terms, dealer.enrol())
    with one_line("deal"):
        dealt = deal_federation(terms, dealer, out=out, passphrase_dir=passphrase_dir)
    with telling_of(*filter(None, [out, passphrase_dir])):
        if json_output:
            typer.echo(json.dumps(_as_json(terms, dealt), indent=2))
        else:
            _report(dealt, out, passphrase_dir)


def _renew(
    context: typer.Context,
    old: Path,
    identity: Path,
    out: Path,
    aggregator: Path | None,
    last_day: date,
    passphrase_file: Path | None,
    yes: bool,
    json_output: bool,
) -> None:
    """The same key and terms once more, for another run."""
    with one_line("deal"):
        if others := sorted(_given(context) - _OF_A_RENEWAL):
            option = f"--{others[0].replace('_', '-')}"
            raise InvalidArgumentError(
                f"{option} does not go with --renew, which changes nothing but run, serial number, "
                "last day and aggregator; deal a new federation for other terms"
            )
        if json_output and not yes:
            raise InvalidArgumentError("--json asks no questions: give --yes with it")
        check_absent(out)
        signed = read_federation_file(old)
        known = None if aggregator is None else read_enrolment(aggregator)
        check_readable(identity)
        check_writable(out)
        passphrase = known_passphrase("the dealer's identity", passphrase_file)
        dealer = Identity.load(identity, passphrase=passphrase)
        before = Federation.from_signed(signed, dealer=dealer.enrol())
        renewed = before.renewed(last_day=last_day, aggregator=known)
    if not yes:
        console = Console(highlight=False)
        console.print("[bold]This will be renewed[/]\n")
        print_facts(console, {**terms_facts(renewed.agreement), **roster_facts(renewed.agreement)})
        typer.confirm("Are these the terms, and is the aggregator the one you know?", abort=True)
    with one_line("deal"):
        file = renew_federation(renewed, dealer, out=out)
    with telling_of(out):
        if json_output:
            found = {
                "federation": file,
                "hash": renewed.hash.hex(),
                **terms_facts(renewed.agreement),
                **roster_facts(renewed.agreement),
            }
            typer.echo(json.dumps(found, indent=2))
            return
        typer.echo(f"federation hash  {grouped(renewed.hash.hex())}")
        typer.echo(f"for everybody    {out / file}")
        typer.echo(
            "\nSend the file to all parties. Those that pinned the dealer take it over by "
            "`veilsum join --renew`."
        )


def _given(context: typer.Context) -> set[str]:
    """The parameters whose options were given."""
    return {
        name
        for name in context.params
        if (source := context.get_parameter_source(name)) and source.name == "COMMANDLINE"
    }


def _last_day(given: datetime | None) -> date:
    if given is not None:
        return given.date()
    return datetime.now(timezone.utc).date() + timedelta(_USUAL_DAYS)


def _required(option: str, value: T | None) -> T:
    if value is None:
        raise InvalidArgumentError(f"{option} is missing; only with --renew it is not needed")
    return value


def _policy(
    trust: Trust, holders: tuple[Enrolment, ...], threshold: int | None, max_colluding: int | None
) -> Policy | None:
    if trust is Trust.threshold:
        if not holders:
            raise InvalidArgumentError(
                "--trust threshold needs --holders, the enrolments of the key holders"
            )
        return choose_policy(len(holders), threshold, max_colluding)
    if threshold is not None or max_colluding is not None:
        raise InvalidArgumentError("--threshold and --max-colluding are for --trust threshold")
    if trust is Trust.authority and len(holders) != 1:
        raise InvalidArgumentError(
            f"--trust authority takes one holder of the key, and {len(holders)} are enrolled"
        )
    if trust is Trust.contributors and holders:
        raise InvalidArgumentError(
            "with --trust contributors the contributors have the key; leave --holders out"
        )
    return None


def _confirm(terms: Agreement, dealer: Enrolment) -> None:
    console = Console(highlight=False)
    console.print("[bold]This will be agreed[/]\n")
    own = {"dealer": dealer.name, "dealer_fingerprint": dealer.fingerprint}
    print_facts(console, {**own, **terms_facts(terms), **roster_facts(terms)})
    typer.confirm(
        "Has each party read out its fingerprint to you, and is it the one above?", abort=True
    )


def _report(dealt: Dealt, out: Path, passphrase_dir: Path | None) -> None:
    typer.echo(f"federation hash  {grouped(dealt.federation.hash.hex())}")
    typer.echo(f"for everybody    {out / dealt.federation_file}")
    for name, file in dealt.secret_files.items():
        typer.echo(f"for one alone    {out / file}  ({printable(name)})")
    typer.echo(
        "\nTell all parties the hash, over the telephone: they pin it when they join. Give each "
        "holder its\npassphrase by another way than its file, then erase both here."
    )
    if passphrase_dir is not None:
        typer.echo(f"Passphrases are in {passphrase_dir}.")
        return
    typer.echo("Passphrases, shown this once:")
    for name, passphrase in dealt.passphrases.items():
        typer.echo(f"    {passphrase}  {printable(name)}")


def _as_json(terms: Agreement, dealt: Dealt) -> dict[str, Any]:
    return {
        "federation": dealt.federation_file,
        "hash": dealt.federation.hash.hex(),
        "secret_files": dealt.secret_files,
        **terms_facts(terms),
        **roster_facts(terms),
    }
