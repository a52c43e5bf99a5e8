"""PyTorch's states as vectors. Skipped where torch is not installed: its wheels bring CUDA."""

import warnings

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


class Tied(torch.nn.Module):  # type: ignore[name-defined]
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


# ---- what is not wholly a tensor ----


class Wrapped(torch.Tensor):  # type: ignore[name-defined]
    """As tensors of quantisation libraries: looks like one of floats, and holds something else."""


class WithExtraState(torch.nn.Linear):  # type: ignore[name-defined]
    def get_extra_state(self):
        return {"scales": torch.ones(3)}

    def set_extra_state(self, state):
        self.extra = state


def quantised(values):
    with warnings.catch_warnings():  # Deprecated, and still met in states.
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(values, 0.1, 0, torch.qint8)


def by_rows():
    with warnings.catch_warnings():  # In beta, it says.
        warnings.simplefilter("ignore")
        return torch.eye(2).to_sparse_csr()


def nested():
    return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])


NO_TENSORS = {
    "tuple": ((torch.ones(2), None), "is a tuple, not a tensor"),
    "dict": ({"weight": torch.ones(2)}, "is a dict, not a tensor"),
    "list": ([1.0, 2.0], "is a list, not a tensor"),
    "array": (np.ones(2), "is a ndarray, not a tensor"),
    "number": (1.5, "is a float, not a tensor"),
    "none": (None, "is a NoneType, not a tensor"),
    "dtype": (torch.qint8, "is a dtype, not a tensor"),
    "quantised": (quantised(torch.ones(2)), r"is quantised; pass its dequantize\(\)"),
    "sparse": (torch.eye(2).to_sparse(), r"is sparse or nested; pass its to_dense\(\)"),
    "rows": (by_rows(), "is sparse or nested"),
    "meta": (torch.ones(2, device="meta"), "has no values yet"),
    "wrapped": (torch.ones(2).as_subclass(Wrapped), "is a Wrapped, which may hold"),
    "complex": (torch.zeros(1, dtype=torch.complex64), "has the dtype complex64"),
}


@pytest.mark.parametrize("kind", NO_TENSORS)
def test_what_is_not_wholly_a_tensor_is_refused_by_name_with_the_cure(kind):
    entry, message = NO_TENSORS[kind]
    state = {"w": torch.ones(3), f"layer.{kind}": entry}
    with pytest.raises(TypeError, match=rf"'layer\.{kind}' {message}.*leave_out=\['layer\.{kind}'"):
        StateVector(state)
    layout = StateVector(state, leave_out=["layer.*"])
    assert layout.names == ("w",)
    assert (layout.unflatten(layout.model[0])[f"layer.{kind}"] is entry) == (
        not isinstance(entry, torch.Tensor)
    )
    layout.flatten(state)
    with pytest.raises(TypeError, match=f"'w' {message}"):
        layout.flatten({"w": entry})


@pytest.mark.filterwarnings("ignore")
def test_nested_tensors_and_narrow_floats_are_refused_by_name():
    with pytest.raises(TypeError, match="'e' is sparse or nested"):
        StateVector({"w": torch.ones(1), "e": nested()})
    if hasattr(torch, "float8_e4m3fn"):
        with pytest.raises(TypeError, match="'e' has the dtype float8_e4m3fn; pass it in float16"):
            StateVector({"w": torch.ones(1), "e": torch.ones(1).to(torch.float8_e4m3fn)})


@pytest.mark.filterwarnings("ignore")
def test_quantised_modules_are_refused_and_not_summed_in_part():
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    packed = torch.ao.quantization.quantize_dynamic(module, {torch.nn.Linear})
    with pytest.raises(TypeError, match=r"'0\._packed_params\.dtype' is a dtype, not a tensor"):
        StateVector(packed)
    module[0].weight = torch.nn.Parameter(torch.ones((3, 4), dtype=torch.int8), requires_grad=False)
    with pytest.raises(TypeError, match=r"parameter '0\.weight' is of int8.*dequantise"):
        StateVector(module)
    assert StateVector(module, leave_out=["0.weight"]).names == ("0.bias",)


def test_extra_state_is_kept_where_it_is_left_out_by_name():
    module = WithExtraState(2, 3)
    with pytest.raises(TypeError, match="'_extra_state' is a dict"):
        StateVector(module)
    layout = StateVector(module, leave_out=["*_extra_state"])
    layout.load(module, layout.model[0] + 1)
    assert set(module.extra) == {"scales"}


def test_other_types_than_states_and_patterns_are_refused():
    for state in (None, [torch.ones(1)], torch.ones(1)):
        with pytest.raises(TypeError, match="state must be a Module or Mapping"):
            StateVector(state)
    with pytest.raises(TypeError, match="leave_out must be a list of str"):
        StateVector({"w": torch.ones(1)}, leave_out="w")
    with pytest.raises(TypeError, match="names of a state are str, not 3"):
        StateVector({"w": torch.ones(1), 3: torch.ones(1)})
