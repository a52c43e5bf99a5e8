"""The demo's table and its JSON."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import veilsum as vs
from rich import box
from rich.console import Console
from rich.table import Table

from .experiments import Result
from .plots import TradeOff
from .story import Settings

WIDTH_OF_ONE_TABLE = 126

# Header, and what a result has below it; the first column of every table is the result's name.
_OUTCOME: list[tuple[str, Callable[[Result], str]]] = [
    ("values", lambda r: f"{r.task.model.num_parameters:,}"),
    ("clients\na round", lambda r: f"{r.task.num_per_round:,}"),
    ("rounds", lambda r: str(len(r.history.rounds))),
    ("accuracy", lambda r: f"{r.accuracy:.1%}"),
    ("epsilon:\nserver", lambda r: _epsilon(r.history.rounds[-1].epsilon_honest_server)),
    ("\ncollude", lambda r: _epsilon(r.history.rounds[-1].epsilon_colluding)),
]
_COST: list[tuple[str, Callable[[Result], str]]] = [
    ("seconds\ntrain", lambda r: _seconds(r, "train")),
    ("a round:\nencrypt", lambda r: _seconds(r, "encrypt")),
    ("\nadd", lambda r: _seconds(r, "add")),
    ("\nopen", lambda r: _seconds(r, "open")),
    ("MB a\ndown", lambda r: _megabytes(r, "broadcast")),
    ("round:\nup", lambda r: _megabytes(r, "contributions")),
    ("\nopen", lambda r: _megabytes(r, "opening")),
]


def print_table(console: Console, results: Sequence[Result]) -> None:
    """One row for each result: what came out and what it cost. Two tables where one is too wide."""
    if console.width >= WIDTH_OF_ONE_TABLE:
        _print_columns(console, results, _OUTCOME + _COST)
    else:
        _print_columns(console, results, _OUTCOME)
        _print_columns(console, results, _COST)


def _print_columns(
    console: Console,
    results: Sequence[Result],
    columns: list[tuple[str, Callable[[Result], str]]],
) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column("training", vertical="bottom", no_wrap=True)
    for header, _ in columns:
        table.add_column(header, justify="right", no_wrap=True)
    for result in results:
        table.add_row(result.name, *(value(result) for _, value in columns))
    console.print(table)


def as_json(
    results: Sequence[Result],
    trade_offs: Sequence[TradeOff],
    data: str,
    settings: Settings,
) -> dict[str, Any]:
    """Everything in the table and the plots, with what it ran on."""
    return {
        "veilsum": vs.__version__,
        "machine": {"processor": _processor(), "python": platform.python_version(), **vs.cpu()},
        "data": data,
        "settings": asdict(settings),
        "results": [_result(result) for result in results],
        "trade_offs": [asdict(trade_off) for trade_off in trade_offs],
    }


def _result(result: Result) -> dict[str, Any]:
    task = result.task
    return {
        "name": result.name,
        "task": task.title,
        "trust": result.trust,
        "num_parameters": task.model.num_parameters,
        "num_clients": len(task.parts),
        "clients_per_round": task.num_per_round,
        "lr": task.lr,
        "batch_size": task.batch_size,
        "local_epochs": task.local_epochs,
        "server_lr": task.server_lr,
        "momentum": task.momentum,
        "accuracy": result.accuracy,
        "rounds_to_97_percent": result.history.rounds_to(0.97),
        "update_bytes": result.update_bytes,
        "seconds": result.history.seconds,
        "num_bytes": result.history.num_bytes,
        "noise": None
        if result.noise is None
        else {"kind": type(result.noise).__name__, **asdict(result.noise)},
        "forecast": None if result.forecast is None else asdict(result.forecast),
        "history": result.history.to_dict()["rounds"],
    }


def _epsilon(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _seconds(result: Result, phase: str) -> str:
    return f"{result.history.seconds.get(phase, 0.0) / len(result.history.rounds):.2f}"


def _megabytes(result: Result, phase: str) -> str:
    return f"{result.history.num_bytes.get(phase, 0) / 1e6 / len(result.history.rounds):.2f}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
