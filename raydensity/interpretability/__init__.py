"""Are the units of wide networks harder to interpret? (Frivolous Units, section 5, and its Figure 5.)

from raydensity import data
from raydensity.interpretability import compare, maximizing_images
from raydensity.networks import trained

narrow, wide = trained([narrow_spec]) + trained([wide_spec])      # NetworkSpecs that differ in width
table = compare(narrow, wide, input_shape=(3, 32, 32), most_units=50)      # a row a layer and measure, with its p
maximizing_images(narrow, "conv1", [0, 1], input_shape=(3, 32, 32), seed=0).images     # [2, 3, 32, 32]
"""

from raydensity.interpretability.comparison import compare
from raydensity.interpretability.maximization import Ascent, Maximized, maximizing_images
from raydensity.interpretability.permutation_test import RankTest, rank_permutation_test
from raydensity.interpretability.total_variation import spectral_total_variation, total_variation

__all__ = [
    "Ascent",
    "Maximized",
    "RankTest",
    "compare",
    "maximizing_images",
    "rank_permutation_test",
    "spectral_total_variation",
    "total_variation",
]
