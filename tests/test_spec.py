import pytest
from networks import network
from pydantic import ValidationError

from raydensity.record import FACTORS
from raydensity.spec import MLP, SGD, NetworkSpec, content_hash

GOLDEN_ID = "1f5bc903bce49a4f26d1"
GOLDEN_COHORT_KEY = "da4bc1605d5b77213dd0"


def test_golden_ids():
    """An id never changes while SCHEMA_VERSION stays: finished work would be lost."""
    assert network().id == GOLDEN_ID
    assert network().cohort_key == GOLDEN_COHORT_KEY


def test_id_covers_defaults_and_every_factor():
    base = network()
    written_out = NetworkSpec.model_validate_json(base.model_dump_json())
    assert written_out.id == base.id
    changed = [
        network(init_seed=1),
        network(data_seed=1),
        network(order_seed=1),
        network(initializer="he_uniform"),
        network("conv2"),
        network(optimizer="adam"),
        network(batch_size=32),
        network(precision="bf16"),
        network(epochs=3),
    ]
    assert len({spec.id for spec in [base, *changed]}) == len(changed) + 1


def test_cohort_key_leaves_out_seeds_initializer_and_learning_rate():
    base = network().cohort_key
    assert network(init_seed=3, data_seed=2, order_seed=1, initializer="he_normal").cohort_key == base
    assert network(optimizer=SGD(learning_rate=0.7)).cohort_key == base
    assert network(batch_size=32).cohort_key != base
    assert network(optimizer="momentum").cohort_key != base


def test_factors_are_the_columns_of_a_record():
    assert list(network().factors()) == FACTORS.names


def test_specs_are_frozen_and_strict():
    with pytest.raises(ValidationError):
        network().init_seed = 1
    with pytest.raises(ValidationError, match="max_epochs"):
        network(epochs=0)
    with pytest.raises(ValidationError, match="unknown_field"):
        NetworkSpec.model_validate({**network().model_dump(), "unknown_field": 1})
    with pytest.raises(ValidationError, match="hidden"):
        network(MLP(width=1, hidden=()))
    with pytest.raises(ValidationError, match="init_seed"):
        network(init_seed=-1)


def test_content_hash_ignores_key_order():
    assert content_hash({"a": 1, "b": [1.5, None]}) == content_hash({"b": [1.5, None], "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": 1.0})
