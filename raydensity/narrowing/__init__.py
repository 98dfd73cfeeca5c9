"""From a wide network to a narrow one: prunable units are excised, redundant ones refactored away.

    from raydensity.narrowing import dependent, difference, excise, prunable, redundant, refactor

    without = excise(network, prunable(network, images))          # without the units that the study calls prunable
    narrow = refactor(network, images, removed=redundant(network, images))       # or redundant, at its tolerances
    same = refactor(network, images, removed=dependent(network, images))         # exact linear combinations alone
    difference(network, narrow, other_images).same_answers        # share of equal answers, 1.0 where nothing was lost

Networks are plain modules, in any mode, and are seen in evaluation mode: those of `raydensity.networks.trained`, or
built by `models.build` and given the weights of any state dictionary. What comes out has the same class and fewer
units (Frivolous Units, section 3).
"""

from raydensity.narrowing.constructions import more_of_both, only_prunable, only_redundant
from raydensity.narrowing.difference import Difference, difference
from raydensity.narrowing.excision import excise
from raydensity.narrowing.outcome import Outcome, outcomes
from raydensity.narrowing.refactoring import dependent, refactor
from raydensity.narrowing.spare import prunable, redundant

__all__ = [
    "Difference",
    "Outcome",
    "dependent",
    "difference",
    "excise",
    "more_of_both",
    "only_prunable",
    "only_redundant",
    "outcomes",
    "prunable",
    "redundant",
    "refactor",
]
