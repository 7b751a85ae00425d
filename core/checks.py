"""Errors that are meant for people, and the checks that raise them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """One sentence for the visitor: what was given, what is allowed, what to do. The page shows it; it is never a traceback."""


def shown(value: object) -> str:
    """A visitor's value, short enough to be quoted in a sentence."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def number(name: str, value: object, low: float, high: float) -> float:
    """`value` as a finite float in [low, high]; UserError otherwise (a bool or a string is not a number)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UserError(f"{name} was {shown(value)!r}, which is not a number; give a number from {low:.10g} to {high:.10g}.")
    if not low <= value <= high:  # NaN is not either
        given = shown(value) if isinstance(value, int) else f"{value:.10g}"
        raise UserError(f"{name} was {given}; give a number from {low:.10g} to {high:.10g}.")
    return float(value)


def whole(name: str, value: object, low: int, high: int) -> int:
    """`value` as an int in [low, high]; 3.0 counts as 3, 3.5 is a UserError."""
    real = number(name, value, low, high)
    if real != int(real):
        raise UserError(f"{name} was {real:.10g}; give a whole number from {low} to {high}.")
    return int(real)


def choice(name: str, value: object, options: Iterable[str]) -> str:
    """`value` if it is one of `options`; UserError otherwise, with the options or, where they are many, the nearest ones."""
    options = tuple(options)
    if isinstance(value, str) and value in options:
        return value
    if len(options) <= 12:
        raise UserError(f"There is no {name} {shown(value)!r}; choose one of: {', '.join(options)}.")
    near = difflib.get_close_matches(str(value)[:60].lower(), options, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else "; choose one from the list."
    raise UserError(f"There is no {name} {shown(value)!r} among the {len(options)}{hint}")
