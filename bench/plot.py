"""Draws the curves of growth: tasks a second against what grows, its axis in powers of ten."""

from pathlib import Path

from bench.growth import CURVES, Curve, Growth, picture, points_of

INCHES = (6.4, 3.2)


def draw(growth: Growth, folder: Path) -> None:
    """A picture of each curve."""
    for curve in CURVES:
        _draw(curve, points_of(curve, growth), picture(curve, folder))


def _draw(curve: Curve, points: list[tuple[float, float]], file: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    # The same figures give the same file.
    matplotlib.rcParams["svg.hashsalt"] = curve.name
    matplotlib.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot

    shown, axes = pyplot.subplots(figsize=INCHES, layout="constrained")
    axes.plot(*zip(*points, strict=True), marker="o")
    # Nothing has a place on such an axis as well.
    axes.set_xscale("symlog", linthresh=max(1, min(at for at in curve.at if at)))
    axes.set_xticks(list(curve.at), [f"{at:,.0f}" for at in curve.at], rotation=30)
    axes.set_ylim(0, 1.1 * max(rate for _, rate in points))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel(curve.axis)
    axes.set_ylabel("tasks a second")
    axes.grid(alpha=0.3)
    shown.savefig(file, metadata={"Date": None})
    pyplot.close(shown)
