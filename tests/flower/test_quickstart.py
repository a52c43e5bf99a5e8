"""The stock app, changed as docs/flower.md says, in Flower's own simulation with Ray."""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tomllib
import veilsum as vs
from flower_world import NUM_NODES, PASSPHRASE, codec_of, federation_of
from unified_diff import apply_diff
from veilsum.identity import Role
from veilsum.secure_sum import PartyFolder, RunName

HERE = Path(__file__).parent
BIN = Path(sys.prefix) / "bin"
STOCK = HERE / "quickstart"
PAGE = HERE.parents[1] / "docs" / "flower.md"
NUM_ROUNDS = 2
MAX_EXAMPLES = 400
DIM = 650
SIMULATED, REAL = "In a simulation", "On real machines"
FLAGS = re.MULTILINE | re.DOTALL
PLACE = "/srv/veilsum"  # where the page has the server's files

sys.path += [str(HERE / "deployment"), str(STOCK)]

import in_process  # noqa: E402
from parties import EXAMPLE  # noqa: E402
from processes import Processes, free_ports, listens  # noqa: E402
from quickstart import task  # noqa: E402


def diff_of_the_page(section):
    (text,) = re.findall(rf"^### {section}: \w+ lines$(.*?)(?=^##)", PAGE.read_text() + "##", FLAGS)
    return "".join(re.findall(r"^```diff\n(.*?)^```$", text, FLAGS))


def changed_app(folder, section=REAL):
    """A copy of the stock app with the page's diff applied."""
    app = shutil.copytree(STOCK, folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    apply_diff(diff_of_the_page(section).replace(PLACE, str(folder)), app)
    return app


@pytest.mark.parametrize(("section", "number"), [(SIMULATED, 3), (REAL, 4)])
def test_the_diff_changes_as_many_lines_of_the_stock_app_as_it_says(tmp_path, section, number):
    lines = diff_of_the_page(section).splitlines()
    added = [line for line in lines if re.match(r"\+(?!\+\+ )", line)]
    assert len(added) == number
    app = changed_app(tmp_path, section)
    assert "SecureClientApp" in (app / "quickstart/client_app.py").read_text()
    assert "SecureStrategy" in (app / "quickstart/server_app.py").read_text()


@pytest.mark.parametrize(
    "diff", ["--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n one\n-TWO\n+2\n", "-one\n", ""]
)
def test_a_diff_of_another_file_changes_nothing(tmp_path, diff):
    (tmp_path / "f").write_text("one\ntwo\n")
    with pytest.raises(ValueError, match=r"line 2: 'two', not 'TWO'|names"):
        apply_diff(diff, tmp_path)
    assert (tmp_path / "f").read_text() == "one\ntwo\n"


class Client:
    """A node in the loop of one process."""

    def __init__(self, partition, num_samples=None):
        self._data = task.load_data(partition)
        self.num_samples = len(self._data[0]) if num_samples is None else num_samples

    def train(self, model, epochs):
        return task.train_model(model, *self._data)


def model_of_the_loop(*, alike=False):
    loop = vs.FedAvg(
        task.initial_model(),
        [Client(partition, MAX_EXAMPLES if alike else None) for partition in range(NUM_NODES)],
        codec=codec_of(DIM, NUM_NODES, 1) if alike else codec_of(DIM, NUM_NODES),
        trust="clear",
        fraction=1.0,
        max_samples=MAX_EXAMPLES,
    )
    loop.run(NUM_ROUNDS)
    return loop.model


def test_the_changed_app_gives_the_model_of_the_loop_in_a_simulation(tmp_path):
    app = changed_app(tmp_path)
    federation_of(tmp_path, dim=DIM)
    (tmp_path / "passphrase").write_text(PASSPHRASE + "\n")
    configured = {
        "VEILSUM_PARTY": str(tmp_path / "party-{partition-id}"),
        "VEILSUM_PASSPHRASE_FILE": str(tmp_path / "passphrase"),
    }
    simulate(app, tmp_path, model_of_the_loop(), **configured)
    for place in range(NUM_NODES):
        party = PartyFolder(tmp_path / f"party-{place}")
        answered = party.rounds(Role.CONTRIBUTOR).answered(RunName.of(party.federation))
        assert list(answered) == list(range(1, NUM_ROUNDS + 1))


@pytest.mark.slow  # test_simulation.py does it without Ray.
def test_three_lines_simulate_an_encrypted_run_with_throw_away_parties(tmp_path):
    app = changed_app(tmp_path, SIMULATED)
    place = Path(tempfile.gettempdir()) / f"veilsum-simulations-{os.getuid()}"
    before = set(place.glob("*"))
    logs = simulate(app, tmp_path, model_of_the_loop(alike=True))
    assert "SIMULATION: 4 throw-away parties" in logs
    assert set(place.glob("*")) == before  # Nothing of them is left.


@pytest.mark.slow
def test_the_example_is_simulated_as_it_stands(tmp_path):
    app = shutil.copytree(EXAMPLE, tmp_path / "app")
    model = in_process.model_of_the_loop(NUM_ROUNDS, range(NUM_NODES))
    logs = simulate(app, tmp_path, model, rounds="num-rounds")
    assert "this node is a throw-away party" in logs


def test_flower_has_nothing_to_fetch_for_the_example():
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == []  # Else each run asks an index, which may have no veilsum.


def simulate(app, tmp_path, expected_model, rounds="num-server-rounds", **party):
    """Run the app in Flower's simulation, and compare the model; all that was logged."""
    environment = os.environ | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "FLWR_HOME": str(tmp_path / "flwr"),
        **party,
    }
    (port,) = free_ports(1)
    (tmp_path / "flwr").mkdir()
    (tmp_path / "flwr/config.toml").write_text(
        f'[superlink]\ndefault = "here"\n[superlink.here]\naddress = "127.0.0.1:{port}"\n'
        "insecure = true\n"
    )
    link = ["--insecure", "--simulation", "--disable-runtime-dependency-installation"]
    link += ["--host", "127.0.0.1", "--port", port]
    size = f"num-supernodes={NUM_NODES} client-resources-num-cpus=1 init-args-num-cpus=2"
    run = ["run", app, "here", "--stream", "--federation-config", size]
    run += ["--run-config", f"{rounds}={NUM_ROUNDS}"]
    with Processes(tmp_path / "logs", environment) as processes:
        processes.start("link", [BIN / "flower-superlink", *link], cwd=tmp_path)
        processes.wait_for("link", lambda: listens(port), timeout=60)
        processes.start("run", [BIN / "flwr", *run], cwd=tmp_path)
        processes.wait("run", timeout=300)
        saved = list(tmp_path.rglob("final_model.npz"))
        logs = processes.all_logs()
        assert saved, logs
    with np.load(saved[0]) as file:
        for array, expected in zip(file.values(), expected_model, strict=True):
            assert array.dtype == expected.dtype
            assert np.array_equal(array, expected)
    return logs
