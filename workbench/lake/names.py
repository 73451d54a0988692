"""Names that become folders: tenants and branches."""

from __future__ import annotations

from workbench.errors import UsageError

_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def check_name(name: str, what: str) -> None:
    """Refuse a name that could leave its folder or hide in it.

    Raises:
        UsageError: it is empty, starts with a dot, or holds another character than letters, digits and ``-_.``.
    """
    if not name or set(name) - _ALLOWED or name.startswith("."):
        raise UsageError(
            f"{name!r} cannot be the name of a {what}.",
            cure="Use letters, digits, dot, dash and underscore, not starting with a dot.",
        )
