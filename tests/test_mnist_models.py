"""The MNIST example's models and clients: gradients, learning, isolation."""

from itertools import pairwise

import numpy as np
import pytest
from mnist.clients import Client, make_clients
from mnist.models import Model, softmax_regression, two_hidden_layers


def labelled_blobs(num_samples, num_inputs, num_classes, seed=0):
    """Images that a linear model can tell apart."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).random((num_classes, num_inputs))
    labels = random.integers(0, num_classes, num_samples)
    images = centres[labels] + random.normal(0, 0.1, (num_samples, num_inputs))
    return images.astype(np.float32), labels


def same(some, others):
    return all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


# ---- models ----


def test_published_parameter_counts():
    assert two_hidden_layers().num_parameters == 199_210
    assert softmax_regression().num_parameters == 7_850
    assert softmax_regression(49).num_parameters == 500
    assert softmax_regression(49, 2).num_parameters == 100


@pytest.mark.parametrize("widths", [(5, 3), (5, 4, 3), (5, 6, 4, 3)])
def test_initial_parameters_have_the_shapes_of_the_model(widths):
    model = Model(widths)
    parameters = model.initial(np.random.default_rng(0))
    assert {values.dtype for values in parameters} == {np.dtype(np.float32)}
    assert [values.shape for values in parameters[::2]] == list(pairwise(widths))
    assert [values.shape for values in parameters[1::2]] == [(width,) for width in widths[1:]]
    assert sum(values.size for values in parameters) == model.num_parameters


@pytest.mark.parametrize("widths", [(), (5,), (5, 0)])
def test_model_without_input_and_output_is_refused(widths):
    with pytest.raises(ValueError, match="widths"):
        Model(widths)


@pytest.mark.parametrize("widths", [(6, 3), (6, 5, 3), (6, 5, 4, 3)])
def test_gradient_is_that_of_finite_differences(widths):
    random = np.random.default_rng(1)
    model = Model(widths)
    parameters = [random.normal(0, 0.5, values.shape) for values in model.initial(random)]
    images, labels = random.random((8, 6)), random.integers(0, 3, 8)
    gradient = model.gradient(parameters, images, labels)
    step = 1e-6
    for values, slopes in zip(parameters, gradient, strict=True):
        assert slopes.shape == values.shape
        for index in np.ndindex(values.shape):
            middle = values[index]
            values[index] = middle + step
            above = model.loss(parameters, images, labels)
            values[index] = middle - step
            below = model.loss(parameters, images, labels)
            values[index] = middle
            assert slopes[index] == pytest.approx((above - below) / (2 * step), abs=1e-7)


def test_loss_of_a_model_without_opinion_is_that_of_guessing():
    images, labels = labelled_blobs(50, 7, 4)
    parameters = Model((7, 9, 4)).initial(np.random.default_rng(0))
    assert Model((7, 9, 4)).loss(parameters, images, labels) == pytest.approx(np.log(4), rel=1e-6)


def test_large_scores_do_not_overflow():
    model = Model((2, 2))
    parameters = [np.float32([[1e4, 0], [0, 1e4]]), np.zeros(2, np.float32)]
    images, labels = np.eye(2, dtype=np.float32), np.array([0, 0])
    assert model.loss(parameters, images, labels) == pytest.approx(5e3)
    assert np.isfinite(np.concatenate(model.gradient(parameters, images, labels), axis=None)).all()


@pytest.mark.parametrize("model", [Model((12, 4)), Model((12, 10, 10, 4))])
def test_training_learns(model):
    images, labels = labelled_blobs(205, 12, 4)  # the last batch is smaller
    random = np.random.default_rng(2)
    parameters = model.initial(random)
    for _ in range(20):
        model.sgd_epoch(parameters, images, labels, lr=0.3, batch_size=10, rng=random)
    assert {values.dtype for values in parameters} == {np.dtype(np.float32)}
    assert model.accuracy(parameters, *labelled_blobs(500, 12, 4, seed=1)) > 0.95


def test_an_epoch_over_one_batch_is_one_step_of_gradient_descent():
    images, labels = labelled_blobs(10, 12, 4)
    model = Model((12, 5, 4))
    parameters = model.initial(np.random.default_rng(3))
    gradient = model.gradient(parameters, images, labels)
    wanted = [values - 0.5 * slope for values, slope in zip(parameters, gradient, strict=True)]
    model.sgd_epoch(parameters, images, labels, lr=0.5, batch_size=10, rng=np.random.default_rng(4))
    for values, close in zip(parameters, wanted, strict=True):
        np.testing.assert_allclose(values, close, atol=1e-6)


def test_accuracy_counts_the_right_answers():
    parameters = [np.eye(3, dtype=np.float32), np.zeros(3, np.float32)]
    labels = np.array([0, 1, 0])
    assert Model((3, 3)).accuracy(parameters, np.eye(3, dtype=np.float32), labels) == 2 / 3


# ---- clients ----

MODEL = Model((12, 6, 4))


def some_clients(seed=0):
    images, labels = labelled_blobs(60, 12, 4)
    parts = np.array_split(np.arange(60), 3)
    return make_clients(MODEL, images, labels, parts, lr=0.1, batch_size=5, seed=seed)


def test_client_trains_a_copy():
    client = some_clients()[0]
    model = MODEL.initial(np.random.default_rng(0))
    before = [values.copy() for values in model]
    trained = client.train(model, 2)
    assert same(model, before)
    assert not same(trained, before)
    assert not any(np.shares_memory(a, b) for a, b in zip(trained, model, strict=True))
    unchanged = client.train(model, 0)
    assert same(unchanged, before)
    assert not any(np.shares_memory(a, b) for a, b in zip(unchanged, model, strict=True))


def test_client_does_not_depend_on_the_others():
    model = MODEL.initial(np.random.default_rng(0))
    together = [client.train(model, 1) for client in some_clients()]
    backwards = [client.train(model, 1) for client in reversed(some_clients())][::-1]
    alone = [some_clients()[position].train(model, 1) for position in range(3)]
    for one, two, three in zip(together, backwards, alone, strict=True):
        assert same(one, two)
        assert same(one, three)


def test_client_goes_through_its_images_in_a_new_order_each_time():
    model = MODEL.initial(np.random.default_rng(0))
    client, other = some_clients()[0], some_clients(seed=1)[0]
    first = client.train(model, 1)
    assert not same(first, client.train(model, 1))
    assert not same(first, other.train(model, 1))


def test_client_knows_how_many_images_it_has():
    assert [client.num_samples for client in some_clients()] == [20, 20, 20]


@pytest.mark.parametrize(("num_images", "num_labels"), [(0, 0), (3, 2)])
def test_client_refuses_images_without_labels(num_images, num_labels):
    images, labels = np.zeros((num_images, 12), np.float32), np.zeros(num_labels, np.int64)
    with pytest.raises(ValueError, match="one label each"):
        Client(MODEL, images, labels, lr=0.1, batch_size=5, seed=0)
