"""Which mapping reads a message: by the collector's source and the topic it was published on.

Routes are one YAML file; the first that fits takes the message, and what none takes is a dead letter (``no_route``)::

    routes:
      - {topic: lamps/+, mapping: mappings/lamps.yaml}
      - {source: orders-http, mapping: mappings/orders.yaml}
"""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from workbench.errors import MappingError
from workbench.mediation.mapping import Mapping
from workbench.mediation.mapping_file import load_mapping
from workbench.mediation.yamltree import Node, Reader, read_text


@dataclass(frozen=True)
class Route:
    """Messages of ``source`` (empty: any) on topics that fit ``topic`` (``+`` one level, ``#`` the rest) are read so."""

    mapping: Mapping = field(hash=False)
    topic: str = "#"
    source: str = ""

    def takes(self, source: str, topic: str) -> bool:
        """Whether a message of this source and topic is this route's."""
        return self.source in ("", source) and _pattern(self.topic).fullmatch(topic) is not None


class Routes:
    """Routes in order; looking one up costs a dictionary look-up per topic."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._known: dict[tuple[str, str], Mapping | None] = {}

    def mapping(self, source: str, topic: str) -> Mapping | None:
        """The mapping that reads this message; None when no route takes it."""
        key = (source, topic)
        if key not in self._known:
            if len(self._known) > 1_000_000:  # topics are chosen by senders: never remember them without end
                self._known.clear()
            found = (route.mapping for route in self.routes if route.takes(source, topic))
            self._known[key] = next(found, None)
        return self._known[key]


@lru_cache(maxsize=1024)
def _pattern(topic: str) -> re.Pattern[str]:
    """An MQTT topic filter as a regular expression; ``#`` also takes the level above it."""
    if topic in ("", "#"):
        return re.compile(r"(?s).*")
    levels = topic.split("/")
    rest = levels[-1] == "#"
    parts = ["[^/]*" if level == "+" else re.escape(level) for level in (levels[:-1] if rest else levels)]
    return re.compile("/".join(parts) + ("(/.*)?" if rest else ""), re.DOTALL)


def load_routes(path: str | Path, params: MappingType[str, str] | None = None) -> Routes:
    """Read a routes file; mappings are named relative to it.

    Raises:
        FileUnreadable: it, or a mapping it names, cannot be read.
        MappingError: it says something that makes no sense; names file, line and cure.
    """
    path = Path(path)
    reader = Reader(str(path), MappingError)
    top = reader.section(reader.parse(read_text(path)), ["routes"], "The routes file")
    found = top.get("routes")
    if found is None or not isinstance(found.value, tuple) or not found.value:
        place = found or Node(None, "", 1)
        raise reader.fail(
            place, "There is no list of routes.", "Write `routes:` and `- {topic: …, mapping: …}`.", "routes"
        )
    return Routes([_route(reader, node, path.parent, params) for node in reader.items(found)])


def _route(reader: Reader, node: Node, folder: Path, params: MappingType[str, str] | None) -> Route:
    keys = reader.section(node, ["mapping", "topic", "source"], "A route")
    if "mapping" not in keys:
        raise reader.fail(node, "A route without a mapping.", "Add `mapping: FILE`.", "routes")
    text = {name: reader.text(keys[name], name) for name in keys}
    return Route(
        load_mapping(folder / text["mapping"], params), text.get("topic", "#") or "#", text.get("source", "")
    )
