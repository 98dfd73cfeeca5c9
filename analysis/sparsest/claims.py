"""What is known of the paper's claims on its search, and what the runs say: one function a claim.

A claim on a search or a gap is judged where the side that loses had as many networks as in the paper; none is where
networks were trained otherwise than the paper's.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from analysis.report import Claim
from analysis.sparsest import coverage, methods
from analysis.sparsest.networks import Networks, of_group, span
from analysis.sparsest.published import RANDOM, SPARSEST, TARGETS, WINNERS, Winner
from analysis.sparsest.tables import Tables

SETTINGS = 6  # of a structure in the paper: two learning rates with three schedules
FEWEST_TRAININGS = 30  # of a structure that never reaches its target: six settings with five orders of the batches
CLEARLY = 0.1  # share of the search's nonzeros by which a pruner clearly needs more: the paper has no number

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
    for winner in winners_of(group):
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
    """Whether any structure below the paper's smallest reaches the target.

    One that does refutes it. That none does says something only where that smallest one reaches the target, and all
    below it were trained in the paper's six settings and no less often.
    """
    claims = []
    for winner in winners_of(group):
        paper = f"No structure with fewer than {winner.nonzeros} nonzeros reaches {winner.target:g} %."
        rows = _structured(networks, group)
        smaller, own = rows[rows["nonzeros"] < winner.nonzeros], rows[rows["structure"] == winner.structure]
        if smaller.empty:
            claims.append(Claim(paper, "no smaller structure was trained."))
            continue
        trained = smaller.groupby("structure").size()
        settings = smaller.drop_duplicates(["structure", "learning_rate", "schedule"]).groupby("structure").size()
        there_are = coverage.structures_below(winner.nonzeros)
        reached = smaller[smaller["accuracy"] >= winner.target].sort_values("nonzeros", kind="stable")
        if len(reached):
            first = reached.iloc[0]
            same = int((reached["structure"] == first["structure"]).sum())
            here = f"{first['structure']} with {first['nonzeros']} nonzeros does ({first['accuracy']:.2f} %), in "
            here += f"{same} of {trained[first['structure']]} trainings"
        else:
            here = f"none of {len(trained)} tried does (there are {there_are}); "
            here += f"the best has {smaller['accuracy'].max():.2f} %"
        own_reached = int((own["accuracy"] >= winner.target).sum())
        here += f". Trainings of each: {span(trained)}; of {winner.dims}: {len(own)}, of which {own_reached} reach it."
        fair = own_reached and trained.min() >= len(own) and settings.min() >= SETTINGS
        claims.append(
            Claim(paper, here, False if len(reached) else True if fair and len(trained) == there_are else None)
        )
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
        rows = rows_of(tables["sparsest"], group, target)
        search = rows[rows["method"] == methods.SEARCH].dropna(subset=["nonzeros"])
        pruned = rows[methods.pruned(rows)]
        if pruned.empty or search.empty:
            continue
        own = search.sort_values("nonzeros", kind="stable").iloc[0]
        best = pruned.sort_values("nonzeros", kind="stable").groupby("method", sort=False).first()
        reached = best.dropna(subset=["nonzeros"])
        sizes = [
            f"{methods.look(str(method)).name} {row['nonzeros']} "
            f"({row['nonzeros'] - own['nonzeros']:+}, {row['reached_as_small']} of {row['n_as_small']})"
            for method, row in reached.iterrows()
        ]
        here = f"the search {own['nonzeros']} ({own['reached_as_small']} of {own['n_as_small']}); "
        here += ", ".join(sizes) or "none of the pruners reaches it"
        failed = len(best) - len(reached)
        here += f"; {failed} more {'do' if failed > 1 else 'does'} not reach it." if failed and len(reached) else "."
        here += " In brackets the gap, and how many of the networks as small reach the target. Trained: "
        here += f"{own['n']:,} networks of the search, {span(pruned['n'])} of each pruner at a width."
        paper = f"Every pruner needs clearly more nonzeros than the search for {target:g} %, even at the best width."
        claims.append(_gap(networks, group, paper, here, int(own["nonzeros"]), reached["nonzeros"]))
    return claims


def gap_after_training(networks: Networks, tables: Tables, group: Group) -> list[Claim]:
    """The same gap once magnitude pruning after training has taken what it can from both sides."""
    claims = []
    for target in TARGETS:
        rows = rows_of(tables["smallest_after_training"], group, target).dropna(subset=["nonzeros_left"])
        search = rows[rows["method"] == methods.SEARCH]
        pruned = rows[methods.pruned(rows)]
        if pruned.empty or search.empty:
            continue
        size, count = int(search["nonzeros_left"].min()), int(search["n"].sum())
        best = pruned.sort_values("nonzeros_left", kind="stable").groupby("method", sort=False).first()
        left = best["nonzeros_left"].astype(int)
        listed = ", ".join(f"{methods.look(str(name)).name} {own} ({own - size:+})" for name, own in left.items())
        here = f"{size} are left of the search's; {listed}. That is of {count:,} networks of the search that reach the "
        here += f"target, and {int(pruned['n'].sum()):,} of the pruners."
        paper = (
            f"The gap at {target:g} % is still there after magnitude pruning after training (our question: the paper "
        )
        paper += "shows that pruners forgo sparsity, and prints no sizes after it)."
        claims.append(_gap(networks, group, paper, here, size, left))
    return claims


def _gap(networks: Networks, group: Group, paper: str, here: str, search: int, sizes: pd.Series) -> Claim:
    """A claim on the search's size and those of the pruners that reach the target, by method."""
    here += coverage.search_in_words(networks, group) + coverage.pruning_in_words(networks, group)
    # Fewer networks than the paper's can only do worse: what still wins has won, what loses says nothing.
    if (sizes <= search).any():
        return Claim(paper, here, False if coverage.searched_as_much(networks, group) else None)
    close = [methods.look(str(name)).name for name in sizes.index[sizes < (1 + CLEARLY) * search]]
    if close:
        here += f" All need more, but {', '.join(close)} by less than a tenth, which is how we read 'clearly'."
    return Claim(paper, here, True if not close and coverage.pruned_as_much(networks, group) else None)


def winners_of(group: Group) -> list[Winner]:
    return [winner for winner in WINNERS if winner.start == group[1]]


def _structured(networks: Networks, group: Group) -> pd.DataFrame:
    return rows_of(networks.by_method, group).loc[lambda rows: rows["method"] == methods.STRUCTURED]


def rows_of(table: pd.DataFrame, group: Group, target: float | None = None) -> pd.DataFrame:
    rows = of_group(table, group)
    return rows if target is None else rows[rows["target"] == target]


def _search(tables: Tables, group: Group, target: float) -> float | None:
    """The search's smallest nonzeros at a target; None where there is no search or it does not reach it."""
    rows = rows_of(tables["sparsest"], group, target)
    sizes = rows[rows["method"] == methods.SEARCH]["nonzeros"].dropna()
    return float(sizes.min()) if len(sizes) else None
