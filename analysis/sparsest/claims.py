"""What is known of the paper's claims, and what the runs say: one function a claim, one sentence a group of networks.

A claim on a search or a gap is judged where the side that loses had as many networks as in the paper; none is where
networks were trained otherwise than the paper's.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from analysis.report import Claim
from analysis.sparsest import coverage, methods, paths
from analysis.sparsest.axes import common_width
from analysis.sparsest.networks import Networks, of_group
from analysis.sparsest.published import RANDOM, SPARSEST, TARGETS, WINNERS, Winner
from analysis.sparsest.tables import Tables

FEWEST_TRAININGS = 30  # of a structure that never reaches its target: six settings with five orders of the batches
FEWEST_PRUNED = 10  # networks that a share may stand for

Group = tuple[str, str]
Says = Callable[[Networks, Tables, Group], list[Claim]]


def judged(networks: Networks, tables: Tables, says: list[Says]) -> list[Claim]:
    """The claims of every group, those of one kind together; no verdict where a group cannot speak for the paper."""
    found = []
    for say in says:
        for group, _ in networks.groups():
            for claim in say(networks, tables, group):
                verdict = claim.agrees if networks.is_published(group) else None
                where = networks.title(group)
                found.append(Claim(claim.paper, f"{where[0].upper()}{where[1:]}: {claim.here}", verdict))
    papers = [claim.paper for claim in found]
    return sorted(found, key=lambda claim: papers.index(claim.paper))


def winners_suffice(networks: Networks, tables: Tables, group: Group) -> list[Claim]:
    """Whether the structures that the paper's phase 1 ended with reach their target, over all trainings of them."""
    claims = []
    for winner in _winners(group):
        paper = f"{winner.nonzeros} nonzeros, all of the structure {winner.dims}, suffice for {winner.target:g} %."
        rows = _structured(networks, group)
        rows = rows[rows["structure"] == winner.structure]
        if rows.empty:
            claims.append(Claim(paper, "that structure was not trained."))
            continue
        best, reached = rows["accuracy"].max(), int((rows["accuracy"] >= winner.target).sum())
        here = f"{reached} of {len(rows)} trainings of it reach {winner.target:g} %, the best has {best:.2f} %"
        few = not reached and len(rows) < FEWEST_TRAININGS
        here += "; too few to tell, for they differ from one repetition to the next." if few else "."
        claims.append(Claim(paper, here, None if few else bool(reached)))
    return claims


def smallest_structure(networks: Networks, tables: Tables, group: Group) -> list[Claim]:
    """Whether any structure below the paper's smallest reaches the target."""
    claims = []
    for winner in _winners(group):
        paper = f"No structure with fewer than {winner.nonzeros} nonzeros reaches {winner.target:g} %."
        rows = _structured(networks, group)
        smaller = rows[rows["nonzeros"] < winner.nonzeros]
        tried, there_are = smaller["structure"].nunique(), coverage.structures_below(winner.nonzeros)
        reached = smaller[smaller["accuracy"] >= winner.target].sort_values("nonzeros", kind="stable")
        if smaller.empty:
            claims.append(Claim(paper, "no smaller structure was trained."))
        elif len(reached):
            first = reached.iloc[0]
            here = f"{first['structure']} with {first['nonzeros']} nonzeros does ({first['accuracy']:.2f} %)."
            claims.append(Claim(paper, here, False))
        else:
            here = f"none of {tried} tried (there are {there_are}); the best has {smaller['accuracy'].max():.2f} %."
            claims.append(Claim(paper, here, True if tried == there_are else None))
    return claims


def few_nonzeros(networks: Networks, tables: Tables, group: Group) -> list[Claim]:
    """The sparsest networks of all; the pairing of the two numbers with the targets is a reading."""
    claims = []
    for target in TARGETS if group[1] == RANDOM else ():
        size = _search(tables, group, target)
        paper = "As few as 30 to 45 nonzeros reach high accuracy (read as: 30 for 95 %, 45 for 99.5 %)."
        if size is None:
            here = f"none of the search's networks reaches {target:g} %."
        else:
            here = f"the search needs {size:.0f} for {target:g} %."
        here += coverage.search_in_words(networks, group)
        agrees = size is not None and size <= SPARSEST[target]
        claims.append(
            Claim(paper, here, True if agrees else False if coverage.searched_as_much(networks, group) else None)
        )
    return claims


def search_beats_pruners(networks: Networks, tables: Tables, group: Group) -> list[Claim]:
    """The gap between the search and the best pruner, at any width."""
    claims = []
    for target in TARGETS:
        size = _search(tables, group, target)
        pruned = _rows(tables["sparsest"], group, target)
        pruned = pruned[methods.pruned(pruned)]
        if pruned.empty or size is None:
            continue
        paper = f"Every pruner needs more nonzeros than the search for {target:g} %, even at the best width."
        best = pruned.sort_values("nonzeros", kind="stable").groupby("method", sort=False).first()
        reached = best["nonzeros"].dropna().astype(int)
        listed = ", ".join(f"{methods.look(str(name)).name} {count}" for name, count in reached.items())
        failed = len(best) - len(reached)
        here = f"the search {size:.0f}; " + (listed or "none of the pruners reaches it")
        here += f"; {failed} more {'do' if failed > 1 else 'does'} not reach it." if failed and len(reached) else "."
        here += coverage.search_in_words(networks, group) + coverage.pruning_in_words(networks, group)
        # Fewer networks than the paper's can only do worse: what still wins has won, what loses says nothing.
        verdict = bool((reached > size).all())
        enough = coverage.pruned_as_much(networks, group) if verdict else coverage.searched_as_much(networks, group)
        claims.append(Claim(paper, here, verdict if enough else None))
    return claims


def pruners_disconnect(networks: Networks, tables: Tables, group: Group) -> list[Claim]:
    """How many pruned networks have units on no path; judged by whether most networks of most methods do."""
    rows = _rows(tables["connectivity"], group)
    width = common_width(rows)
    rows = rows[methods.pruned(rows) & (rows["width"] == width)]
    if rows.empty:
        return []
    listed = ", ".join(
        f"{methods.look(name).name} {share:.0f} %"
        for name, share in zip(rows["method"], rows["with_disconnected_units"], strict=True)
    )
    here = f"share of networks with disconnected units at width {width:g}: {listed}."
    paper = "Pruners leave units that lie on no path from an input to the output."
    return [Claim(paper, here, bool((rows["with_disconnected_units"] > 50).mean() > 0.5))]


def width_hurts(networks: Networks, tables: Tables, group: Group) -> list[Claim]:
    """Whether the smallest nonzeros grow with the width, by rank, over the widths that were asked for as many weights.

    Narrower ones cannot be as good: they do not have the weights. Not to be reached is larger than any number.
    """
    claims = []
    asked = _rows(tables["accuracy"], group)
    asked = asked[methods.pruned(asked)].groupby("width")["weights"].max()
    widths = sorted(asked.index[asked == asked.max()])
    for target in TARGETS if len(widths) > 1 else ():
        rows = _rows(tables["sparsest"], group, target)
        rows = rows[methods.pruned(rows) & rows["width"].isin(widths)]
        trends = {
            methods.look(str(name)).name: _trend(own["width"], own["nonzeros"].astype(float).fillna(float("inf")))
            for name, own in rows.groupby("method")
        }
        worse, better = [name for name in trends if trends[name] > 0], [name for name in trends if trends[name] < 0]
        if worse or better:
            paper = "Starting from a wider network harms most pruners."
            here = f"from width {widths[0]:g} to {widths[-1]:g}, {target:g} % takes more nonzeros with "
            here += f"{', '.join(worse) or 'no pruner'}, and fewer with {', '.join(better) or 'none'}."
            claims.append(Claim(paper, here, len(worse) > len(better)))
    return claims


def pruning_removes_more(networks: Networks, tables: Tables, group: Group) -> list[Claim]:
    """Whether trained networks can still lose weights: pruned ones, and the search's structured winner."""
    claims = []
    for target in TARGETS:
        rows = _rows(tables["pruning_after_training"], group, target)
        rows = rows[methods.pruned(rows)]
        if len(rows):
            number = int(rows["n"].sum())
            share = float((rows["prunable"] * rows["n"]).sum() / number)
            most = rows.loc[rows["removed_max"].idxmax()]
            where = f"{methods.look(most['method']).name}, width {most['width']:g}"
            here = f"of {number:,} pruned networks that reach {target:g} %, {share:.0f} % can lose weights and stay "
            here += f"above it; at most {most['removed_max']:.0f} ({where})."
            paper = "Pruners forgo sparsity: magnitude pruning after training removes more."
            claims.append(Claim(paper, here, share > 50 if number >= FEWEST_PRUNED else None))
    for winner in _winners(group):
        table = _rows(tables["pruning_after_training"], group, winner.target)
        table = table[table["method"] == methods.STRUCTURED]
        if len(table):
            row = table.iloc[0]
            paper = "The structured networks of phase 1 can be pruned further after training."
            here = f"of {row['n']:,} that reach {winner.target:g} %, {row['prunable']:.0f} % can lose weights, "
            here += f"the median {row['removed_median']:.0f}."
            claims.append(Claim(paper, here, bool(row["removed_median"] > 0)))
    return claims


def paths_vanish() -> list[Claim]:
    """The theorem of section L, by simulation; it needs no networks."""
    table = paths.probabilities()
    error = 4 * (table["bound"] * (1 - table["bound"]) / paths.SAMPLES) ** 0.5
    below = bool((table["simulated"] <= table["bound"] + error).all())
    before = table.groupby(["distribution", "weights"])["simulated"].shift()
    noise = 4 * (2 * before * (1 - before) / paths.SAMPLES) ** 0.5 + 4 / paths.SAMPLES
    falls = not (table["simulated"] > before + noise).any()
    widest = table[table["width"] == max(paths.WIDTHS)]["simulated"].max()
    here = f"Simulated at {', '.join(map(str, paths.WEIGHTS))} weights: the share of masks with a path "
    here += "falls with the width" if falls else "does not always fall with the width"
    here += f", to at most {widest:.4f} at width {max(paths.WIDTHS)}, "
    here += "and never exceeds the bound." if below else "and sometimes exceeds the bound."
    paper = "With a fixed number of weights, the probability of a connected path goes to 0 as the width grows."
    return [Claim(paper, here, below and falls)]


def _trend(widths: pd.Series, sizes: pd.Series) -> float:
    """Rank correlation of the sizes with the widths; 0 where they do not differ."""
    return float(widths.rank().corr(sizes.rank())) if sizes.nunique() > 1 else 0.0


def _winners(group: Group) -> list[Winner]:
    return [winner for winner in WINNERS if winner.start == group[1]]


def _structured(networks: Networks, group: Group) -> pd.DataFrame:
    return _rows(networks.by_method, group).loc[lambda rows: rows["method"] == methods.STRUCTURED]


def _rows(table: pd.DataFrame, group: Group, target: float | None = None) -> pd.DataFrame:
    rows = of_group(table, group)
    return rows if target is None else rows[rows["target"] == target]


def _search(tables: Tables, group: Group, target: float) -> float | None:
    """The search's smallest nonzeros at a target; None where there is no search or it does not reach it."""
    rows = _rows(tables["sparsest"], group, target)
    sizes = rows[rows["method"] == methods.SEARCH]["nonzeros"].dropna()
    return float(sizes.min()) if len(sizes) else None
