"""How much of the paper's search and pruning a sweep has done."""

from __future__ import annotations

from functools import cache

from analysis.sparsest import methods
from analysis.sparsest.networks import CONFIGURATION, Networks, of_group
from analysis.sparsest.published import PRUNED, SEARCHED, TWICE, WIDTH
from raydensity.pruning import search

Group = tuple[str, str]


@cache
def structures_below(nonzeros: int) -> int:
    """How many structures of the paper's width have fewer nonzeros."""
    structures = search.structures(WIDTH, 3)
    return sum(search.nonzeros(search.structured(dims)) < nonzeros for dims in structures)


def searched_as_much(networks: Networks, group: Group) -> bool:
    """Whether the search of a group is as large as the paper's."""
    return _searched(networks, group) >= (1 - TWICE) * SEARCHED.get(group[1], 0)


def search_in_words(networks: Networks, group: Group) -> str:
    """A sentence for a search that is smaller than the paper's, after a space; empty for any other."""
    if searched_as_much(networks, group):
        return ""
    phase = "Phase 1 alone was searched" if networks.phase_1_alone(group) else "Searched"
    return f" {phase}: {_searched(networks, group):,} networks, in the paper {SEARCHED[group[1]]:,}."


def pruned_as_much(networks: Networks, group: Group) -> bool:
    """Whether a group has as many networks of pruners as the paper."""
    return _pruned(networks, group) >= PRUNED.get(group[1], 0)


def pruning_in_words(networks: Networks, group: Group) -> str:
    """A sentence for fewer pruned networks than the paper's, after a space; empty for as many."""
    if pruned_as_much(networks, group):
        return ""
    return f" Pruned: {_pruned(networks, group):,} networks, in the paper {PRUNED[group[1]]:,}."


def _searched(networks: Networks, group: Group) -> int:
    """Networks of the search, without those that repeat others with other seeds."""
    rows = of_group(networks.once, group)
    return len(rows[methods.searched(rows)].drop_duplicates(CONFIGURATION))


def _pruned(networks: Networks, group: Group) -> int:
    return int(methods.pruned(of_group(networks.every, group)).sum())
