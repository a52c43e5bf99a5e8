"""PyTorch's states as vectors. Skipped where torch is not installed: its wheels bring CUDA."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from veilsum.errors import InvalidArgumentError  # noqa: E402
from veilsum.integrations.torch import StateVector  # noqa: E402

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def network(dtype=torch.float32):
    torch.manual_seed(7)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten(), torch.nn.Linear(8, 3)
    ).to(dtype)


def same_states(one, other):
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and torch.equal(one[name], other[name]) for name in one
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_state_survives_the_way_to_the_vector_and_back(dtype):
    module = network(dtype)
    layout = StateVector(module)
    vector = layout.flatten(module)
    assert vector.dtype == (np.float64 if dtype == torch.float64 else np.float32)
    assert same_states(layout.unflatten(vector), module.state_dict())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_narrow_tensors_are_rounded_when_they_are_loaded(dtype):
    module = torch.nn.Linear(1, 1, bias=False).to(dtype)
    layout = StateVector(module)
    layout.load(module, np.array([1 + 2.0**-10 + 2.0**-11], np.float32))
    assert module.weight.dtype == dtype
    assert module.weight.item() == torch.tensor(1 + 2.0**-10 + 2.0**-11).to(dtype).item()


def test_running_statistics_are_summed_and_counters_are_kept():
    module = network()
    layout = StateVector(module)
    assert {"1.running_mean", "1.running_var"} <= set(layout.names)
    assert "1.num_batches_tracked" not in layout.names
    module(torch.randn(4, 1, 4, 4))  # a step of training: the counter is 1 now
    assert module[1].num_batches_tracked == 1
    vector = layout.flatten(module)
    layout.load(module, vector)
    assert module[1].num_batches_tracked == 0
    assert np.array_equal(layout.flatten(module), vector)


def test_left_out_entries_stay_as_they_were_in_the_layout():
    module = network()
    layout = StateVector(module, leave_out=["*.running_mean", "*.running_var"])
    assert layout.dim == StateVector(module).dim - 4
    module(torch.randn(4, 1, 4, 4))
    assert module[1].running_mean.abs().sum() > 0
    layout.load(module, layout.flatten(module))
    assert module[1].running_mean.tolist() == [0, 0]


def test_layout_is_of_values_and_not_of_the_module():
    module = network()
    layout = StateVector(module)
    start = layout.model[0].copy()
    with torch.no_grad():
        module[3].weight.add_(1)
    assert np.array_equal(layout.model[0], start)
    assert not np.array_equal(layout.flatten(module), start)


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(2, 3, bias=False)
        self.second = torch.nn.Linear(2, 3, bias=False)
        self.second.weight = self.first.weight


def test_tied_weights_are_summed_once_and_stay_tied():
    module = Tied()
    layout = StateVector(module)
    assert layout.names == ("first.weight",)
    assert layout.dim == 6
    layout.load(module, np.arange(6, dtype=np.float32))
    assert module.second.weight is module.first.weight
    assert module.second.weight.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_tied_weights_are_left_out_by_any_of_their_names():
    module = torch.nn.ModuleDict({"tied": Tied(), "free": torch.nn.Linear(2, 2)})
    assert StateVector(module, leave_out=["tied.second.*"]).names == ("free.bias", "free.weight")


def test_loading_keeps_parameters_and_what_is_frozen():
    module = network()
    module[0].weight.requires_grad_(False)
    weight, layout = module[0].weight, StateVector(module)
    layout.load(module, layout.model[0] + 1)
    assert module[0].weight is weight
    assert not weight.requires_grad
    assert module[3].weight.requires_grad


def test_vector_and_state_share_no_memory():
    module = network()
    layout = StateVector(module)
    vector = layout.flatten(module)
    state = layout.unflatten(vector)
    state["3.bias"].add_(1)
    assert np.array_equal(layout.flatten(module), vector)
    vector += 1
    assert not np.array_equal(layout.flatten(module), vector)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_tensors_go_back_to_their_device():
    module = network().cuda()
    layout = StateVector(module)
    layout.load(module, layout.flatten(module) + 1)
    assert layout.unflatten(layout.model[0])["3.bias"].is_cuda
    assert module[3].bias.is_cuda


def test_states_that_do_not_fit_are_refused_by_name():
    module = network()
    layout, state = StateVector(module), module.state_dict()
    with pytest.raises(InvalidArgumentError, match=r"'3\.bias' is missing"):
        layout.flatten({name: entry for name, entry in state.items() if name != "3.bias"})
    with pytest.raises(InvalidArgumentError, match=r"no entry '4\.bias'"):
        layout.flatten({**state, "4.bias": torch.zeros(1)})
    with pytest.raises(InvalidArgumentError, match=r"'3\.bias' has the shape"):
        layout.flatten({**state, "3.bias": torch.zeros(4)})
    with pytest.raises(InvalidArgumentError, match=r"'3\.bias' has values that are NaN"):
        layout.flatten({**state, "3.bias": torch.full((3,), torch.nan)})
    with pytest.raises(InvalidArgumentError, match="no entry is called so"):
        StateVector(module, leave_out=["4.*"])


def test_sparse_and_complex_tensors_are_refused_by_name():
    with pytest.raises(TypeError, match="'e' is sparse"):
        StateVector({"w": torch.ones(1), "e": torch.eye(2).to_sparse()})
    with pytest.raises(TypeError, match="'z' has the dtype complex64"):
        StateVector({"w": torch.ones(1), "z": torch.zeros(1, dtype=torch.complex64)})
