"""NVFlare's PyTorch recipe with encrypted updates. Skipped where torch is not installed."""

import sys
from pathlib import Path

import numpy as np
import pytest
import veilsum as vs
from deal import SITES, deal
from digits_jobs import run_job
from veilsum.secure_sum import deal_shares

torch = pytest.importorskip("torch")
FOLDER = Path(__file__).with_name("torch_job")


@pytest.mark.slow
def test_pytorch_job_ends_with_the_model_of_the_loop_in_one_process(
    tmp_path, secret_key, monkeypatch
):
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    import cnn
    from veilsum.integrations.torch import StateVector

    layout = StateVector(cnn.Network())
    codec = vs.Codec(layout.dim, clip=2.0, value_bits=16, max_addends=len(SITES))
    deal(tmp_path / "digits", secret_key.secret, codec)
    job = run_job(tmp_path / "digits", script=FOLDER / "job_cnn.py")

    class Site:
        num_samples = 150

        def __init__(self, name):
            self.name = name

        def train(self, model, epochs):
            module = cnn.Network()
            layout.load(module, model[0])
            cnn.train(module, self.name)
            return [layout.flatten(module)]

    key = deal_shares(secret_key.secret, num_holders=4, threshold=3, max_colluding_holders=1)
    sites = [Site(name) for name in SITES]
    loop = vs.FedAvg(layout.model, sites, codec=codec, trust="threshold", key=key, fraction=1.0)
    loop.run(2)

    (saved,) = job.server_workspace.rglob("FL_global_model.pt")
    state = torch.load(saved)["model"]
    assert np.array_equal(layout.flatten(state), loop.model[0])
    assert not np.array_equal(layout.flatten(state), layout.model[0])
    assert int(state["layers.1.num_batches_tracked"]) == 0
