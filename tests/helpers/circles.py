"""Circles in a graph of what includes or imports what."""

from __future__ import annotations

from collections.abc import Mapping


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """The nodes of a circle in the order of its arrows, empty where there is none."""
    finished: set[str] = set()

    def follow(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in finished:
            return []
        for target in sorted(graph.get(node, ())):
            if found := follow(target, [*path, node]):
                return found
        finished.add(node)
        return []

    for node in sorted(graph):
        if found := follow(node, []):
            return found
    return []
