"""Settings and expansion of a grid."""

import pytest
from ray.tune import grid_search

from raydensity.grid import _parse, configure, expand, levels
from sweeps.density import STUDY


def ids(scale="quick", **settings):
    return list(expand(STUDY, configure(STUDY, scale=scale, settings=settings)))


def test_a_level_the_study_does_not_list_makes_new_networks_only():
    before, after = set(ids(architecture=["mlp"])), set(ids(architecture=["mlp"], width=["0.1", "0.3"]))
    assert len(after) == 16
    assert len(after & before) == 8


def test_the_order_of_settings_makes_no_difference():
    assert ids(width=["0.5"], architecture=["mlp"]) == ids(architecture=["mlp"], width=["0.5"])


def test_levels_are_read_in_the_type_that_all_of_the_factors_levels_have():
    space = {"rate": grid_search([1, 0.1]), "pruner": grid_search(["none", "gmp"]), "cap": grid_search([None, 3])}
    typed = {"0.3": "rate", "1": "rate", "None": "cap", "7": "cap", "snip": "pruner"}
    read = [_parse(factor, text, like=levels([space], factor)) for text, factor in typed.items()]
    assert read == [0.3, 1, None, 7, "snip"]


def test_a_level_given_twice_counts_once():
    assert ids(width=["0.5", "0.5"]) == ids(width=["0.5"])


def test_cells_of_the_same_network_become_one():
    # stopping_loss means nothing to the ResNets, which stop at the validation minimum
    both = ids(architecture=["mlp", "resnet"], stopping_loss=["0.1", "0.2"])
    assert len(both) == 2 * len(ids(architecture=["mlp"])) + len(ids(architecture=["resnet"]))


def test_a_factor_may_be_set_to_the_level_that_it_has():
    assert ids(architecture=["resnet"], stopping_loss=["0.2"]) == ids(architecture=["resnet"])


def test_a_factor_may_need_another_one_to_matter():
    assert len(ids(architecture=["resnet"], stopping=["loss_target"], stopping_loss=["0.1", "0.3"])) == 16


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": ["3"]}, "no factor 'depth'; it has preprocessing, batch_size"),
        ({"width": ["wide"]}, "--set width: 'wide' is not a number"),
        ({"batch_size": ["1.5"]}, "--set batch_size: '1.5' is not a whole number"),
        ({"unshared": ["maybe"]}, "--set unshared: 'maybe' is not true or false"),
        ({"architecture": ["vgg"]}, "'vgg' is not in the quick grid of density; it has mlp, conv2, resnet"),
        ({"architecture": ["mlp"], "optimizer": ["adam"]}, "no network of density has that combination"),
        ({"width": ["-1"]}, r"architecture.mlp.width = -1.0: Input should be greater than 0"),
        ({"width": ["nan"]}, r"width = nan: Input should be a finite number"),
        ({"initializer": ["zeros"]}, "initializer = 'zeros': Input should be 'glorot_uniform'"),
        ({"stopping": ["patience"]}, "stopping: Input tag 'patience' found using 'name'"),
        ({"init_seed": ["-1"]}, "init_seed = -1"),
        ({"unshared": ["true"], "architecture": ["mlp"]}, "--set unshared: no network that was chosen depends on it"),
        ({"architecture": ["conv2"], "stopping_loss": ["0.1"]}, "--set stopping_loss: no network that was chosen"),
    ],
)
def test_bad_settings_are_one_clear_line(settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        ids(**settings)
    assert "\n" not in str(caught.value)


def test_unknown_scale_names_the_known_ones():
    with pytest.raises(ValueError, match="has no 'huge'; it has quick, reduced, paper"):
        ids("huge")
