"""The report of the ODF2NNA study: how far compression goes, against what, and what it depends on."""

from __future__ import annotations

from functools import partial
from pathlib import Path

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
    *("spec", "git_commit", "git_dirty"),
]


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
    said = [*claims.removed_without_loss(tables), *claims.refined_beats(tables), *claims.better_than_rivals(tables)]
    return [
        Section("What was trained", tables={"": display.trained(tables.networks)}),
        Section(
            "The paper's claims",
            "Its tables could not be had. A verdict takes six data sets or more, and tests over data sets. Without "
            "loss is taken at its word, and then with a tolerance. That refined networks are better than the original "
            "says something of what was removed only where they are better than the original trained on as long, too.",
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
            "all. Bars: 95 % intervals. Intervals and p by Student's t; where each repeat draws its test rows anew, "
            "repeats share rows, and the variance is corrected for that (Nadeau and Bengio 2003).",
            partial(comparisons.refined_against, tables),
            shown=display.refined_against(tables),
        ),
        *(
            figure(
                f"ranks_{measure}",
                f"Methods ranked over data sets: {words}",
                "Average ranks, 1 is the best; a bar joins methods that Nemenyi's test does not tell apart. Table: "
                "each method's average rank against ODF2NNA's, p of their difference (Demšar 2006), also with Holm's "
                "correction.",
                partial(comparisons.critical_differences, tables, measure),
                shown=display.ranks(tables, measure),
            )
            for measure, words in MEASURES.items()
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
    ]


def _facts(networks: Networks) -> list[tuple[str, str]]:
    return [
        ("networks", f"{networks.found:,} trained of {networks.planned:,} planned"),
        ("diverged", f"{networks.diverged:,}; they are left out"),
        ("refinement", f"{100 * networks.refinement:g} % of the epochs, where nothing else is said"),
    ]


def _warnings(networks: Networks) -> list[str]:
    found = []
    unfinished = networks.originals[~networks.originals["converged"]].groupby("dataset").size()
    if len(unfinished):
        words = ", ".join(f"{name} ({count})" for name, count in unfinished.items())
        found.append(
            f"Originals whose validation loss was smallest in the last epoch, and might fall further: {words}."
        )
    if networks.emptied:
        found.append(f"{networks.emptied:,} networks lost all units of a layer, which their rule refuses.")
    return [*found, *missing_networks(networks.planned, networks.found)]
