"""The report of the density study: tables, Figures 1 to 8, and each claim of the paper beside what the runs say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from analysis.density import claims, curves, display, functions, hypotheses, sizes
from analysis.density.claims import Tables
from analysis.density.networks import READING, SEEDS, SETTINGS, Networks, prepare, type_name
from analysis.density.published import MODEL_TYPE, TABLE_2, unlike_the_paper
from analysis.density.tables import tables
from analysis.report import Claim, Section, facts, figure_section, figures_folder, missing_networks, write, write_tables
from analysis.runs import Runs

COLUMNS = [  # of the record, that anything here reads
    *(*MODEL_TYPE, "width", "initializer", *SEEDS, *SETTINGS),
    *("status", "converged", "stopped_epoch", "validation_loss", "validation_accuracy"),
    *("parameters", "weights", "table1_count"),
    *("curve_epoch", "curve_validation_loss", "curve_validation_accuracy"),
    *("prune_removed", "prune_weights_left", "prune_validation_accuracy", "prune_validation_loss"),
    *("overlap", "activations", "correctness", "validation_size"),
    *("git_commit", "git_dirty"),
]
UNTRAINED = 0.5  # validation accuracy below which a type's densities are not worth reading

Picture = Callable[[Networks], Figure]
Says = Callable[[Networks, Tables], list[Claim]]

# Name of the file, title, text, picture, claims.
FIGURES: list[tuple[str, str, str, Picture, list[Says]]] = [
    (
        "figure_1_validation_accuracy",
        "Figure 1. Validation accuracy during training",
        "Mean over networks; the band is one standard deviation. A network that has stopped keeps its last value.",
        curves.training_accuracy,
        [claims.mlps_are_accurate],
    ),
    (
        "figure_2_validation_loss",
        "Figure 2. Validation loss during training",
        "As Figure 1. Crosses: mean epoch whose weights were kept, and mean loss there.",
        curves.training_loss,
        [claims.he_is_faster],
    ),
    (
        "figure_3_pruning_trajectories",
        "Figure 3. Accuracy while the smallest weights of each layer are removed",
        "Mean over networks; the band is one standard deviation. No retraining.",
        curves.pruning,
        [claims.underparametrized, claims.overparametrized, claims.curves_by_optimizer],
    ),
    (
        "figure_4_density_distributions",
        "Figure 4. Distribution of effective density",
        "Kernel density estimate per width, ticks are networks; lines alone where a width has fewer than five.",
        sizes.distributions,
        [claims.densities_overlap],
    ),
    (
        "figure_5_absolute_sizes",
        "Figure 5. Size of the architecture and of its core",
        "Weights in Table 1's way of counting, on a logarithmic scale; bars are one standard deviation.",
        sizes.absolute_sizes,
        [claims.pruned_is_larger_than_unpruned, claims.core_grows],
    ),
    (
        "figure_6_initializers",
        "Figure 6. Effective density by initializer",
        "Dots are means, bars one standard deviation.",
        sizes.initializers,
        [claims.he_is_denser],
    ),
    (
        "figure_7_mlp_functions",
        "Figure 7. t-SNE of correctness vectors, MLP",
        "One dot a network, one data seed: near dots are right and wrong on the same validation images.",
        functions.mlp_functions,
        [hypotheses.wide_mlps_agree],
    ),
    (
        "figure_8_conv2_adam_functions",
        "Figure 8. t-SNE of correctness vectors, Conv-2 with Adam",
        "As Figure 7.",
        functions.conv_functions,
        [hypotheses.conv_functions_show_no_pattern],
    ),
    (
        "activations",
        "Activations (section 5.3)",
        "Hoyer sparsity of activations and class selectivity of units, by layer; bars are one standard deviation.",
        functions.activations,
        [hypotheses.activations_by_optimizer],
    ),
]


def report(runs: Runs, out: Path) -> Path:
    """Write `tables/*.csv`, `figures/*.png` and `.svg`, and `report.html` under `out`; returns the path of the page.

    Raises ValueError where no network can be used and OSError where `out` cannot be written.
    """
    networks = prepare(runs)
    named, notes = tables(networks)
    write_tables(out, named)
    settings = Section("What was trained, and how", tables={"": display.settings(networks)})
    densities, variance, overlap, readings, parameters = _table_sections(networks, named, notes)
    figures = _figure_sections(networks, named, figures_folder(out))
    sections = [settings, densities, *figures[:6], variance, overlap, *figures[6:], readings, parameters]
    return write(
        out / "report.html",
        title="The Propensity for Density in Feed-forward Models: what the runs say",
        facts=facts(runs, _facts(networks)),
        warnings=_warnings(networks),
        sections=[replace(each, claims=claims.that_can_be_judged(networks, each.claims)) for each in sections],
    )


def _facts(networks: Networks) -> list[tuple[str, str]]:
    left_out = f"{networks.diverged} diverged, {networks.not_finite} with a trajectory that is not finite or missing"
    limit = f"more than {READING.tolerance:g} ({'relative' if READING.relative else 'absolute'})"
    step = READING.step.replace("_", " ")
    return [
        ("networks", f"{len(networks.used)} used of {networks.found} trained and {networks.planned} planned"),
        ("left out", left_out),
        ("not converged", _not_converged(networks)),
        ("effective density", f"weights left at the {step} step, where {READING.score} is worse by {limit}"),
    ]


def _not_converged(networks: Networks) -> str:
    late = networks.used[~networks.used["converged"]]
    minimum, accuracy = (int((late["stopping"] == rule).sum()) for rule in ("validation_minimum", "best_accuracy"))
    waiting = f"{accuracy} before their accuracy stood still, " if accuracy else ""
    return (
        f"{len(late) - minimum - accuracy} ran out of epochs before their loss target, {waiting}{minimum} had their "
        "smallest validation loss in the last epoch; all are used as they ended"
    )


def _warnings(networks: Networks) -> list[str]:
    found = []
    other = sorted({type_name(networks, key) for key, _ in networks.types() if key[:3] not in TABLE_2})
    if other:
        found.append(f"Not in the paper: {'; '.join(other)}. No published values stand beside these.")
    for key, group in networks.types():
        said = []
        if key[:3] in TABLE_2 and (unlike := unlike_the_paper(key[:3], group)):
            said.append(f"Not as in the paper: {'; '.join(unlike)}.")
        accuracy = group.groupby("width")["validation_accuracy"].mean()
        untrained = accuracy[accuracy < UNTRAINED]
        if len(untrained):
            values = ", ".join(f"{100 * mean:.0f} % at {width:g}×" for width, mean in untrained.items())
            said.append(
                f"Hardly trained: validation accuracy {values}; where there is little to lose, density says little."
            )
        if not (group["width"] == 1).any():
            said.append("No null hypothesis: it takes networks of width 1 with the same seeds.")
        found += [f"{type_name(networks, key)}. {' '.join(said)}"] if said else []
    return [*found, *missing_networks(networks.planned, networks.found)]


def _figure_sections(networks: Networks, named: Tables, folder: Path) -> list[Section]:
    sections = []
    for name, title, text, picture, says in FIGURES:
        said = [claim for one in says for claim in one(networks, named)]
        papers = [claim.paper for claim in said]
        said.sort(key=lambda claim: papers.index(claim.paper))
        sections.append(figure_section(folder, name, title, text, partial(picture, networks), said=said))
    return sections


def _table_sections(networks: Networks, named: Tables, notes: list[str]) -> list[Section]:
    densities = Section(
        "Table 2. Effective density, percent",
        "Mean ± standard deviation. Under the null hypothesis the core is as large as that of the twin of width 1 "
        "with the same seeds and initializer, by Table 1's count; at most 100, and where all of it is 100, any "
        "density below differs. Student's unpaired t-test, two-tailed.",
        claims=claims.null_hypothesis_fails(networks, named),
        tables={"": display.densities(networks, named["effective_density"])},
    )
    variance = Section(
        "Analysis of variance",
        "Type II sums of squares; pruned sizes in Table 1's way of counting. " + " ".join(notes),
        tables={"": display.anova(networks, named["anova"])} if len(named["anova"]) else {},
    )
    overlap = Section(
        "Tables 3 and 4. Overlap of the smallest 40 % of weights before (A) and after (B) training, percent",
        "Glorot only, as in the paper. |A∩B| over all weights, as the paper defines it, is 40 % at most, and Table 4 "
        "has 59 %: so all readings stand here. Chance: what two independent masks would give.",
        claims=hypotheses.overlap_readings(networks, named),
        tables=display.overlap(networks, named["overlap"]),
    )
    readings = Section(
        "Effective density under other readings of the threshold, percent",
        "A 5 % decrease may be absolute or relative, of accuracy or (an increase) of loss, read at the first failing "
        "or the last passing step.",
        tables={"": display.readings(networks, named["readings"])},
    )
    parameters = Section(
        "Table 1. Sizes",
        "True count: all trainable numbers; weights: those that are pruned (the kernels). Table 1's way of counting "
        "differs from both for convolutions.",
        tables={"": display.parameters(named["parameters"])},
    )
    return [densities, variance, overlap, readings, parameters]
