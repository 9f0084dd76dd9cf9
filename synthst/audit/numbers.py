"""Write numbers as the audit shows them."""

THIN = "\u202f"
MINUS = "\u2212"


def show_number(value: float | None, kind: str) -> str:
    """Write a number of a row's ``kind``, a percentage being a share in 0..1; "–" for what is not known."""
    if value is None:
        return "–"
    if kind == "percent":
        return show_percent(value)
    digits = {"count": 0, "points": 1, "decimal": 2}[kind]
    return f"{value:,.{digits}f}".replace("-", MINUS)


def show_percent(share: float | None) -> str:
    """Write a share as a percentage: with more digits where it is small, and 0 only where it is 0."""
    if share is None:
        return "–"
    digits = 0 if not share else 2 if abs(share) < 0.001 else 1
    return f"{100 * share:.{digits}f}{THIN}%"


def show_change(before: float, after: float) -> str:
    """Write how much more or less, in percent, ``after`` is than ``before``."""
    change = round(100 * (after / before - 1))
    return f"{'+' if change > 0 else MINUS if change < 0 else '±'}{abs(change)}{THIN}%"


def show_difference(real: float | None, synthetic: float | None, kind: str) -> str:
    """Write the difference of two values: in percentage points of shares, in percent of other numbers."""
    if real is None or synthetic is None:
        return ""
    if kind != "percent":
        return show_change(real, synthetic) if real else ""
    points = 100 * (synthetic - real)
    if not points:
        return "±0"
    return f"{'+' if points > 0 else MINUS}{abs(points):.{2 if abs(points) < 0.1 else 1}f}{THIN}pp"
