"""The example's parties and app, set up in a test's folder as its README says."""

import os
import shutil
import subprocess
from pathlib import Path

from deployment import BIN, Node

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "05_flower"
NAMES = ("party-1", "party-2", "party-3", "party-4")


def set_up_parties(folder, *options):
    """Run the example's script: a folder for each party, and one for the server."""
    command = [
        EXAMPLE / "set_up_parties.sh",
        folder,
        "--bits",
        "2048",
        "--chunk-size",
        "2",
        *options,
    ]
    environment = {"PATH": f"{BIN}{os.pathsep}{os.defpath}", "VEILSUM_NUM_THREADS": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def captured_app(folder):
    """A copy of the example whose ServerApp also writes down what reaches it."""
    app = shutil.copytree(
        EXAMPLE, folder / "app", ignore=shutil.ignore_patterns("__pycache__", "*.sh", "*.md")
    )
    shutil.copy(Path(__file__).with_name("capturing_server_app.py"), app / "encrypted_digits")
    project = app / "pyproject.toml"
    text = project.read_text()
    wanted = '"encrypted_digits.capturing_server_app:app"'
    changed = text.replace('"encrypted_digits.server_app:app"', wanted)
    assert changed != text
    project.write_text(changed)
    return app


def nodes(folder):
    """A SuperNode for each party; its secrets are named on its own side alone."""
    return [
        Node(
            name,
            config={
                "partition-id": place,
                "num-partitions": len(NAMES),
                "veilsum-party": str(folder / name / "federation"),
            },
            environment={"VEILSUM_PASSPHRASE_FILE": str(folder / name / "passphrase")},
        )
        for place, name in enumerate(NAMES)
    ]


def run_config(folder, **values):
    """What the operator tells the ServerApp: public files, and where it keeps the rounds."""
    server = folder / "server"
    places = {
        "federation": str(server / "federation.veil"),
        "store": str(server / "rounds"),
        "identity": str(server / "server.identity"),
        "passphrase-file": str(server / "passphrase"),
    }
    return {**places, **{key.replace("_", "-"): value for key, value in values.items()}}
