"""The deepest region of a cloud in the plane: Tukey's median where it is exact."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

# of the whole weight: sums that differ by less are equal
EQUAL = 1e-12
# of the size of the cloud's bulk: what lies on a line, or at a point, but for rounding
ROUNDING = 1e-10


def deepest_in_plane(
    points: Float[NDArray[Any], "n 2"], weight: Float[NDArray[Any], " n"]
) -> tuple[NDArray[Any], float]:
    """Intersect half-planes bounded by lines through two points; deeper regions lie within ever more of them.

    The region of depth δ is the intersection of the closed half-planes whose complement weighs less than δ. Lines
    through two points suffice: the constraint of any other direction is implied by the two nearest such lines.
    """
    normals, levels, outside, reached = _half_planes(points, weight)
    depths = np.unique(np.round(outside, 12))
    low, high = 0, len(depths) - 1
    region = points
    while low <= high:
        middle = (low + high + 1) // 2
        # lines with more outside bound deeper regions only, and those that are reached too early are implied
        depth = depths[middle] - EQUAL
        binding = (outside < depth) & (reached >= depth)
        found = _clipped(normals[binding], levels[binding])
        if len(found):
            region, low = found, middle + 1
        else:
            high = middle - 1
    center = _centroid(region)
    return center, _depth_in_plane(points, weight, center)


def _half_planes(
    points: Float[NDArray[Any], "n 2"], mass: Float[NDArray[Any], " n"]
) -> tuple[Float[NDArray[Any], "p 2"], Float[NDArray[Any], " p"], Float[NDArray[Any], " p"], Float[NDArray[Any], " p"]]:
    """Return, for each ordered pair of points, the half-plane left of its line, as normal · y ≥ level.

    With it, the weight strictly right of the line, and that of the line and what lies right of it.
    """
    normals, levels, outside, closed = [], [], [], []
    for i, point in enumerate(points):
        steps = np.delete(points, i, axis=0) - point
        angles = np.arctan2(steps[:, 1], steps[:, 0])
        order = np.argsort(angles)
        around = np.concatenate([angles[order] + turn for turn in (-2 * np.pi, 0.0, 2 * np.pi)])
        below = np.concatenate([[0.0], np.cumsum(np.tile(np.delete(mass, i)[order], 3))])
        # strictly right: angles within half a turn below, neither on the line nor opposite
        start, stop = np.searchsorted(around, [angles - np.pi + ROUNDING, angles - ROUNDING])
        first, last = np.searchsorted(around, [angles - np.pi - ROUNDING, angles + ROUNDING])
        normal = np.stack([-np.sin(angles), np.cos(angles)], axis=1)
        normals.append(normal)
        levels.append(normal @ point)
        outside.append(below[stop] - below[start])
        closed.append(below[last] - below[first] + mass[i])
    return np.concatenate(normals), np.concatenate(levels), np.concatenate(outside), np.concatenate(closed)


def _clipped(normals: Float[NDArray[Any], "p 2"], levels: Float[NDArray[Any], " p"]) -> Float[NDArray[Any], "v 2"]:
    """Return the corners of the intersection of half-planes within a large square; none where it is empty.

    What lies outside by rounding counts as inside, so that a region that is a point or a segment is not lost.
    """
    polygon = (
        4.0 * (1 + np.abs(levels).max(initial=0.0)) * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    )
    # the tightest first, so that most others are passed over at once
    for k in np.argsort(-levels):
        side = polygon @ normals[k] - levels[k]
        is_in = side >= -ROUNDING
        if is_in.all():
            continue
        following, after = np.roll(polygon, -1, axis=0), np.roll(side, -1)
        corners: list[NDArray[Any]] = []
        for j in range(len(polygon)):
            if is_in[j]:
                corners.append(polygon[j])
            if is_in[j] != (after[j] >= -ROUNDING):
                share = side[j] / (side[j] - after[j])
                corners.append(polygon[j] + np.clip(share, 0.0, 1.0) * (following[j] - polygon[j]))
        polygon = np.array(corners).reshape(-1, 2)
        if not len(polygon):
            break
    return np.asarray(polygon)


def _centroid(polygon: Float[NDArray[Any], "v 2"]) -> Float[NDArray[Any], " 2"]:
    inner = polygon - polygon[0]
    following = np.roll(inner, -1, axis=0)
    areas = inner[:, 0] * following[:, 1] - following[:, 0] * inner[:, 1]
    if abs(areas.sum()) > ROUNDING:
        return np.asarray(polygon[0] + areas @ (inner + following) / (3 * areas.sum()))
    # a segment or a point: midway between the corners that lie farthest apart
    first = polygon[np.linalg.norm(inner, axis=1).argmax()]
    last = polygon[np.linalg.norm(polygon - first, axis=1).argmax()]
    return np.asarray((first + last) / 2)


def _depth_in_plane(
    points: Float[NDArray[Any], "n 2"], mass: Float[NDArray[Any], " n"], center: Float[NDArray[Any], " 2"]
) -> float:
    """Return the least weight of a closed half-plane whose boundary runs through the centre."""
    steps = points - center
    is_here = np.linalg.norm(steps, axis=1) <= 10 * ROUNDING
    here = float(mass[is_here].sum())
    steps, others = steps[~is_here], mass[~is_here]
    angles = np.arctan2(steps[:, 1], steps[:, 0])
    # a half-plane may start just past any point, or just past the opposite of one
    starts = np.concatenate([angles, angles + np.pi])
    least = 1.0
    for start in starts + 1e-7:
        turned = np.mod(angles - start, 2 * np.pi)
        least = min(least, float(others[turned <= np.pi].sum()))
    return here + least
