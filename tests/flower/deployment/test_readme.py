"""The example's README: its commands run as they stand, but for ports and the size of the key."""

import os
import re

import numpy as np
import pytest
from deployment import BIN, RUN_SECONDS
from in_process import model_of_the_loop
from parties import EXAMPLE, NAMES
from processes import Processes, free_ports

pytestmark = pytest.mark.slow


def readme_script(folder):
    """The commands of the page, in order; packages are there already."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", (EXAMPLE / "README.md").read_text(), re.M | re.S)
    script = "".join(block for block in blocks if not block.startswith("pip install"))
    link, *ports = free_ports(1 + len(NAMES))
    changes = {
        "~/digits\napp": f"{folder} --bits 2048\napp",
        "cd ~/digits": f"cd {folder}",
        "127.0.0.1:8000": f"127.0.0.1:{link}",
        "--port 8000": f"--port {link}",
        "--port 909$i": f"--port $(echo {' '.join(map(str, ports))} | cut -d' ' -f$i)",
    }
    for old, new in changes.items():
        assert old in script
        script = script.replace(old, new)
    assert "8000" not in script
    return f"set -eu\n{script}"


def test_the_commands_of_the_readme_run(tmp_path):
    folder = tmp_path / "digits"
    environment = {"PATH": f"{BIN}{os.pathsep}{os.defpath}", "HOME": str(tmp_path)}
    with Processes(tmp_path / "logs", environment) as processes:
        command = ["sh", "-c", readme_script(folder)]
        processes.start("readme", command, cwd=EXAMPLE)
        code = processes.wait("readme", RUN_SECONDS)
        log = processes.log("readme")
    assert code == 0, log
    assert "'accuracy': '8.7879e-01'" in log, log
    with np.load(folder / "server" / "final_model.npz") as found:
        wanted = model_of_the_loop(3, range(len(NAMES)))
        assert [a.tobytes() for a in found.values()] == [a.tobytes() for a in wanted]
