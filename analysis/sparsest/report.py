"""The report of the sparsest study: search and pruners held against each other, and what becomes of pruned networks."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from analysis.report import Section, facts, figure_section, figures_folder, missing_networks, write, write_tables
from analysis.runs import Runs
from analysis.sparsest import (
    accuracy,
    after_training,
    claims,
    connected,
    display,
    paths,
    pictures,
    pruner_claims,
    sizes,
)
from analysis.sparsest.networks import DATA, FACTORS, METHOD, RESULTS, SETTINGS, Networks, prepare
from analysis.sparsest.pictures import picture
from analysis.sparsest.tables import Tables, tables

__all__ = ["COLUMNS", "picture", "report"]

COLUMNS = [  # of the record, that anything here reads
    *(*DATA, *SETTINGS, *METHOD, *FACTORS, "status", *RESULTS),
    *("disconnected_units", "prune_weights_left", "prune_validation_accuracy"),
    *("kept_layer", "kept_unit", "kept_input", "kept_value"),
    *("git_commit", "git_dirty"),
]


def report(runs: Runs, out: Path) -> Path:
    """Write `tables/*.csv`, `figures/*.png` and `.svg`, and `report.html` under `out`; returns the path of the page.

    Raises ValueError where no network can be used and OSError where `out` cannot be written.
    """
    networks = prepare(runs)
    named = tables(networks)
    write_tables(out, named)
    return write(
        out / "report.html",
        title="Sparsest Models Elude Pruning: what the runs say",
        facts=facts(runs, _facts(networks)),
        warnings=_warnings(networks),
        sections=_sections(networks, named, figures_folder(out)),
    )


def _sections(networks: Networks, named: Tables, folder: Path) -> list[Section]:
    judged = partial(claims.judged, networks, named)
    figure = partial(figure_section, folder)
    return [
        Section("What was trained", _phases(networks), tables={"": display.trained(networks)}),
        figure(
            "accuracy",
            "Accuracy against nonzeros",
            "The best network with at most so many nonzeros, over learning rates, schedules and repetitions; a marker "
            "wherever more of them help. Accuracy is that on the data set, on the logarithm of the errors; dashed: the "
            "targets. The searched networks are the same in all panels of a start. Tables: best accuracy in percent, "
            "in brackets the share of networks that reach 95 %.",
            partial(accuracy.best, networks),
            said=judged([claims.winners_suffice, claims.smallest_structure, claims.few_nonzeros]),
            shown=display.accuracy(networks, named),
        ),
        *(
            figure(
                f"spread_of_{_slug(group)}",
                f"How accuracies are spread: {networks.title(group)}",
                "Line: median over learning rates, schedules and repetitions at one number of weights, at the median "
                "of their nonzeros; band: 5th to 95th percentile; dots: the best with as many weights, at its own "
                "nonzeros. Thin black steps: the best of the search. Dots alone where networks are few.",
                partial(accuracy.spread, networks, group),
            )
            for group, _ in networks.groups()
        ),
        figure(
            "smallest",
            "The smallest networks that reach a target",
            "Filled: the smallest number of nonzeros over all widths; hollow: the smallest of other widths; line: the "
            "search. Tables: nonzeros, in brackets those on a path from an input to the output where they are fewer; "
            f"{display.NOT_REACHED}: no network of that width reaches the target; published: what is known of the "
            "paper's search (30 and 45 of any mask from random weights are a reading); of its pruners no numbers are. "
            f"Any network is drawn by: python -m analysis {networks.study} --network ID.",
            partial(sizes.smallest, networks, named),
            said=judged([claims.search_beats_pruners]),
            shown={
                **display.sparsest(networks, named),
                "The networks behind these numbers": display.networks_behind(networks, named),
            },
        ),
        _batch_orders(networks, named),
        figure(
            "width",
            "Overparametrisation: the width that a pruner starts from",
            "Smallest nonzeros at a target, and the best accuracy at one number of weights. Crosses on the grey bar: "
            "no network of that width reaches the target. Black: the search.",
            partial(sizes.over_width, networks, named),
            said=judged([pruner_claims.width_hurts, pruner_claims.width_costs_accuracy]),
        ),
        figure(
            "connectivity",
            "What lies on no path",
            "Nonzeros that lie on no path from an input to the output, means over networks; units that have weights "
            "but lie on no such path. The search's networks have none, by how their masks are made. Over the width, "
            "for the units and in tables: the numbers of weights alone that all widths were asked for. Tables: "
            "percent of the nonzeros, in brackets the percentage of networks without any path.",
            partial(connected.disconnected, networks, named),
            said=judged([pruner_claims.pruners_disconnect]),
            shown=display.connectivity(networks, named),
        ),
        *(
            figure(
                f"networks_of_{_slug(group)}",
                f"Networks: {networks.title(group)}",
                "The smallest network of the search at its target, and the most accurate of the three pruners that do "
                "best with no more nonzeros, or hardly more, from any width. A square is a unit's activation over the "
                "plane (blue positive, orange negative, white 0, each on its own scale); a line a weight, as thick as "
                "it is large.",
                partial(pictures.of_initialisation, networks, group),
            )
            for group, _ in networks.groups()
        ),
        figure(
            "pruning_after_training",
            "Magnitude pruning after training",
            "Weights removed one by one, the smallest first, as long as the accuracy stays at the target: bars are "
            "quartiles, thick lines medians, dots networks (or the extremes of many); at the right how many networks "
            "reach the target. Widths of which none does are left out.",
            partial(after_training.removed, networks),
            said=judged([pruner_claims.pruning_removes_more, claims.gap_after_training]),
            shown={
                "": display.pruning_after_training(networks, named),
                **display.smallest_after_training(networks, named),
            },
        ),
        figure(
            "path_probability",
            "Random masks of wide networks have no path",
            f"Lines: the bound, the expected number of paths; dots: the share of {paths.SAMPLES:,} random masks that "
            "have one, with two standard errors, within which they may stand above the bound; left out where fewer "
            f"than {paths.FEWEST} have one. No training.",
            paths.path_probability,
            said=pruner_claims.paths_vanish(),
        ),
    ]


def _batch_orders(networks: Networks, named: Tables) -> Section:
    title = "Repetitions with other batch orders"
    shown = display.batch_orders(networks, named)
    if not shown:
        return Section(title, missing="No structure was trained with several orders of the batches.")
    text = (
        "The same structure and setting, trained again with other orders of the batches, and where the initialisation "
        "is random from other weights: near a target the outcome is chaotic. tables/batch_orders.csv has all masks and "
        "pruned networks that were repeated."
    )
    return Section(title, text, tables=shown)


def _phases(networks: Networks) -> str:
    """What stands in which row of the search."""
    words = "Each network is counted once here; elsewhere 'search' has the networks of both phases. "
    words += "Different but for seeds: without those that repeat others with other seeds."
    for group, _ in networks.groups():
        if networks.phase_1_alone(group):
            title = networks.title(group)
            words += f" {title[0].upper()}{title[1:]}: of the search phase 1 alone, so that 'search' and "
            words += "'search, structured' are the same networks."
    return words


def _slug(group: tuple[str, str]) -> str:
    """A group as a part of a file name."""
    return "_".join("".join(sign if sign.isalnum() else "_" for sign in word) for word in group).lower()


def _facts(networks: Networks) -> list[tuple[str, str]]:
    return [
        ("networks", f"{len(networks.every):,} sparse of {networks.found:,} trained and {networks.planned:,} planned"),
        ("diverged", f"{networks.diverged:,}; they count as not reaching a target"),
        ("nonzeros", "weights and biases that are not zero; a bias is kept if its unit has an outgoing weight"),
    ]


def _warnings(networks: Networks) -> list[str]:
    found = []
    for group, _ in networks.groups():
        if unlike := networks.unlike[group]:
            words = networks.title(group)
            found.append(
                f"{words[0].upper()}{words[1:]}. Not as in the paper: {'; '.join(unlike)}. Claims get no verdict here."
            )
    return [*found, *missing_networks(networks.planned, networks.found)]
