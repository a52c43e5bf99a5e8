"""What is in a job's files: nothing of veilsum's own, and nothing that looks like a secret."""

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from deal import SITES
from digits_jobs import EXAMPLE, HERE
from nvflare.apis.dxo import DataKind
from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe
from nvflare.app_common.workflows.fedavg import FedAvg
from nvflare.client.config import TransferType
from nvflare.job_config.api import FedJob
from nvflare.job_config.defs import FilterType
from nvflare.job_config.script_runner import ScriptRunner
from nvflare.recipe.secrets import PotentialSecretWarning
from veilsum.integrations.nvflare import PartyFilter, SecureAggregator, add_party_filter

HASH = "3f2a" * 8 + "90b1c7d5" * 4


def aggregator(**options):
    return SecureAggregator(
        "/srv/veilsum/federation.veil",
        HASH,
        store="/srv/veilsum/rounds",
        identity="/srv/veilsum/server.identity",
        **options,
    )


def recipe(**options):
    """Where the sites' own policy has the filter."""
    return NumpyFedAvgRecipe(
        name="digits",
        model=np.zeros((65, 10)).tolist(),
        min_clients=len(SITES),
        num_rounds=3,
        train_script="train.py",
        params_transfer_type=TransferType.DIFF,
        aggregator=aggregator(**options),
        aggregator_data_kind=DataKind.WEIGHT_DIFF,
    )


def with_filter():
    made = recipe()
    add_party_filter(made, "/srv/veilsum/{site}", max_samples=600, min_samples=100)
    return made


def fed_job():
    """Made by hand, without a recipe."""
    job = FedJob(name="digits", min_clients=len(SITES))
    job.to_server(FedAvg(num_clients=len(SITES), num_rounds=3, aggregator=aggregator()))
    job.to_clients(ScriptRunner(script="train.py"))
    job.to_clients(
        PartyFilter("/srv/veilsum/{site}"), filter_type=FilterType.TASK_RESULT, tasks=["train"]
    )
    return job


MADE = {"aggregator alone": recipe, "with the filter": with_filter, "by hand": fed_job}


def exported(made, folder):
    export = made.export if hasattr(made, "export") else made.export_job
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", PotentialSecretWarning)
        export(str(folder))
    return folder / "digits"


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_no_file_of_veilsum_is_packed_into_a_job(tmp_path, monkeypatch, make):
    monkeypatch.chdir(EXAMPLE)
    job = exported(make(), tmp_path)
    code = [path.relative_to(job).as_posix() for path in job.rglob("*.py")]
    assert code == ["app/custom/train.py"]
    text = "".join(path.read_text() for path in job.rglob("*.json"))
    assert "veilsum.integrations.nvflare.aggregator.SecureAggregator" in text


def test_declared_metrics_are_in_the_job(tmp_path, monkeypatch):
    monkeypatch.chdir(EXAMPLE)
    ranges = {"val_loss": (0, 5), "accuracy": (0, 1)}
    made = recipe(metrics=ranges, metrics_share=0.25)
    add_party_filter(made, "/srv/veilsum/{site}", metrics=ranges, metrics_share=0.25)
    job = exported(made, tmp_path)
    texts = [path.read_text() for path in sorted(job.rglob("config_fed_*.json"))]
    client, server = map(json.loads, texts)
    assert len(texts) == 2
    filtered = client["task_result_filters"][0]["filters"][0]["args"]
    aggregated = server["workflows"][0]["args"]["aggregator"]["args"]
    for given, made_of in ((filtered, PartyFilter), (aggregated, SecureAggregator)):
        assert given["metrics"] == {"accuracy": [0.0, 1.0], "val_loss": [0.0, 5.0]}
        assert made_of(**given).metrics_share == 0.25


def test_hash_of_a_federation_is_told_from_a_secret(tmp_path, monkeypatch):
    monkeypatch.chdir(EXAMPLE)
    job = exported(recipe(), tmp_path)
    config = json.loads((job / "app" / "config" / "config_fed_server.json").read_text())
    arguments = config["workflows"][0]["args"]["aggregator"]["args"]
    assert arguments["federation_hash"] == f"sha256:{HASH}"
    assert SecureAggregator(**arguments).federation_hash == f"sha256:{HASH}"


def test_exported_job_has_no_path_of_this_machine_but_those_at_its_sites(dealt, tmp_path):
    options = ["--export", "--export-dir", tmp_path / "exported"]
    command = [sys.executable, HERE / "job_digits.py", dealt, *options]
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLE)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "PotentialSecretWarning" not in result.stderr
    config = json.loads(
        (tmp_path / "exported/digits/app/config/config_fed_client.json").read_text()
    )
    assert config["executors"][0]["executor"]["args"]["task_script_path"] == "train.py"
    text = "".join(path.read_text() for path in (tmp_path / "exported").rglob("*.json"))
    assert str(EXAMPLE) not in text
