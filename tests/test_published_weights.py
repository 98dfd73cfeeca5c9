"""Published weights: known by their content, fitted into narrower networks, refused in one line."""

import zipfile

import numpy as np
import pytest
import torch
from sparse_networks import on_spiral

from raydensity import published_weights
from raydensity.cohort import Cohort
from raydensity.initializers import starting_parameters
from raydensity.published_weights import PUBLISHED, digest, display_name, fitted, load, name_to_digest, read
from raydensity.spec.sparsity import SNIP

DIGEST = "252c2c7bc64f3e7cb7b1"  # of small_weights
NAMES = ["one.weight", "one.bias", "two.weight", "two.bias"]


def small_weights(**changed):
    arrays = {
        "one.weight": np.arange(8, dtype="<f4").reshape(4, 2),
        "one.bias": np.arange(4, dtype="<f4"),
        "two.weight": np.arange(4, dtype="<f4").reshape(1, 4),
        "two.bias": np.ones(1, dtype="<f4"),
    }
    return {**arrays, **changed}


@pytest.fixture
def known_files(monkeypatch):
    """The files that this process was told of, none at first."""
    files = {}
    monkeypatch.setattr(published_weights, "_files", files)
    return files


def test_a_digest_is_of_the_content(tmp_path):
    np.savez(tmp_path / "plain.npz", **small_weights())
    (tmp_path / "deep").mkdir()
    np.savez_compressed(tmp_path / "deep" / "other.npz", **small_weights())
    with (
        zipfile.ZipFile(tmp_path / "plain.npz") as source,
        zipfile.ZipFile(tmp_path / "later.npz", "w") as later,
    ):
        for name in source.namelist():
            later.writestr(zipfile.ZipInfo(name, date_time=(2001, 2, 3, 4, 5, 6)), source.read(name))
        later.comment = b"another comment"
    digests = {digest(read(path)) for path in tmp_path.rglob("*.npz")}
    assert digests == {DIGEST}
    assert len({path.read_bytes() for path in tmp_path.rglob("*.npz")}) == 3


def test_a_digest_tells_values_names_and_shapes_apart():
    def tensors(**changed):
        return {name: torch.from_numpy(array) for name, array in small_weights(**changed).items()}

    whole = tensors()
    others = [
        tensors(**{"two.bias": np.zeros(1, dtype="<f4")}),
        {name.replace("one", "first"): tensor for name, tensor in whole.items()},
        tensors(**{"one.weight": np.arange(8, dtype="<f4").reshape(2, 4)}),
        {name: whole[name] for name in reversed(NAMES)},
    ]
    assert len({digest(each) for each in [whole, *others]}) == 5


def test_weights_of_other_precision_are_the_same_numbers(tmp_path):
    np.savez(tmp_path / "double.npz", **{name: array.astype("f8") for name, array in small_weights().items()})
    assert digest(read(tmp_path / "double.npz")) == DIGEST


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_files_have_the_published_digests(data_root, name):
    path = data_root / "bench" / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"{path} does not exist")
    weights = read(path)
    assert digest(weights) == PUBLISHED[name] == name_to_digest(name)
    assert display_name(PUBLISHED[name]) == name
    shapes = [tuple(tensor.shape) for tensor in weights.values()]
    assert shapes == [(16, 2), (16,), (16, 16), (16,), (16, 16), (16,), (1, 16), (1,)]
    for layer, fan_in in zip(("first_layer", "second_layer", "third_layer", "clf"), (2, 16, 16, 16), strict=True):
        bound = fan_in**-0.5  # PyTorch's default
        assert 0.4 * bound < weights[f"{layer}.weight"].abs().max() <= bound
    assert load([PUBLISHED[name]], data_root).keys() == {PUBLISHED[name]}


def test_a_file_that_was_named_is_found_wherever_it_lies(tmp_path, known_files):
    np.savez(tmp_path / "mine.npz", **small_weights())
    found = name_to_digest(str(tmp_path / "mine.npz"))
    assert display_name(found) == found == DIGEST
    loaded = load([found], tmp_path / "elsewhere")
    assert list(loaded) == [found]
    assert {name: tensor.tolist() for name, tensor in loaded[found].items()} == {
        name: array.tolist() for name, array in small_weights().items()
    }


def test_another_process_finds_it_in_the_data_folder(tmp_path, known_files):
    (tmp_path / "bench").mkdir()
    np.savez(tmp_path / "bench" / "theirs.npz", **small_weights())
    assert list(load([DIGEST], tmp_path)) == [DIGEST]
    assert load([], tmp_path / "nowhere") == {}


def test_files_that_are_not_asked_for_may_be_gone(tmp_path, known_files):
    np.savez(tmp_path / "gone.npz", **small_weights(**{"one.bias": np.zeros(4, "f4")}))
    name_to_digest(str(tmp_path / "gone.npz"))
    (tmp_path / "gone.npz").unlink()
    np.savez(tmp_path / "here.npz", **small_weights())
    found = name_to_digest(str(tmp_path / "here.npz"))
    assert list(load([found], tmp_path)) == [found]


def message_of(call, *arguments):
    with pytest.raises(ValueError, match=r"^--set initial_weights: ") as raised:
        call(*arguments)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_files_that_cannot_be_used_are_refused_in_one_line(tmp_path):
    def refused(name):
        message = message_of(name_to_digest, str(tmp_path / name))
        assert name in message
        return message

    assert "there is no file" in refused("missing.npz")
    (tmp_path / "text.npz").write_text("no archive")
    assert "no .npz of numbers" in refused("text.npz")
    np.savez(tmp_path / "whole.npz", **small_weights())
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:300])
    assert "no .npz of numbers" in refused("cut.npz")
    np.savez(tmp_path / "words.npz", **small_weights(**{"one.bias": np.array(["a", "b"])}))
    assert "no .npz of numbers" in refused("words.npz")
    np.savez(tmp_path / "odd.npz", **{"one.weight": np.zeros((1, 2), "f4")})
    assert "NAME.weight and NAME.bias" in refused("odd.npz")
    np.savez(tmp_path / "order.npz", **{name: small_weights()[name] for name in reversed(NAMES)})
    assert "NAME.weight and NAME.bias" in refused("order.npz")
    np.savez(tmp_path / "none.npz")
    assert "NAME.weight and NAME.bias" in refused("none.npz")
    np.savez(tmp_path / "nan.npz", **small_weights(**{"one.bias": np.full(4, np.nan, "f4")}))
    assert "one.bias has numbers that are not finite" in refused("nan.npz")
    for name, value in {"one.weight": np.zeros((2, 4), "f4"), "one.bias": np.zeros(3, "f4"), "two.weight": 4}.items():
        array = np.zeros(value, "f4") if isinstance(value, int) else value
        np.savez(tmp_path / "shapes.npz", **small_weights(**{name: array}))
        assert "weights are (units, units of the layer before)" in refused("shapes.npz")
    np.save(tmp_path / "single.npy", np.zeros(3))
    assert "no .npz of numbers" in refused("single.npy")


def test_weights_that_are_nowhere_are_named(tmp_path, known_files):
    message = message_of(load, [PUBLISHED["BENCH-95"]], tmp_path)
    assert "BENCH-95 is not in" in message
    assert str(tmp_path / "bench") in message
    assert "0123" in message_of(load, ["0123"], tmp_path)


def test_a_narrower_network_takes_the_first_units():
    weights = {name: torch.from_numpy(array) for name, array in small_weights().items()}
    shapes = {"fc1.weight": (3, 2), "fc1.bias": (3,), "proj.weight": (1, 3), "proj.bias": (1,)}
    found = fitted(weights, shapes)
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        "fc1.weight": [[0, 1], [2, 3], [4, 5]],
        "fc1.bias": [0, 1, 2],
        "proj.weight": [[0, 1, 2]],
        "proj.bias": [1],
    }
    found["fc1.weight"].zero_()
    assert weights["one.weight"][0, 1] == 1, "the weights of others were changed"


def test_networks_that_do_not_fit_are_refused_in_one_line():
    weights = {name: torch.from_numpy(array) for name, array in small_weights().items()}
    wide = {"fc1.weight": (5, 2), "fc1.bias": (5,), "proj.weight": (1, 5), "proj.bias": (1,)}
    assert "one.weight is (4, 2), the network's fc1.weight is (5, 2)" in message_of(fitted, weights, wide)
    flat = {"proj.weight": (1, 2), "proj.bias": (1,)}
    assert "they are 2 layers, the network has 1" in message_of(fitted, weights, flat)
    other = {"conv.weight": (3, 2, 3, 3), "conv.bias": (3,), "proj.weight": (1, 3), "proj.bias": (1,)}
    assert "conv.weight" in message_of(fitted, weights, other)


def test_a_cohort_starts_from_them_beside_networks_that_are_drawn():
    weights = {name: torch.from_numpy(array) for name, array in small_weights().items()}
    given = on_spiral(SNIP(nonzeros=5), hidden=(3,), initial_weights=digest(weights), init_seed=4)
    drawn = on_spiral(SNIP(nonzeros=5), hidden=(3,), init_seed=4)
    cohort = Cohort([drawn, given], input_shape=(2,), classes=1, published={digest(weights): weights})
    assert cohort.state(1)["fc1.weight"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert torch.equal(cohort.state(0)["fc1.weight"], starting_parameters(cohort.shapes, drawn, {})["fc1.weight"])
