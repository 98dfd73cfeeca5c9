"""The engine on a GPU: the same networks as on a CPU to rounding, whole records, and going on. Skipped without one."""

import pytest
import torch
from networks import network
from test_refinement import network as compressed
from test_refinement import rules

from raydensity import data, training
from raydensity.cohort import Cohort
from raydensity.data.augmentation import draw
from raydensity.experiment import run_cohort
from raydensity.interpretability.maximization import Ascent
from raydensity.interpretability.units import unit_images
from raydensity.measures.covariance import covariances
from raydensity.measures.prunability import prunability
from raydensity.measures.redundancy import redundancy
from raydensity.narrowing import outcomes
from raydensity.optimizers import StackedOptimizer
from raydensity.record import SCHEMA
from raydensity.spec import Compression, ResNet18

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")

SHAPE = {"input_shape": (1, 8, 8), "classes": 10}
GPU = "cuda"


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adagrad"])
@pytest.mark.parametrize(
    "architecture", ["mlp", "conv2", "conv2-unshared", "resnet", "alexnet", "resnet56", ResNet18(width=0.0625)], ids=str
)
def test_a_cohort_equals_the_same_networks_on_a_cpu(architecture, optimizer):
    specs = [network(architecture, optimizer, init_seed=seed) for seed in range(3)]
    source = torch.Generator().manual_seed(0)
    images = torch.rand(4, 3, 32, 1, 8, 8, generator=source)
    labels = torch.randint(0, 10, (4, 3, 32), generator=source)
    found = {}
    for device in ("cpu", GPU):
        cohort = Cohort(specs, device=device, **SHAPE)
        optimizer_of_all = StackedOptimizer(cohort, specs)
        for number in range(4):
            optimizer_of_all.train(images[number].to(device), labels[number].to(device), number + 1)
        found[device] = cohort.logits(images[0].to(device)).cpu()
    torch.testing.assert_close(found[GPU], found["cpu"], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("architecture", ["mlp", "alexnet", "resnet56"])
def test_units_are_measured_as_on_a_cpu(architecture):
    own = Cohort([network(architecture)], **SHAPE).network(0)
    images = torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    curves, spectra = {}, {}
    for device in ("cpu", GPU):
        parts = images.to(device).split(70)
        curves[device] = prunability(own.to(device), parts, seed=0)
        spectra[device] = redundancy(covariances(own.to(device), parts, count=200, seed=0))
    for here, there in zip(curves[GPU], curves["cpu"], strict=True):
        assert (here.layer, here.repeat, here.removed) == (there.layer, there.repeat, there.removed)
        assert here.unchanged == pytest.approx(there.unchanged, abs=0.02)  # an answer may hang on the last bit
    for here, there in zip(spectra[GPU], spectra["cpu"], strict=True):
        assert (here.layer, here.repeat, here.rows) == (there.layer, there.repeat, there.rows)
        assert here.eigenvalues == pytest.approx(there.eigenvalues, rel=1e-2, abs=1e-4 * max(there.eigenvalues))


@pytest.mark.parametrize("architecture", ["mlp", "alexnet", "resnet56"])
def test_narrow_networks_are_those_of_a_cpu(architecture):
    own = Cohort([network(architecture)], **SHAPE).network(0)
    images = torch.rand(300, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(300) % 10
    found = {}
    for device in ("cpu", GPU):
        x, y = images.to(device), labels.to(device)
        found[device] = outcomes(own.to(device), x[:200], x[200:], y[200:], seed=0)
    assert [one.way for one in found[GPU]] == [one.way for one in found["cpu"]]
    for here, there in zip(found[GPU], found["cpu"], strict=True):
        assert here.units == there.units
        assert abs(here.left - there.left) <= 0.05 * there.units  # a tolerance may be met with the last bit
        assert here.same_answers == pytest.approx(there.same_answers, abs=0.1)


def test_units_are_seen_as_on_a_cpu():
    """The first steps: after hundreds what begins alike to rounding may be two images."""
    own = Cohort([network("alexnet")], **SHAPE).network(0)
    ascent = Ascent(steps=5, starts=4)
    found = {
        device: unit_images(own.to(device), input_shape=(1, 8, 8), seed=0, most_units=3, ascent=ascent)
        for device in ("cpu", GPU)
    }
    assert [(one.layer, one.unit) for one in found[GPU]] == [(one.layer, one.unit) for one in found["cpu"]]
    for here, there in zip(found[GPU], found["cpu"], strict=True):
        assert here.activation == pytest.approx(there.activation, rel=0.02, abs=1e-3)
        assert here.image_variation == pytest.approx(there.image_variation, rel=0.02)


@pytest.mark.parametrize("preprocessing", ["crop_28", "per_image"])
def test_images_are_varied_as_on_a_cpu(preprocessing):
    pixels = torch.randint(0, 256, (1, 50, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    draws = draw(0, 1, 50)[None]
    dataset = data.load("digits")
    here, there = (
        data.augment(dataset, pixels.to(device), preprocessing, draws.to(device)).cpu() for device in (GPU, "cpu")
    )
    torch.testing.assert_close(here, there, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("architecture", ["mlp", "conv2", "resnet"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_record_is_whole(architecture, precision):
    specs = [network(architecture, init_seed=seed, precision=precision) for seed in range(2)]
    record = run_cohort(specs, device=GPU)
    assert record.schema == SCHEMA
    assert set(record["status"].to_pylist()) == {"finished"}
    assert set(record["device"].to_pylist()) == {torch.cuda.get_device_name()}


def test_training_goes_on_where_it_was(tmp_path):
    dataset, device = data.load("digits", device=GPU), torch.device(GPU)
    specs = [network("resnet", "adam", init_seed=seed, epochs=4) for seed in range(2)]
    whole = training.train(specs, dataset, device=device)

    def interrupt(epoch, done):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train(
            specs, dataset, device=device, checkpoint_folder=tmp_path, checkpoint_seconds=0, on_epoch=interrupt
        )
    resumed = training.train(specs, dataset, device=device, checkpoint_folder=tmp_path)
    for one, again in zip(whole, resumed, strict=True):
        assert again.curves["validation_loss"] == pytest.approx(one.curves["validation_loss"], rel=1e-3)


def test_compressed_networks_are_those_of_a_cpu():
    """To rounding, by every method; and one is exported."""
    wide = (40, 20)
    specs = [compressed(rule, hidden=wide) for rule in (None, *rules())]
    exported = compressed(Compression(method="output_deviation", level=0.7), hidden=wide)
    specs.append(exported.model_copy(update={"measures": ("export",)}))
    for group in (specs[:-1], specs[-1:]):
        here, there = (run_cohort(group, device=device).to_pylist() for device in (GPU, "cpu"))
        for one, other in zip(here, there, strict=True):
            assert one["status"] == other["status"] == "finished"
            assert one["curve_train_loss"] == pytest.approx(other["curve_train_loss"], rel=0.05)
    assert here[0]["exported_difference"] < 1e-3
