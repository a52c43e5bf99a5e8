"""Encrypted recipes: what they set, throw-away parties of a simulation, and jobs that move."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import train
from digits_jobs import EXAMPLE, HERE, in_process_model, run_job
from job_digits import recipe_of
from nvflare.apis.filter import Filter
from nvflare.recipe import SimEnv
from nvflare.recipe.spec import ExecEnv
from shared_keys import shared_key
from veilsum.errors import InvalidArgumentError
from veilsum.integrations.nvflare import PartyFilter, SecureNumpyFedAvgRecipe, Simulation
from veilsum.integrations.nvflare import secured_recipe as module
from veilsum.secure_sum import PartyFolder, deal_shares, simulated_parties

PLAIN = {"name": "digits", "model": [[0.0] * 10] * 65, "min_clients": 4}


@pytest.fixture(autouse=True)
def _cheap_and_here(monkeypatch, tmp_path):
    monkeypatch.setattr(simulated_parties, "generate_key", lambda *_, **__: shared_key().secret)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))


@pytest.fixture
def script(tmp_path):
    """A training script in a folder of its own, with a module that it imports."""
    folder = tmp_path / "source"
    folder.mkdir()
    shutil.copy(train.__file__, folder / "steps.py")
    path = folder / "train_here.py"
    path.write_text("import steps\n\nif __name__ == '__main__':\n    steps.main()\n")
    return path


class Elsewhere(ExecEnv):
    """An environment that is no simulator; it keeps what it is given."""

    def deploy(self, job):
        self.job = job
        return job.name

    def get_job_status(self, job_id):
        return None

    def abort_job(self, job_id):
        pass

    def get_job_result(self, job_id, timeout=0.0):
        return None


class Simulator(SimEnv):
    """NVFlare's simulator but for running the job: it looks at the parties instead."""

    look = staticmethod(lambda: None)

    def deploy(self, job):
        self.job = job
        self.look()
        return job.name


def simulated(script, **options):
    return SecureNumpyFedAvgRecipe(
        **PLAIN | {"train_script": str(script), "simulation": True} | options
    )


def filters_of(job):
    (app,) = (app for target, app in job._deploy_map.items() if target != "server")
    return [f for _, filters in app.app_config.task_result_filters for f in filters]


# ---- simulations ----


@pytest.mark.parametrize("clients", [None, ["north", "south", "east"]])
def test_a_simulation_deals_for_the_sites_of_the_simulator(script, tmp_path, clients, caplog):
    recipe = simulated(
        script,
        max_samples=600,
        min_samples=100,
        num_rounds=1,
        simulation=Simulation(clip=0.5, value_bits=12),
    )
    aggregator, found = recipe.aggregator, {}

    def look():
        (folder,) = (tmp_path / "temporary").iterdir()
        parties = simulated_parties.SimulatedParties(folder)
        for site in clients or ["site-1", "site-2", "site-3"]:
            federation = PartyFolder(folder / site).federation
        found["federation"], found["party"] = federation, str(folder / "{site}")
        assert Path(aggregator.federation) == parties.federation_file
        assert Path(aggregator.identity) == parties.identity_file
        assert folder.stat().st_mode & 0o077 == 0

    env = Simulator(num_clients=3, clients=clients)
    env.look = look
    recipe.execute(env)
    federation = found["federation"]
    assert aggregator.federation_hash == f"sha256:{federation.hash.hex()}"
    assert (federation.codec.dim, federation.codec.clip) == (650, 0.5)
    assert (federation.codec.value_bits, federation.codec.weight_bits) == (12, 3)
    (filter_,) = filters_of(env.job)
    assert filter_.party == found["party"]
    assert list((tmp_path / "temporary").iterdir()) == []
    assert "SIMULATION: 3 throw-away parties" in caplog.text


def test_parties_are_gone_after_a_simulation_that_failed(script, tmp_path):
    def fail():
        assert len(list((tmp_path / "temporary").iterdir())) == 1
        raise RuntimeError("as the simulator")

    env = Simulator(num_clients=2)
    env.look = fail
    with pytest.raises(RuntimeError, match="as the simulator"):
        simulated(script).execute(env)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_simulation_runs_nowhere_else_and_is_not_exported(script, tmp_path):
    with pytest.raises(InvalidArgumentError, match="is for NVFlare's simulator"):
        simulated(script).execute(Elsewhere())
    with pytest.raises(InvalidArgumentError, match="a simulation is not exported"):
        simulated(script).export(str(tmp_path / "job"))
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not (tmp_path / "job").exists()


def test_a_simulation_needs_the_model_itself(script):
    recipe = simulated(script, model=None, initial_ckpt="/srv/model.npy")
    with pytest.raises(InvalidArgumentError, match="needs the model itself"):
        recipe.execute(Simulator(num_clients=2))


# ---- arguments ----


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "give aggregator and party, or simulation=True"),
        ({"party": "/srv/{site}"}, "give aggregator and party, or simulation=True"),
        ({"simulation": True, "party": "/srv/{site}"}, "has parties of its own"),
        ({"simulation": 1}, "simulation must be"),
        ({"simulation": True, "aggregator_data_kind": "WEIGHTS"}, "aggregator_data_kind is what"),
        ({"simulation": True, "params_transfer_type": "FULL"}, "params_transfer_type is what"),
        ({"simulation": True, "max_samples": 0}, "max_samples"),
        ({"simulation": True, "leave_out": "w"}, "leave_out"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(script, options, reason):
    with pytest.raises((InvalidArgumentError, TypeError), match=reason):
        SecureNumpyFedAvgRecipe(**PLAIN | {"train_script": str(script)} | options)


def test_what_is_left_out_is_said_once(script, dealt):
    with pytest.raises(InvalidArgumentError, match="leave_out is the aggregator's"):
        recipe_of(dealt, script, leave_out=["numpy_key"])


def test_the_party_comes_after_every_other_filter_and_once(script, dealt):
    class Other(Filter):
        def process(self, shareable, fl_ctx):
            return shareable

    recipe, env = recipe_of(dealt, script), Elsewhere()
    recipe.add_client_output_filter(Other(), tasks=["train"])
    for _ in range(2):
        recipe.execute(env)
    assert [type(f) for f in filters_of(env.job)] == [Other, PartyFilter]


# ---- jobs that move ----


def exported(recipe, folder):
    recipe.export(str(folder))
    return folder / "digits"


def test_a_script_is_called_by_its_place_in_the_job_and_brings_its_modules(script, dealt, tmp_path):
    job = exported(recipe_of(dealt, script), tmp_path / "job")
    code = {path.name: path for path in (job / "app" / "custom").rglob("*.py")}
    assert set(code) == {"train_here.py", "steps.py"}
    text = (job / "app" / "config" / "config_fed_client.json").read_text()
    assert '"task_script_path": "train_here.py"' in text
    assert str(script.parent) not in text


def test_a_script_that_only_the_sites_have_keeps_its_path(dealt, tmp_path):
    job = exported(recipe_of(dealt, "/opt/at-the-site/train.py"), tmp_path / "job")
    text = (job / "app" / "config" / "config_fed_client.json").read_text()
    assert '"task_script_path": "/opt/at-the-site/train.py"' in text


@pytest.mark.slow
def test_a_job_that_was_moved_ends_with_the_same_model(script, dealt, tmp_path, secret_key):
    """Made by a process that is gone, from a folder that is gone, and run in another one."""
    command = [sys.executable, HERE / "job_digits.py", dealt, script, "--export"]
    paths = os.pathsep.join([str(EXAMPLE)])
    subprocess.run(
        [*command, "--export-dir", tmp_path / "made"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        check=True,
    )
    shutil.move(tmp_path / "made" / "digits", tmp_path / "moved")
    shutil.rmtree(script.parent)
    job = run_job(dealt, script=HERE / "run_exported.py", options=[tmp_path / "moved"])
    key = deal_shares(secret_key.secret, num_holders=4, threshold=3, max_colluding_holders=1)
    assert np.array_equal(job.model, in_process_model(key))


@pytest.mark.slow
def test_the_example_runs_as_it_is(tmp_path, secret_key):
    (tmp_path / "digits").mkdir()
    script = tmp_path / "job.py"  # Where the test's helper looks for what the job has left.
    text = (EXAMPLE / "job.py").read_text()
    assert text.count("main(sys.argv[1]") == 1
    text = text.replace("main(sys.argv[1]", 'main(sys.argv[1] + "/workspace"')
    script.write_text(text)
    shutil.copy(train.__file__, tmp_path)
    job = run_job(tmp_path / "digits", script=script)
    assert "SIMULATION: 4 throw-away parties" in job.log
    key = deal_shares(secret_key.secret, num_holders=4, threshold=3, max_colluding_holders=1)
    assert np.array_equal(job.model, in_process_model(key))
