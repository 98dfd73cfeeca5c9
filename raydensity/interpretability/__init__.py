"""Are the units of wide networks harder to interpret? (Frivolous Units, section 5, and its Figure 5.)

import pandas as pd
from raydensity import data
from raydensity.interpretability.comparison import compare
from raydensity.interpretability.units import unit_images
from raydensity.networks import trained

narrow, wide = trained([narrow_spec]) + trained([wide_spec])      # NetworkSpecs that differ in width
cifar = data.load("cifar10")

def see(images):                                                  # from 0 to 1, as the networks were trained on them
    return data.as_seen(cifar, images, narrow_spec.preprocessing)

tables = [
    pd.DataFrame(unit_images(network, input_shape=(3, 32, 32), seed=seed, most_units=50, preprocess=see))
    for seed, network in enumerate((narrow, wide))                # seeds of their own: the groups must be independent
]
compare(*tables)                                                  # a row a layer and measure, with its p
"""
