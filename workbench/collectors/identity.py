"""Which device sent a message: what the connection or the address proves, never what the payload says of itself.

| `identity:` | is |
| --- | --- |
| `none` | nothing proves it; the payload's own word is all there is |
| `topic:lamps/{device}/up` | a level of the topic, routing key, path or file name; `+` is any one level, `#` any number |
| `username`, `client_id`, `certificate` | what the sender signed in as (listener, HTTP) |
| `key` | the message key (Kafka, Pulsar) |
| `user_id` | the user that RabbitMQ vouches for |
A topic proves something where the broker's rules say who may publish to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from workbench.errors import SourceError

FACTS = ("username", "client_id", "certificate", "key", "user_id")

#: (topic, facts of the connection or message) -> the device; empty when they prove nothing.
Identify = Callable[[str, Mapping[str, str]], str]


def check_identity(said: str, where: str) -> None:
    """Raises ``SourceError`` when ``said`` is none of the table's."""
    if said != "none" and said not in FACTS and not (said.startswith("topic:") and "{device}" in said):
        raise SourceError(
            f"{said!r} proves no identity.",
            where=where,
            cure=f"Say none, {', '.join(FACTS)}, or topic:a/{{device}}/b.",
            code="source_identity",
        )


def identify_by(said: str) -> Identify:
    """The function behind an ``identity:``. Raises ``SourceError``."""
    check_identity(said, "identity")
    if said == "none":
        return lambda topic, facts: ""
    if not said.startswith("topic:"):
        return lambda topic, facts: facts.get(said, "")
    pattern = _pattern(said.removeprefix("topic:"))

    @lru_cache(maxsize=100_000)
    def of_topic(topic: str) -> str:
        hit = pattern.fullmatch(topic)
        return hit["device"] if hit else ""

    return lambda topic, facts: of_topic(topic)


def _pattern(template: str) -> re.Pattern[str]:
    """``lamps/{device}/#`` as a regular expression; levels end at ``/``, in routing keys at ``.``."""
    parts = []
    for part in re.split(r"(\{device\}|\+|#$)", template):
        known = {"{device}": r"(?P<device>[^/]+)", "+": "[^/]+", "#": ".*"}
        parts.append(known.get(part) or re.escape(part))
    return re.compile("".join(parts), re.DOTALL)
