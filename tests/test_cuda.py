"""The engine on a GPU: the same networks as on a CPU to rounding, whole records, and going on. Skipped without one."""

import pytest
import torch
from networks import network
from test_refinement import network as compressed
from test_refinement import rules

from raydensity import data, training
from raydensity.cohort import Cohort
from raydensity.experiment import run_cohort
from raydensity.measures.covariance import covariances
from raydensity.measures.prunability import prunability
from raydensity.measures.redundancy import redundancy
from raydensity.optimizers import StackedOptimizer
from raydensity.record import SCHEMA
from raydensity.spec import Compression

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")

SHAPE = {"input_shape": (1, 8, 8), "classes": 10}


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adagrad"])
@pytest.mark.parametrize("architecture", ["mlp", "conv2", "conv2-unshared", "resnet", "alexnet", "resnet56"])
def test_a_cohort_equals_the_same_networks_on_a_cpu(architecture, optimizer):
    specs = [network(architecture, optimizer, init_seed=seed) for seed in range(3)]
    source = torch.Generator().manual_seed(0)
    images = torch.rand(4, 3, 32, 1, 8, 8, generator=source)
    labels = torch.randint(0, 10, (4, 3, 32), generator=source)
    found = {}
    for device in ("cpu", "cuda"):
        cohort = Cohort(specs, device=device, **SHAPE)
        optimizer_of_all = StackedOptimizer(cohort, specs)
        for number in range(4):
            optimizer_of_all.train(images[number].to(device), labels[number].to(device), number + 1)
        found[device] = cohort.logits(images[0].to(device)).cpu()
    torch.testing.assert_close(found["cuda"], found["cpu"], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("architecture", ["mlp", "alexnet", "resnet56"])
def test_units_are_measured_as_on_a_cpu(architecture):
    own = Cohort([network(architecture)], **SHAPE).network(0)
    images = torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    curves, spectra = {}, {}
    for device in ("cpu", "cuda"):
        parts = images.to(device).split(70)
        curves[device] = prunability(own.to(device), parts, seed=0)
        spectra[device] = redundancy(covariances(own.to(device), parts, count=200, seed=0))
    for here, there in zip(curves["cuda"], curves["cpu"], strict=True):
        assert (here.layer, here.repeat, here.removed) == (there.layer, there.repeat, there.removed)
        assert here.unchanged == pytest.approx(there.unchanged, abs=0.02)  # an answer may hang on the last bit
    for here, there in zip(spectra["cuda"], spectra["cpu"], strict=True):
        assert (here.layer, here.repeat, here.rows) == (there.layer, there.repeat, there.rows)
        assert here.eigenvalues == pytest.approx(there.eigenvalues, rel=1e-2, abs=1e-4 * max(there.eigenvalues))


@pytest.mark.parametrize("architecture", ["mlp", "conv2", "resnet"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_record_is_whole(architecture, precision):
    specs = [network(architecture, init_seed=seed, precision=precision) for seed in range(2)]
    record = run_cohort(specs, device="cuda")
    assert record.schema == SCHEMA
    assert set(record["status"].to_pylist()) == {"finished"}
    assert set(record["device"].to_pylist()) == {torch.cuda.get_device_name()}


def test_training_goes_on_where_it_was(tmp_path):
    dataset, device = data.load("digits", device="cuda"), torch.device("cuda")
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
        here, there = (run_cohort(group, device=device).to_pylist() for device in ("cuda", "cpu"))
        for one, other in zip(here, there, strict=True):
            assert one["status"] == other["status"] == "finished"
            assert one["curve_train_loss"] == pytest.approx(other["curve_train_loss"], rel=0.05)
    assert here[0]["exported_difference"] < 1e-3
