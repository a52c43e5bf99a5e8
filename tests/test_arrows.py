"""The arrows between the modules of veilsum hold, and the linter sees what breaks them.

import-linter follows the arrows that .importlinter has. It cannot see what a module takes from
veilsum itself, as all of them do that write ``from veilsum import codec``, nor ``_core``, which is
no Python: those two are looked at here.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.util import resolve_name
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "veilsum"

MAY_IMPORT_VEILSUM = {"__main__", "cli", "integrations"}
MAY_IMPORT_CORE = {
    *("wire", "paillier", "schemes", "hazmat", "codec", "vector", "noise", "system", "compat"),
    "ceremony",
}


def broken_contracts(folder):
    """The names of the contracts that a copy of the package breaks, and everything that was said.

    Without site, so that the copy is read and not what is installed for editing.
    """
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    path = os.pathsep.join([str(folder), sysconfig.get_path("purelib")])
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, "--config", str(ROOT / ".importlinter"), "--no-cache"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "COLUMNS": "1000", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )
    output = done.stdout + done.stderr
    assert "Contracts: " in output, output
    return re.findall(r"^(.+) BROKEN", output, re.MULTILINE), output


def unseen_mistakes(package):
    """Wrong imports of veilsum itself and of ``_core``: (file, what it imports)."""
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        parts = inside.parts if path.name != "__init__.py" else inside.parts[:-1]
        module = (parts or ("__init__",))[0].removesuffix(".py")
        for name in imported_names(path, [package.name, *inside.parts[:-1]]):
            first = [*name.split("."), ""][1]
            is_module = (package / first).is_dir() or (package / f"{first}.py").exists()
            if first == "_core":
                if module not in MAY_IMPORT_CORE:
                    yield inside.as_posix(), name
            elif (not first or not is_module) and module not in MAY_IMPORT_VEILSUM:
                yield inside.as_posix(), name


def imported_names(path, package):
    """Everything of veilsum that a file imports, as ``veilsum.codec.Codec``."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = resolve_name("." * node.level + (node.module or ""), ".".join(package))
            names = [f"{start}.{alias.name}" for alias in node.names]
        yield from (name for name in names if name.split(".")[0] == "veilsum")


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "veilsum", ignore=shutil.ignore_patterns("*.so", "__py*"))
    return tmp_path / "veilsum"


def plant(package, module, text):
    path = package / module
    path.write_text((path.read_text() if path.exists() else "") + f"\n{text}\n")


def test_arrows_hold(copy):
    broken, output = broken_contracts(copy.parent)
    assert broken == [], output
    assert list(unseen_mistakes(PACKAGE)) == []


LAYERS = "Arrows point down"


@pytest.mark.parametrize(
    ("module", "text", "contract"),
    [
        ("errors.py", "from .wire import Reader", LAYERS),
        ("wire.py", "def f():\n    import veilsum.paillier.secret_key", LAYERS),
        ("wire.py", "from veilsum import paillier as p", LAYERS),
        ("vector.py", "from veilsum import hazmat", LAYERS),
        ("__init__.py", "from .hazmat import secret_key", "Nothing imports hazmat or the"),
        ("__init__.py", "import veilsum.cli.app", "Only the program"),
        ("novelties.py", "", LAYERS),
        ("paillier/novelties.py", "", "Paillier's arrows"),
        ("paillier/proofs.py", "from veilsum.paillier import public_key", "Paillier's arrows"),
        ("paillier/proofs.py", "from veilsum import durable", "Numbers and proofs know no files"),
        (
            "paillier/secret_key.py",
            "from veilsum.codec import Codec",
            "Encryption knows neither numbers",
        ),
        ("hazmat.py", "from veilsum.vector import Codec", "Encryption knows neither numbers"),
        (
            "sizes.py",
            "from veilsum.paillier import plaintexts",
            "Numbers and files know no encryption",
        ),
        ("privacy/zcdp.py", "from veilsum import paillier", "Numbers and files know no encryption"),
        ("identity.py", "from veilsum import system", "Files know no numbers"),
        ("schemes/known.py", "from veilsum import paillier", "Numbers and files know no encr"),
        (
            "paillier/threshold.py",
            "from veilsum import schemes",
            "Encryption knows neither numbers",
        ),
        ("codec.py", "from veilsum import durable", "Numbers and proofs know no files"),
        ("noise.py", "from veilsum import clips", "Noise knows no codec"),
        ("vector.py", "from veilsum.noise import laplace", "Vectors know no noise"),
        ("privacy/ledger.py", "from veilsum import keyfile", "Neither ledgers nor arrays hold"),
        ("system.py", "from veilsum.wire import Reader", "Nothing that is never sent"),
        ("durable.py", "from veilsum import arguments", "What only other modules call"),
        ("cli/app.py", "from veilsum.integrations import opening", "Nothing imports hazmat or the"),
    ],
)
def test_wrong_arrow_is_found(copy, module, text, contract):
    plant(copy, module, text)
    broken, output = broken_contracts(copy.parent)
    assert any(name.startswith(contract) for name in broken), output


def test_import_for_types_alone_is_no_arrow(copy):
    text = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from veilsum.vector import Codec"
    )
    plant(copy, "paillier/secret_key.py", text)
    assert broken_contracts(copy.parent)[0] == []


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("errors.py", "from . import _core"),
        ("errors.py", "from veilsum._core import x"),
        ("privacy/wire.py", "from .. import _core"),
        ("wire.py", "import veilsum"),
        ("wire.py", "from veilsum import generate_key"),
        ("__init__.py", "from veilsum._core import x"),
    ],
)
def test_wrong_import_that_the_linter_cannot_see_is_found(copy, module, text):
    plant(copy, module, text)
    assert [file for file, _ in unseen_mistakes(copy)] == [module]
