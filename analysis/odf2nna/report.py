"""The report of the ODF2NNA study: how far compression goes, against what, and what it depends on."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd

from analysis.odf2nna import claims, comparisons, display, sensitivity
from analysis.odf2nna.against_compression import against_compression
from analysis.odf2nna.networks import KEYS, REMOVED, RESULTS, Networks, prepare
from analysis.odf2nna.ranks import MEASURES
from analysis.odf2nna.tables import Tables
from analysis.odf2nna.without_loss import TOLERANCE
from analysis.report import Section, facts, figure_section, figures_folder, missing_networks, write, write_tables
from analysis.runs import Runs

COLUMNS = [  # of the record, that anything here reads
    *(*KEYS, "task", "max_epochs", "epochs", "status", "converged", *RESULTS, *REMOVED),
    *("compression", "criterion", "level", "compensation", "refinement", "scored_on"),
    *("sparsity", "nonzeros_asked", "parameters", "parameters_after", "units_left", "weights_in_mask"),
    *("weights", "connected_nonzeros", "disconnected_units", "refused", "exported_difference"),
    *("spec", "git_commit", "git_dirty"),
]


COMPENSATIONS = {
    "mean": "what they gave on average is added to the next layer's biases",
    "literal": "the sum of their biases is spread over their layer's other units",
    "none": "nothing stands for them",
}
CHOICE = (
    "A refined network with the best validation score is the best of many, while the original, the original trained on "
    "and the same units from scratch are one each, whose luck was not chosen. So the mean over levels, where nothing "
    "is chosen, stands beside it, and a verdict takes both; the best from scratch is chosen by validation rows as well."
)


def report(runs: Runs, out: Path) -> Path:
    """Write `tables/*.csv`, `figures/*.png` and `.svg`, and `report.html` under `out`; returns the path of the page.

    Raises ValueError where no network can be used and OSError where `out` cannot be written.
    """
    networks = prepare(runs)
    tables = Tables(networks)
    write_tables(out, tables.named())
    return write(
        out / "report.html",
        title="Optimizing Dense Feed-Forward Neural Networks: what the runs say",
        facts=facts(runs, _facts(networks)),
        warnings=_warnings(networks),
        sections=_sections(tables, figures_folder(out)),
    )


def _sections(tables: Tables, folder: Path) -> list[Section]:
    figure = partial(figure_section, folder)
    compensation = COMPENSATIONS[tables.networks.compensation]
    said = [*claims.removed_without_loss(tables), *claims.refined_beats(tables), *claims.better_than_rivals(tables)]
    return [
        Section(
            "What was trained",
            f"For units that go by a score, ODF2NNA's or another, {compensation}, where nothing else is said. The "
            "paper's summary can be read as if ODF2NNA summed biases; what each way does stands below. The authors of "
            "the other scores have no compensation. Merged units and single weights have their own way, or need none.",
            tables={"": display.trained(tables.networks)},
        ),
        Section(
            "The paper's claims",
            "Its tables could not be had. A verdict takes six data sets or more, and tests over data sets. Without "
            "loss is taken at its word, and then with a tolerance. That refined networks are better than the original "
            "says something of what was removed only where they are better than the original trained on as long, too. "
            + CHOICE,
            claims=said,
        ),
        figure(
            "without_loss",
            "Compression without loss",
            "The smallest network of each repeat that is no worse on validation rows, or no worse than by "
            f"{TOLERANCE:g} point of accuracy, or {TOLERANCE:g} % of the squared error; where there is none, the "
            "original. Scores are on test rows: percent of right answers, or squared error of a target of variance 1. "
            "ODF2NNA, any criterion, chooses among more networks than the others. Dashed: the paper's 70 %.",
            partial(comparisons.without_loss, tables),
            shown=display.compression(tables),
        ),
        figure(
            "curves",
            "Score against compression",
            "Means over repeats on test rows after the refinement, with 95 % intervals of the difference from the "
            "original, repeat by repeat: one that does not reach the original's line differs from it at 5 %. Methods "
            "that remove units are compared with the same units from scratch, others with as many weights at random "
            "places. What fails altogether goes off the panel.",
            partial(against_compression, tables),
        ),
        figure(
            "refined_against",
            "Refined against the original, trained on, and against scratch",
            "Paired by repeat; positive: the refined network is better. The original trained on loses nothing and "
            "trains as long as a refinement; from scratch: the same units, from random weights, for as many epochs in "
            f"all. {CHOICE} Bars: 95 % intervals. Intervals and p by Student's t; where each repeat draws its test "
            "rows anew, repeats share rows, and the variance is corrected for that (Nadeau and Bengio 2003).",
            partial(comparisons.refined_against, tables),
            shown=display.refined_against(tables),
        ),
        *(
            figure(
                f"ranks_{measure}",
                f"Methods ranked over data sets: {words}",
                "Average ranks, 1 is the best; a bar joins methods that Nemenyi's test does not tell apart. Table: "
                "each method's average rank against ODF2NNA's, p of their difference (Demšar 2006), also with Holm's "
                f"correction. All scores of units have one compensation here ({compensation}), which the authors of "
                f"the others do not have: so scores are ranked, not what was published. {display.constants(tables)}",
                partial(comparisons.critical_differences, tables, measure),
                shown=display.ranks(tables, measure),
            )
            for measure, words in MEASURES.items()
        ),
        Section(
            "What lies on no path",
            "Where single weights go, units may keep weights and yet lie on no path from an input to an output. With "
            "no path a network is constant: the biases of its outputs alone decide. Numbers of networks.",
            tables={"": lost} if len(lost := display.paths(tables)) else {},
            missing="" if len(lost) else "No network has units on no path.",
        ),
        figure(
            "epsilon",
            "Sensitivity to epsilon",
            "Units go whose standard deviation is at most epsilon, itself or relative to the layer's largest; or a "
            "share of each layer. What loses most goes off the panel.",
            partial(sensitivity.by_epsilon, tables),
        ),
        figure(
            "refinement",
            "Sensitivity to the length of the refinement",
            "0 is before it.",
            partial(sensitivity.by_refinement, tables),
        ),
        Section(
            "Compensation for removed units",
            "How much better than the original, medians over data sets: by the mean output of what goes, by its biases "
            "as the paper's summary can be read, and without.",
            tables={"": shown} if len(shown := display.compensations(tables)) else {},
            missing="" if len(shown) else "Units were compensated for in one way only.",
        ),
        Section(
            "Exported networks",
            "Kept as ONNX and state dict in their records and as models in MLflow: of each repeat ODF2NNA's smallest "
            f"network without loss on validation rows, or where there is none, within {TOLERANCE:g} point of accuracy "
            f"or {TOLERANCE:g} % of the squared error. A repeat without either has none. Scores are on test rows.",
            tables={"": kept} if len(kept := display.exported(tables.networks)) else {},
            missing="" if len(kept) else "No network was exported: the group `chosen` has not run, or all lose more.",
        ),
    ]


def _facts(networks: Networks) -> list[tuple[str, str]]:
    return [
        ("networks", f"{networks.found:,} trained of {networks.planned:,} planned"),
        ("diverged", f"{networks.diverged:,}; they are left out"),
        ("refinement", f"{100 * networks.refinement:g} % of the epochs, where nothing else is said"),
        ("compensation", f"{networks.compensation}, where nothing else is said"),
    ]


def _refused(emptied: pd.DataFrame) -> str:
    """Which networks would have lost all units of a layer, and one of them in full."""
    words = []
    for (dataset, criterion), own in emptied.groupby(["dataset", "criterion"], sort=False):
        levels = ", ".join(f"{level:g} ({n})" for level, n in zip(own["level"], own["n"], strict=True))
        words.append(f"{dataset}, {criterion} {levels}")
    said = emptied["said"].dropna()
    first = f" The first: {said.iloc[0]}." if len(said) else ""
    count = emptied["n"].sum()
    return (
        f"{count:,} networks would have lost all units of a layer, which their rule refuses: {'; '.join(words)}.{first}"
    )


def _warnings(networks: Networks) -> list[str]:
    found = []
    unfinished = networks.originals[~networks.originals["converged"]].groupby("dataset").size()
    if len(unfinished):
        words = ", ".join(f"{name} ({count})" for name, count in unfinished.items())
        found.append(
            f"Originals whose validation loss was smallest in the last epoch, and might fall further: {words}."
        )
    if len(networks.emptied):
        found.append(_refused(networks.emptied))
    return [*found, *missing_networks(networks.planned, networks.found)]
