"""Colors for light and dark backgrounds, and labels that do not lie on each other."""

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Palette", "dots", "label_points", "legend", "palette_for"]

_FONT_SIZE = 8
_REACH = 7  # points from a dot to its label
_HEIGHT = 1.25 * _FONT_SIZE  # points of a line
_GAP = 4  # points between names, more than the rounding to pixels
# To the right first, then clockwise and further out.
_DIRECTIONS = tuple(
    (reach * x, reach * y)
    for reach in (1, 2, 3)
    for x, y in ((1, 0), (1, 0.8), (-1, 0), (-1, 0.8), (0, 1.2), (1, -0.8), (-1, -0.8), (0, -1.2))
)

_Box: TypeAlias = tuple[float, float, float, float]  # left, bottom, right, top, in pixels


class Palette(NamedTuple):
    """Okabe and Ito's colors, which people with any kind of color vision tell apart."""

    nb: str
    zinb: str
    poisson: str
    highlight: str
    dot: str
    text: str


_LIGHT = Palette("#0072B2", "#AA4488", "#A8A8A8", "#D55E00", "#6F6F6F", "#333333")
_DARK = Palette("#56B4E9", "#E8A0C8", "#7A7A7A", "#F0A430", "#A8A8A8", "#E0E0E0")


def palette_for(axes: Any) -> Palette:
    """The colors that are legible on the background of the axes."""
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(axes.get_facecolor())
    return _DARK if 0.3 * red + 0.6 * green + 0.1 * blue < 0.5 else _LIGHT


def dots(count: int) -> dict[str, Any]:
    """Size and opacity of `count` dots: a few are clear, thousands show their density."""
    shrink = min(1.0, (500 / max(count, 1)) ** 0.5)
    return {
        "ls": "none",
        "marker": "o",
        "ms": 1.8 + 2.4 * shrink,
        "mew": 0,
        "alpha": 0.3 + 0.3 * shrink,
    }


def legend(axes: Any, **options: Any) -> Any:
    """A legend that is legible on the background of the axes, whatever matplotlib's style is now.

    The dots of many genes are too small and too pale to be recognized: they are opaque here.
    """
    text = palette_for(axes).text
    found = axes.legend(
        **{"fontsize": 9, "edgecolor": "none", "framealpha": 0.8, "labelcolor": text}
        | {"facecolor": axes.get_facecolor()}
        | options
    )
    found.get_title().set_color(text)
    for handle in found.legend_handles:
        if getattr(handle, "get_marker", str)() == "o":
            handle.set(alpha=1, markersize=4.5)
    return found


def label_points(
    axes: Any,
    x: NDArray[Any],
    y: NDArray[Any],
    names: Iterable[str],
    *,
    most: int,
    around: tuple[NDArray[Any], NDArray[Any]] | None = None,
) -> list[str]:
    """Write names beside points, the first ones first, each where there is still room.

    Where there is a choice, a name is nearer to its own point than to any other.

    Args:
        axes: with its final limits and scales.
        x: of the points, in data coordinates.
        y: of the points.
        names: one for each point.
        most: number of names to write.
        around: x and y of other points that no name may cover.

    Returns:
        The names that were written.
    """
    from matplotlib.textpath import TextPath

    # A layout that is computed when drawing moves the axes: settle it before measuring.
    axes.figure.draw_without_rendering()
    pixels = axes.figure.dpi / 72
    inside = axes.get_window_extent()
    points = axes.transData.transform(np.column_stack([x, y]))
    taken = [] if around is None else _boxes(axes.transData.transform(np.column_stack(around)))
    written: list[str] = []
    for name, point in zip(names, points, strict=True):
        width = pixels * (_GAP + TextPath((0, 0), name, size=_FONT_SIZE).get_extents().width)
        height = pixels * _HEIGHT
        free: list[tuple[bool, int, _Box, tuple[float, float]]] = []
        for dx, dy in _DIRECTIONS:
            left = point[0] + pixels * _REACH * dx - width * (dx < 0) - width / 2 * (dx == 0)
            bottom = point[1] + pixels * _REACH * dy - height / 2
            box = (left, bottom, left + width, bottom + height)
            if _within(box, inside) and not any(_overlap(box, other) for other in taken):
                nearest = _distances(box, point[None])[0] <= _distances(box, points).min()
                free.append((not nearest, len(free), box, (dx, dy)))
        if free:
            *_, box, direction = min(free)
            taken.append(box)
            _write(axes, name, point, direction)
            written.append(name)
        if len(written) == most:
            break
    return written


def _distances(box: _Box, points: NDArray[Any]) -> NDArray[Any]:
    nearest = np.clip(points, box[:2], box[2:])
    distances: NDArray[Any] = np.linalg.norm(points - nearest, axis=1)
    return distances


def _boxes(points: NDArray[Any]) -> list[_Box]:
    return [(x - 3, y - 3, x + 3, y + 3) for x, y in points.tolist()]


def _write(axes: Any, name: str, point: NDArray[Any], direction: tuple[float, float]) -> None:
    dx, dy = direction
    color = palette_for(axes).text
    axes.annotate(
        name,
        axes.transData.inverted().transform(point),
        (_REACH * dx, _REACH * dy),
        textcoords="offset points",
        ha="left" if dx > 0 else "right" if dx < 0 else "center",
        va="center",
        fontsize=_FONT_SIZE,
        color=color,
        bbox={
            "boxstyle": "square,pad=0.15",
            "fc": axes.get_facecolor(),
            "ec": "none",
            "alpha": 0.5,
        },
        arrowprops={"arrowstyle": "-", "lw": 0.5, "color": color, "shrinkA": 0, "shrinkB": 1},
    )


def _within(box: _Box, inside: Any) -> bool:
    return bool(
        box[0] >= inside.x0 and box[2] <= inside.x1 and box[1] >= inside.y0 and box[3] <= inside.y1
    )


def _overlap(a: _Box, b: _Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
