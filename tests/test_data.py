"""Data sets: what is read from good files, what is said of bad ones, and the split."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raydensity import data
from raydensity.data import cifar10, dataset, mnist
from raydensity.data.dataset import Arrays
from raydensity.spec import Teacher

RAW = Path("MNIST") / "raw"


@pytest.fixture(scope="module")
def digits() -> data.Dataset:
    return data.load("digits")


@pytest.fixture
def mnist_copy(data_root: Path, tmp_path: Path) -> Path:
    """A data folder of the test's own with the four packed MNIST files."""
    (tmp_path / RAW).mkdir(parents=True)
    for name in mnist.FILES:
        shutil.copyfile(data_root / RAW / f"{name}.gz", tmp_path / RAW / f"{name}.gz")
    return tmp_path


def binary_cifar10(root: Path) -> Path:
    """The folder of a well-formed CIFAR-10 in the binary layout: black images, labels in turn."""
    folder = root / cifar10.BINARY
    folder.mkdir()
    records = np.zeros((cifar10.RECORDS, cifar10.RECORD_SIZE), dtype=np.uint8)
    records[:, 0] = np.arange(cifar10.RECORDS) % 10
    for name in (*cifar10.TRAIN_FILES, *cifar10.TEST_FILES):
        records.tofile(folder / name)
    return folder


def test_the_engine_needs_neither_ray_nor_mlflow_nor_torchvision() -> None:
    program = "import sys, raydensity.data; assert not {'ray', 'mlflow', 'torchvision', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_unknown_name_lists_the_known_ones() -> None:
    for call in (data.describe, data.check, data.load):
        with pytest.raises(
            ValueError, match=r"'mnits' is unknown; known are cifar10, cifar10_file_order, digits, mnist"
        ):
            call("mnits")


@pytest.mark.parametrize("name", sorted(data.DATASETS))
def test_what_is_described_is_what_is_loaded(name: str, request: pytest.FixtureRequest) -> None:
    root = None if name == "digits" else request.getfixturevalue("data_root")
    data.check(name, root)
    loaded, described = data.load(name, data_root=root), data.describe(name)
    assert loaded.description == described
    for images, labels, size in (
        (loaded.train_images, loaded.train_labels, described.train_size),
        (loaded.test_images, loaded.test_labels, described.test_size),
    ):
        assert images.shape == (size, *described.input_shape)
        assert images.dtype == torch.uint8
        assert images.max() == described.scale
        assert labels.shape == (size,)
        assert labels.dtype == torch.int64
        assert labels.unique().tolist() == list(range(described.classes))
    assert data.load(name, data_root=root) is loaded


def test_mnist_holds_the_published_images(data_root: Path) -> None:
    loaded = data.load("mnist", data_root=data_root)
    assert loaded.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert loaded.train_images[0, 0, 5, 12:18].tolist() == [3, 18, 18, 18, 126, 136]
    mean, deviation = loaded.channel_statistics
    assert mean.item() == pytest.approx(0.1307, abs=5e-5)  # the values commonly quoted
    assert deviation.item() == pytest.approx(0.3081, abs=5e-5)


def test_cifar10_holds_the_published_images(data_root: Path) -> None:
    loaded = data.load("cifar10", data_root=data_root)
    assert loaded.train_labels[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
    assert loaded.train_images[0, :, 0, 0].tolist() == [59, 62, 63]
    assert torch.bincount(loaded.train_labels).tolist() == [5_000] * 10
    mean, deviation = loaded.channel_statistics
    torch.testing.assert_close(mean.flatten(), torch.tensor([0.4914, 0.4822, 0.4465]), atol=1e-4, rtol=0)
    torch.testing.assert_close(deviation.flatten(), torch.tensor([0.2470, 0.2435, 0.2616]), atol=1e-4, rtol=0)


def test_mnist_is_the_same_packed_and_unpacked_in_either_folder(mnist_copy: Path, tmp_path_factory) -> None:
    unpacked, flat = tmp_path_factory.mktemp("unpacked"), tmp_path_factory.mktemp("flat")
    (unpacked / RAW).mkdir(parents=True)
    for name in mnist.FILES:
        packed = (mnist_copy / RAW / f"{name}.gz").read_bytes()
        (unpacked / RAW / name).write_bytes(gzip.decompress(packed))
        (flat / f"{name}.gz").write_bytes(packed)
    digests = {data.load("mnist", data_root=root).digest for root in (mnist_copy, unpacked, flat)}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[: len(content) // 2], r"t10k-labels.*\.gz is truncated: 2,271 bytes instead of 4,542"),
        (lambda content: content[:-1] + b"?", r"t10k-labels.*\.gz is corrupt: its md5 sum is"),
        (lambda content: content + b"?", r"t10k-labels.*\.gz is corrupt: 4,543 bytes instead of 4,542"),
        (lambda content: None, r"mnist: t10k-labels-idx1-ubyte.gz is missing in"),
    ],
)
def test_damaged_mnist_is_named_in_one_line(mnist_copy: Path, damage, message: str) -> None:
    path = mnist_copy / RAW / "t10k-labels-idx1-ubyte.gz"
    damaged = damage(path.read_bytes())
    if damaged is None:
        path.unlink()
    else:
        path.write_bytes(damaged)
    with pytest.raises(ValueError, match=message) as caught:
        data.check("mnist", mnist_copy)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=message):
        data.load("mnist", data_root=mnist_copy)


def test_damaged_unpacked_mnist_is_named(mnist_copy: Path) -> None:
    name = "train-labels-idx1-ubyte"
    content = bytearray(gzip.decompress((mnist_copy / RAW / f"{name}.gz").read_bytes()))
    content[5_000] ^= 1
    (mnist_copy / RAW / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} is corrupt: its md5 sum is"):
        data.check("mnist", mnist_copy)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_a_named_folder_is_only_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=str(tmp_path)):
        data.check(name, tmp_path)
    monkeypatch.setenv("RAYDENSITY_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=str(tmp_path)):
        data.load(name)
    assert list(tmp_path.iterdir()) == []


def test_the_root_is_the_argument_then_the_environment_then_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAYDENSITY_DATA", raising=False)
    assert data.resolve_root(None) == tmp_path / "data"
    monkeypatch.setenv("RAYDENSITY_DATA", str(tmp_path / "named"))
    assert data.resolve_root(None) == tmp_path / "named"
    assert data.resolve_root(Path("given")) == tmp_path / "given"


def test_files_still_to_be_downloaded_are_no_error_where_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAYDENSITY_DATA", raising=False)
    data.check("mnist", None, download=False)
    assert list(tmp_path.iterdir()) == []


def test_mnist_is_downloaded_into_the_default_folder(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from torchvision.datasets import MNIST

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAYDENSITY_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = partial(SimpleHTTPRequestHandler, directory=str(data_root / RAW))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as mirror:
        Thread(target=mirror.serve_forever, daemon=True).start()
        monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{mirror.server_port}/"])
        data.check("mnist")
        mirror.shutdown()
    assert capfd.readouterr().out == ""
    assert data.load("mnist").digest == data.load("mnist", data_root=data_root).digest
    assert (tmp_path / "data" / RAW).is_dir()


def test_a_failed_download_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import MNIST

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAYDENSITY_DATA", raising=False)
    monkeypatch.setattr(MNIST, "mirrors", [(tmp_path / "nowhere").as_uri() + "/"])
    with pytest.raises(ValueError, match=r"mnist could not be downloaded into .*set RAYDENSITY_DATA") as caught:
        data.check("mnist")
    assert "\n" not in str(caught.value)


def test_binary_cifar10_is_read_plane_by_plane(tmp_path: Path) -> None:
    folder = binary_cifar10(tmp_path)
    first = np.fromfile(folder / "data_batch_2.bin", dtype=np.uint8)
    first[:5] = [7, 11, 12, 13, 14]  # label, then the first pixels of the red plane's first row
    first[1 + 1024 + 33] = 99  # green, second row, second column
    first.tofile(folder / "data_batch_2.bin")
    arrays = cifar10.read(tmp_path)
    assert arrays.train_images.shape == (50_000, 3, 32, 32)
    assert arrays.train_labels[10_000] == 7
    assert arrays.train_images[10_000, 0, 0, :4].tolist() == [11, 12, 13, 14]
    assert arrays.train_images[10_000, 1, 1, 1] == 99


def test_damaged_binary_cifar10_is_named_in_one_line(tmp_path: Path) -> None:
    folder = binary_cifar10(tmp_path)
    data.check("cifar10", tmp_path)
    path = folder / "data_batch_4.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"data_batch_4.bin is truncated: 30,729,999 bytes instead of 30,730,000"):
        data.check("cifar10", tmp_path)
    path.write_bytes(b"\x0a" + content[1:])
    with pytest.raises(ValueError, match=r"data_batch_4.bin is corrupt: a label is 10, labels are 0 to 9"):
        data.check("cifar10", tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match=r"data_batch_4.bin is missing"):
        data.check("cifar10", tmp_path)


def test_pickled_cifar10_is_read_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR10

    folder = tmp_path / cifar10.PICKLED
    folder.mkdir()

    def write(name: str, content: object) -> list[str]:
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    pixels = np.arange(6 * 2 * 3072, dtype=np.uint64).astype(np.uint8).reshape(6, 2, 3072)
    files = [
        write(Path(name).stem, {"data": pixels[index], "labels": [index, index + 1]})
        for index, name in enumerate((*cifar10.TRAIN_FILES, *cifar10.TEST_FILES))
    ]
    meta = write("batches.meta", {"label_names": list("abcdefghij")})
    # The published files cannot be had here, so torchvision is told the sums of these small ones.
    monkeypatch.setattr(CIFAR10, "train_list", files[:5])
    monkeypatch.setattr(CIFAR10, "test_list", files[5:])
    monkeypatch.setattr(CIFAR10, "meta", {"filename": meta[0], "key": "label_names", "md5": meta[1]})
    arrays = cifar10.read(tmp_path)
    np.testing.assert_array_equal(arrays.train_images.numpy(), pixels[:5].reshape(10, 3, 32, 32))
    assert arrays.train_images.is_contiguous()
    assert arrays.train_labels.tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert arrays.test_labels.tolist() == [5, 6]
    assert arrays.train_labels.dtype == torch.int64
    assert (len(arrays.class_names), arrays.class_names[3]) == (10, "cat")


class Payload:
    """Unpickling it writes a file: what a malicious data set could do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_a_pickle_of_unknown_sum_is_never_opened(tmp_path: Path) -> None:
    (tmp_path / cifar10.PICKLED).mkdir()
    (tmp_path / cifar10.PICKLED / "data_batch_1").write_bytes(pickle.dumps(Payload(tmp_path / "harm")))
    for call in (lambda: data.check("cifar10", tmp_path), lambda: data.load("cifar10", data_root=tmp_path)):
        with pytest.raises(ValueError, match="data_batch_1 is truncated or corrupt: its md5 sum is not c99cafc"):
            call()
    assert not (tmp_path / "harm").exists()


def test_digits_keep_every_grey_level(digits: data.Dataset) -> None:
    from sklearn.datasets import load_digits

    pixels = np.concatenate([digits.train_images.numpy(), digits.test_images.numpy()]).reshape(-1, 64)
    np.testing.assert_array_equal(pixels, load_digits().data)
    assert digits.digest == "9c01e1692303614eeecdff8db9f0b4295a7aba15cb59e62c2e495125a1f9e1dc"


def test_digest_tells_shapes_pixels_and_labels_apart() -> None:
    images, labels = torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64)
    arrays = Arrays(images, labels, images, labels)
    other_pixel, other_label = images.clone(), labels.clone()
    other_pixel[3, 0, 1, 1] = 1
    other_label[3] = 1
    digests = {
        arrays.digest(),
        arrays._replace(train_images=images.view(4, 1, 1, 4)).digest(),
        arrays._replace(train_images=other_pixel).digest(),
        arrays._replace(test_images=other_pixel).digest(),
        arrays._replace(train_labels=other_label).digest(),
    }
    assert len(digests) == 5
    assert arrays.digest() == Arrays(*(tensor.clone() for tensor in arrays[:4])).digest()


@settings(max_examples=25)
@given(data_seed=st.integers(0, 2**31 - 1))
def test_split_parts_the_training_file(data_seed: int) -> None:
    digits = data.load("digits")
    before = torch.random.get_rng_state()
    training, validation = data.split(digits, data_seed)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert len(validation) == digits.description.validation_size
    assert torch.equal(torch.cat([training, validation]).sort().values, torch.arange(1_438))
    for part in (training, validation):
        assert part.dtype == torch.int64
        assert bool((part.diff() > 0).all())
    again = data.split(digits, data_seed)
    assert torch.equal(again[0], training)
    assert torch.equal(again[1], validation)


def test_split_stays_what_it_was(digits: data.Dataset) -> None:
    validation = [data.split(digits, seed)[1] for seed in (0, 1)]
    assert validation[0][:5].tolist() == [8, 11, 12, 13, 14]  # a change makes old records incomparable with new ones
    assert not torch.equal(*validation)


def test_what_is_held_out_at_the_end_is_the_same_for_all_data_seeds(data_root: Path) -> None:
    drawn, in_order = (data.load(name, data_root=data_root) for name in ("cifar10", "cifar10_file_order"))
    assert drawn.digest == in_order.digest
    for seed in (0, 7):
        training, validation = data.split(in_order, seed)
        assert training.equal(torch.arange(47_500))
        assert validation.equal(torch.arange(47_500, 50_000))


def test_channels_are_counted_in_parts(digits: data.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "COUNTED", 100)
    in_parts = replace(digits).channel_statistics
    pixels = digits.train_images.double() / 16
    assert in_parts[0].item() == pytest.approx(pixels.mean().item(), rel=1e-6)
    assert in_parts[1].item() == pytest.approx(pixels.std(correction=0).item(), rel=1e-6)


def test_what_does_not_fit_into_memory_is_said_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    huge = Teacher(inputs=10_000, samples=10**9)
    for call in (data.check, data.load):
        with pytest.raises(ValueError, match=r"^teacher takes 40,008\.1 GB of memory, this machine has [\d.,]+$"):
            call(huge)
    data.check(huge, loaded_here=False)
    monkeypatch.setattr(data, "machine_memory", lambda: 1797 * (64 + 8) - 1)  # a byte less than the digits take
    with pytest.raises(ValueError, match=r"^digits takes 0\.0 GB"):
        data.check("digits")
    monkeypatch.setattr(data, "machine_memory", lambda: 1797 * (64 + 8))
    data.check("digits")
