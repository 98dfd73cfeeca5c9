"""From a wide network to a narrow one: prunable units are excised, redundant ones refactored away.

    from raydensity.narrowing import dependent, difference, excise, refactor

    without = excise(network, {"fc1": units_that_stay})           # computes what `network` does with the others at 0
    spare = dependent(network, images)                            # {"fc1": 12, ...}: exact linear combinations
    narrow = refactor(network, images, removed=spare)             # or as many as the tolerance of a study says
    difference(network, narrow, other_images).same_answers        # share of equal answers, 1.0 where nothing was lost

Networks are plain modules in evaluation mode: those of `raydensity.networks.trained`, or built by `models.build` and
given the weights of any state dictionary. What comes out has the same class and fewer units (Frivolous Units,
section 3).
"""

from raydensity.narrowing.constructions import more_of_both, only_prunable, only_redundant
from raydensity.narrowing.difference import Difference, difference
from raydensity.narrowing.excision import excise
from raydensity.narrowing.refactoring import dependent, refactor

__all__ = [
    "Difference",
    "dependent",
    "difference",
    "excise",
    "more_of_both",
    "only_prunable",
    "only_redundant",
    "refactor",
]
