"""Boosted trees as plain arrays: fitted by scikit-learn, kept and walked without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workbench.insight.arrays import Array

_DEPTH_MAX = 64
_ROWS_AT_ONCE = 20_000


def of_boosting(models: Sequence[Any]) -> dict[str, Array]:
    """The trees of fitted two-class ``HistGradientBoostingClassifier`` models, whose raw scores are averaged.

    Returns: arrays over all nodes (``feature``, ``threshold``, ``left``, ``right``, ``missing_left``, ``value``; a leaf
    is its own child), ``root`` of each tree, ``base`` the score before any tree, ``share`` the weight of a tree.
    """
    parts: dict[str, list[Array]] = {
        key: [] for key in ("feature", "threshold", "left", "right", "missing_left", "value")
    }
    roots, size, base = [], 0, 0.0
    for model in models:
        base += float(np.ravel(model._baseline_prediction)[0]) / len(models)
        for (tree,) in model._predictors:
            nodes = tree.nodes
            own = np.arange(len(nodes))
            leaf = nodes["is_leaf"].astype(bool)
            parts["feature"].append(np.where(leaf, 0, nodes["feature_idx"]).astype(np.int16))
            parts["threshold"].append(np.where(leaf, np.inf, nodes["num_threshold"]).astype(np.float64))
            parts["left"].append((np.where(leaf, own, nodes["left"]) + size).astype(np.int32))
            parts["right"].append((np.where(leaf, own, nodes["right"]) + size).astype(np.int32))
            parts["missing_left"].append(leaf | nodes["missing_go_to_left"].astype(bool))
            parts["value"].append(np.where(leaf, nodes["value"], 0.0).astype(np.float32))
            roots.append(size)
            size += len(nodes)
    found = {key: np.concatenate(value) for key, value in parts.items()}
    return found | {
        "root": np.array(roots, dtype=np.int32), "base": np.array([base]), "share": np.array([1.0 / len(models)]),
    }  # fmt: skip


def raw_score(trees: Mapping[str, Array], rows: Array) -> Array:
    """Log odds of each row: the mean of the models' raw scores."""
    return np.concatenate(
        [_block(trees, rows[begin : begin + _ROWS_AT_ONCE]) for begin in range(0, len(rows), _ROWS_AT_ONCE)]
        or [np.zeros(0)]
    )


def _block(trees: Mapping[str, Array], rows: Array) -> Array:
    total = np.zeros(len(rows))
    place = np.arange(len(rows))
    for root in trees["root"]:
        node = np.full(len(rows), root, dtype=np.int32)
        for _ in range(_DEPTH_MAX):
            value = rows[place, trees["feature"][node]]
            left = np.where(np.isnan(value), trees["missing_left"][node], value <= trees["threshold"][node])
            following = np.where(left, trees["left"][node], trees["right"][node])
            if (following == node).all():
                break
            node = following
        total += trees["value"][node]
    return np.asarray(total * trees["share"][0] + trees["base"][0])
