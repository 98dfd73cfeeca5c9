"""The grid of a study: Tune search spaces, narrowed by settings, expanded by Tune's own generator into NetworkSpecs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from pydantic import ValidationError
from ray import tune
from ray.tune.search.variant_generator import generate_variants

from raydensity.spec import NetworkSpec
from raydensity.study import SCALES, Study

Space = dict[str, Any]
Level = str | int | float | bool

TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0")


def levels(spaces: Iterable[Space], factor: str) -> list[Level]:
    """The levels of a factor in some spaces, each once, in the order they stand."""
    found: dict[Level, None] = {}
    for space in spaces:
        if factor in space:
            value = space[factor]
            found.update(dict.fromkeys(value["grid_search"] if isinstance(value, dict) else [value]))
    return list(found)


def factors(spaces: Iterable[Space]) -> list[str]:
    """Every factor of some spaces, each once, in the order they stand."""
    return list(dict.fromkeys(factor for space in spaces for factor in space))


def configure(study: Study, *, scale: str, settings: Mapping[str, Sequence[str]]) -> list[Space]:
    """The spaces of a scale with some factors set to the given levels, as they were typed.

    A factor that selects (`study.selecting`) picks among the spaces; any other takes the levels, whether or not the
    study lists them, wherever it occurs. ValueError, in one line, for an unknown scale, factor or level.
    """
    if scale not in study.spaces:
        known = ", ".join(name for name in SCALES if name in study.spaces)
        raise ValueError(f"--scale: the study {study.name} has no {scale!r}; it has {known}")
    chosen = study.spaces[scale]
    allowed, given = factors(chosen), {}
    for factor, typed in settings.items():
        if factor not in allowed:
            raise ValueError(f"--set: the study {study.name} has no factor {factor!r}; it has {', '.join(allowed)}")
        wanted = [_parse(factor, text, like=levels(study.spaces[scale], factor)) for text in typed]
        if factor in study.selecting:
            chosen = _select(study, scale, chosen, factor, list(dict.fromkeys(wanted)))
        else:
            given[factor] = tune.grid_search(list(dict.fromkeys(wanted)))
    spaces = [space | {factor: given[factor] for factor in given if factor in space} for space in chosen]
    for factor in given:
        _need_an_effect(study, factor, chosen, spaces, known=levels(study.spaces[scale], factor))
    return spaces


def expand(study: Study, spaces: Iterable[Space]) -> dict[str, NetworkSpec]:
    """Every network of some spaces by its id, in the order of the grid.

    Cells that mean the same network (they differ in a factor that it does not use) become one. ValueError, in one line,
    for a cell that makes no sense, and for a space without any network.
    """
    networks: dict[str, NetworkSpec] = {}
    for space in spaces:
        empty = True
        for cell in cells(space):
            for spec in _networks(study, cell):
                networks[spec.id] = spec
                empty = False
        if empty:
            asked = _combination(study, space)
            raise ValueError(f"--set: with these settings {study.name} has no network of {asked}")
    return networks


def size(study: Study, spaces: Iterable[Space]) -> int:
    """How many networks some spaces have, those that several of them have counted in each."""
    return sum(study.count(cell) for space in spaces for cell in cells(space))


def cells(space: Space) -> Iterator[Space]:
    """The cells of a space: every combination of its levels."""
    return (cell for _, cell in generate_variants(space))


def _networks(study: Study, cell: Mapping[str, Any]) -> Iterator[NetworkSpec]:
    try:
        meant = study.network(cell)
        yield from [meant] if isinstance(meant, NetworkSpec) else meant
    except ValidationError as error:
        raise ValueError(f"--set: {_one_line(error)}") from None


def _select(study: Study, scale: str, spaces: list[Space], factor: str, wanted: list[Level]) -> list[Space]:
    allowed = levels(study.spaces[scale], factor)
    for level in wanted:
        if level not in allowed:
            raise ValueError(
                f"--set {factor}: {level!r} is not in the {scale} grid of {study.name}; "
                f"it has {', '.join(map(str, allowed))}"
            )
    kept = []
    for space in spaces:
        both = [level for level in levels([space], factor) if level in wanted]
        if both:
            kept.append({**space, factor: tune.grid_search(both)})
    if not kept:
        there = "; ".join(dict.fromkeys(_combination(study, space) for space in study.spaces[scale]))
        raise ValueError(f"--set: no network of {study.name} has that combination; it has {there}")
    return kept


def _combination(study: Study, space: Space) -> str:
    """The levels of the factors that select, in words."""
    own = {name: levels([space], name) for name in study.selecting if name in space}
    return ", ".join(f"{name}={'|'.join(map(str, each))}" for name, each in own.items())


def _need_an_effect(
    study: Study, factor: str, before: list[Space], after: list[Space], *, known: Sequence[Level]
) -> None:
    """ValueError where no network of some spaces depends on a factor: it belongs to others, and would be ignored.

    `known` are the levels that the study has of it: two that mean the same alone say nothing.
    """
    if len(levels([*before, *after], factor)) == 1:
        return  # set to what it is
    for old, new in zip(before, after, strict=True):
        if factor not in new:
            continue
        if any(set(levels([new], name)).intersection(study.placeholders) for name in new):
            return  # what they stand for is not known yet
        one, *others = dict.fromkeys([*levels([old, new], factor), *known])
        for cell in cells({**new, factor: one}):
            for other in others:
                both = _networks(study, cell), _networks(study, {**cell, factor: other})
                try:
                    # One after the other: a cell may mean very many, which mostly differ from the first on.
                    for left, right in zip_longest(*both):
                        if left is None or right is None or left.id != right.id:
                            return
                except ValueError:  # so it depends on it; what is wrong is said of the cells that are left in the end
                    return
    raise ValueError(f"--set {factor}: no network that was chosen depends on it")


def _parse(factor: str, text: str, *, like: Sequence[Level]) -> Level:
    """A level as it was typed: one that the factor has, or another in the type of those."""
    text = text.strip()
    for level in like:
        if text == str(level):
            return level
    kinds = {type(level) for level in like}
    kind = next((kind for kind in (str, float, int, bool) if kind in kinds), str)
    try:
        if kind is bool:
            if text.lower() not in TRUE + FALSE:
                raise ValueError
            return text.lower() in TRUE
        return kind(text)
    except ValueError:
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise ValueError(f"--set {factor}: {text!r} is not {wanted} (such as {like[0]})") from None


def _one_line(error: ValidationError) -> str:
    """What a spec says about its first wrong field: where, what was given, what is allowed."""
    # A field of several types has an error for each; that it is no word says least.
    first, *_ = sorted(error.errors(), key=lambda each: each["type"] == "string_type")
    where = ".".join(str(part) for part in first["loc"])
    given = "" if isinstance(first["input"], dict) else f" = {first['input']!r}"
    said = first["msg"].removeprefix("Value error, ")
    return f"{where}{given}: {said}" if where else said
