"""The report of the frivolous-units study: a section for each panel of the paper that a sweep has networks of."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from analysis.frivolous import ablation, claims, curves, display, narrowed, untrained, visualizations
from analysis.frivolous.axes import fraction
from analysis.frivolous.networks import FACTORS, MEASURED, SEEDS, TOLERANCES, Networks, Tolerances, prepare
from analysis.frivolous.panels import PANELS
from analysis.frivolous.tables import MAIN, Tables
from analysis.report import Section, facts, figure_section, figures_folder, missing_networks, write, write_tables
from analysis.runs import Runs

COLUMNS = [  # of the record, that anything here reads
    *("dataset", "architecture", "width", *FACTORS, *SEEDS, "status", "epochs", "stopped_epoch"),
    *("validation_accuracy", "validation_size", "test_accuracy", "curve_epoch", "curve_train_accuracy"),
    *(*MEASURED, "spec", "git_commit", "git_dirty"),
]
ABLATED = ("fig_4c", "fig_4a", "fig_4d", "fig_3ab", "other")  # panels whose curves of ablation are shown
FRIVOLOUS = ("prunability", "redundancy")
OTHERS = ("non_prunability", "non_redundancy")
SHARES = (
    "Shares of the units of the network four times as wide; bands are one standard deviation over networks, for "
    "redundancy also over repeats and layers. Dashed: published. What grows as the width is parallel to the grey "
    "line. g: mean growth where the width doubles. A network may stand in several panels."
)
Group = tuple[str, str]


def report(runs: Runs, out: Path, tolerances: Tolerances = TOLERANCES) -> Path:
    """Write `tables/*.csv`, `figures/*.png` and `.svg`, and `report.html` under `out`; returns the path of the page.

    Raises ValueError where no network can be used and OSError where `out` cannot be written.
    """
    networks = prepare(runs, tolerances)
    tables = Tables(networks)
    write_tables(out, tables.named())
    return write(
        out / "report.html",
        title="Frivolous Units: what the runs say",
        facts=facts(runs, _facts(networks)),
        warnings=_warnings(networks, tables),
        sections=_sections(tables, figures_folder(out)),
    )


def _sections(tables: Tables, folder: Path) -> list[Section]:
    figure = partial(figure_section, folder)
    main = tables.groups(MAIN)
    appendix = [group for group in tables.groups() if group[0] not in MAIN and _compares(tables, group)]
    sections = [Section("What was trained", tables={"": display.trained(tables.networks)})]
    sections += [
        Section(
            "The paper's claims",
            "Verdicts where the data, the widths and the length of training are the paper's.",
            claims=[
                *claims.judged(
                    tables,
                    main,
                    [
                        claims.frivolous_units_outgrow,
                        claims.others_grow_less,
                        claims.random_labels_are_memorised,
                        claims.initializers_trade,
                        claims.high_variance_and_many_inputs,
                    ],
                ),
                *claims.judged(tables, [*main, *appendix], [claims.inside_published]),
            ],
        )
    ]
    pictured = [group for group in (*main, *appendix) if group[0] in curves.PICTURED]
    sections.append(
        figure(
            "accuracy",
            "Figure 1. Test accuracy by width",
            "Mean over networks; bands are one standard deviation. Dashed: published.",
            partial(curves.accuracy, tables, pictured),
            said=claims.judged(tables, pictured, [claims.accuracy_does_not_degrade]),
        )
    )
    for group in tables.groups(ABLATED):
        # The paper shows them of AlexNet by initialiser.
        first, second = ("Figure 2a, b. ", "Figure 2c, d. ") if group[0] == "fig_4c" else ("", "")
        sections += [
            figure(
                f"ablation_of_{_slug(group)}",
                f"{first}Answers while units are removed: {_title(tables, group)}",
                "Units of all hidden layers at random; at each share the most answers of the three repeats, mean over "
                "networks, bands are one standard deviation. Crosses: published. Prunability is read where the best "
                "single repeat of a network falls below 80 %.",
                partial(ablation.unchanged_answers, tables, group),
            ),
            figure(
                f"correlations_of_{_slug(group)}",
                f"{second}Correlations of units: {_title(tables, group)}",
                "|Correlation| of the outputs of two units of a layer on the test set, over pairs of units. Short bars "
                "at the bottom: means; dashed: published means. Table: means by layer, published in brackets.",
                partial(ablation.correlations, tables, group),
                shown={"": display.correlation(tables, group)},
            ),
        ]
    for group in (*main, *appendix):
        sections.append(
            figure(
                f"frivolous_of_{_slug(group)}",
                _title(tables, group),
                SHARES,
                partial(curves.frivolous, tables, group, FRIVOLOUS),
                shown={
                    "Gains": display.gains(tables, group),
                    "By width (published in brackets)": display.frivolity(tables, group, FRIVOLOUS),
                },
            )
        )
    for group in main:
        sections.append(
            figure(
                f"others_of_{_slug(group)}",
                f"Units that are not frivolous: {_title(tables, group)}",
                "As above: all units but the prunable, and all but the redundant ones.",
                partial(curves.frivolous, tables, group, OTHERS),
                shown={"": display.frivolity(tables, group, OTHERS)},
            )
        )
    for group in main:
        if len(shown := display.narrowing(tables, group)):
            sections.append(
                figure(
                    f"narrowed_of_{_slug(group)}",
                    f"Without their frivolous units: {_title(tables, group)}",
                    "All prunable units are excised, or the redundant ones taken out with their outgoing weights given "
                    "to the others. Chosen by validation images, judged by test images, mean over networks; "
                    "bands are one standard deviation of the change.",
                    partial(narrowed.accuracies, tables, group),
                    shown={"": shown},
                )
            )
    for group in main:
        sections += _visualizations(tables, group, figure)
    sections.append(
        figure(
            "random_networks",
            "Networks that are not trained",
            f"Dense networks with one hidden layer of {untrained.UNITS} units at width 1, as they are drawn; bands are "
            "one standard deviation. No run is needed for this.",
            curves.random_networks,
            said=claims.random_networks_are_proportional(),
        )
    )
    sections.append(
        Section(
            "Other tolerances",
            "How many answers may change until units no longer count as prunable, and which share of the variance may "
            "stay unexplained for redundant ones; prunability by positions of feature maps where it was measured.",
            tables={_title(tables, group): table for group in main if len(table := display.tolerances(tables, group))},
        )
    )
    return sections


def _visualizations(tables: Tables, group: Group, figure: Callable[..., Section]) -> list[Section]:
    """Figure 5, where a panel has networks of which images were looked for."""
    lines = [line for line in tables.of(group) if len(line.units)]
    if not lines:
        return []
    found = [
        figure(
            f"variation_of_{_slug(group)}",
            f"Interpretability: {_title(tables, group)}",
            "Total variation of the images that excite units, by hidden layer: the lower, the easier to interpret. "
            "Boxes are quartiles, whiskers reach 1.5 times as far; p of a rank-based permutation test between the "
            "narrowest and the widest networks, not corrected for how many there are. Units that no image excites are "
            "left out.",
            partial(visualizations.variations, tables, group),
            said=claims.judged(tables, [group], [claims.interpretability_has_no_trend]),
            shown={"": display.interpretability(tables, group)},
        )
    ]
    figure_5 = "Figure 5. " if group[0] == "fig_3ab" else ""  # of networks for ImageNet
    found += [
        figure(
            f"images_of_{_slug(group)}_{number}",
            f"{figure_5}Images that excite units: {' '.join(filter(None, [_title(tables, group), line.name]))}",
            "Of eight units of a layer, drawn at random, in a network of the narrowest and of the widest.",
            partial(visualizations.images, line),
        )
        for number, line in enumerate(lines, start=1)
    ]
    return found


def _title(tables: Tables, group: Group) -> str:
    """A panel in words; with the data set where a panel has several."""
    datasets = [dataset for panel, dataset in tables.groups() if panel == group[0]]
    return curves.TITLES[group[0]] + (f" ({group[1]})" if len(datasets) > 1 else "")


def _compares(tables: Tables, group: Group) -> bool:
    """Whether a panel has more than the one curve that another panel shows as well."""
    return len(tables.of(group)) > 1 or tables.of(group)[0].layer is None


def _slug(group: Group) -> str:
    """A panel and data set as a part of a file name."""
    return "_".join(group)


def _facts(networks: Networks) -> list[tuple[str, str]]:
    used = networks.tolerances
    positions = "; each position of a feature map is a unit" if used.by_position else ""
    return [
        ("networks", f"{len(networks.used):,} used of {networks.found:,} trained and {networks.planned:,} planned"),
        ("diverged", f"{networks.diverged:,}; they are left out"),
        ("prunable", f"at most {100 * used.changed:g} % of the answers change; the best of the repeats{positions}"),
        (
            "redundant",
            f"as many as the smallest principal components with {100 * used.unexplained:g} % of the variance",
        ),
    ]


def _warnings(networks: Networks, tables: Tables) -> list[str]:
    found = []
    for group in tables.groups():
        own = tables.of(group)
        if group[0] == "other":
            continue
        said = []
        for reason in dict.fromkeys(reason for line in own for reason in line.unlike):
            who = [line.name or "all curves" for line in own if reason in line.unlike]
            whom = "" if len(who) == len(own) else f" for {'; '.join(who)}"
            said.append(f"unlike the paper ({reason}): no published values and no verdicts{whom}")
        if short := [line.name or "all curves" for line in own if line.short]:
            said.append(f"trained for fewer epochs than the paper's: {'; '.join(short)}")
        if fewer := [line.name or "all curves" for line in own if _fewest(line.networks) < line.panel.seeds]:
            said.append(f"fewer networks a point than the paper's {own[0].panel.seeds}: {'; '.join(fewer)}")
        there = {line.curve.name for line in own}
        if absent := [curve.name for curve in own[0].panel.curves if curve.name not in there]:
            said.append(f"curves are missing: {'; '.join(absent)}")
        if edges := _at_the_edge(tables, group):
            said.append(
                f"the best learning rate is the smallest or the largest that was tried: {'; '.join(edges)} "
                "(tables/choices.csv)"
            )
        if without := _missing(own):
            said.append(f"widths are missing: {'; '.join(without)}")
        if said:
            found.append(f"{_title(tables, group)}. {'. '.join(each[0].upper() + each[1:] for each in said)}.")
    absent = [panel.title for panel in PANELS if panel.name not in {name for name, _ in tables.groups()}]
    if absent:
        found.append(f"This sweep has no networks of: {'; '.join(absent)}.")
    return [*found, *missing_networks(networks.planned, networks.found)]


def _fewest(networks) -> int:
    return int(networks.groupby("width").size().min())


def _at_the_edge(tables: Tables, group: Group) -> list[str]:
    """Curves and widths whose learning rate may not be the best there is."""
    rows = curves.of_group(tables.choices, group)
    rows = rows[rows["at_edge"] & rows["setting"].eq("learning_rate")]
    return [
        f"{curve or 'all curves'} at {', '.join(f'{fraction(width)}×' for width in part['width'])}"
        for curve, part in rows.groupby("curve", sort=False)
    ]


def _missing(own: list) -> list[str]:
    found = []
    for line in own:
        widths = [f"{width:g}×" for width in line.curve.widths if not (line.networks["width"] == width).any()]
        if widths:
            found.append(f"{line.name or 'all curves'} without {', '.join(widths)}")
    return found
