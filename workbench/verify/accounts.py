"""Which accounts are rated again, and in what company: whole accounts, as many as fit the memory at a time."""

from __future__ import annotations

import random
from collections.abc import Iterator

from workbench.model.offer import Catalogue
from workbench.verify.context import Context

USES_AT_ONCE = 100_000


def chosen(context: Context, period: str, catalogue: Catalogue) -> list[str]:
    """The accounts to look at: all, or as many as hold about ``sample`` devices (at least one).

    Accounts that share a sponsor's budget can only be rated together, and a sponsor only with all he pays for: they are left
    to ``full``.
    """
    sizes = _sizes(context)
    payers = sponsors(catalogue)
    if context.full:
        return sorted(sizes.keys() | payers)
    free = sorted(sizes.keys() - payers - _takers(context, catalogue, budget=True))
    random.Random(f"{context.seed} {period}").shuffle(free)
    picked: list[str] = []
    devices = 0
    for account in free:
        if devices + sizes[account] <= context.sample:
            picked.append(account)
            devices += sizes[account]
    return sorted(picked or sorted(free, key=lambda account: (sizes[account], account))[:1])


def batches(context: Context, accounts: list[str], tangled: set[str]) -> Iterator[list[str]]:
    """Accounts that fit the memory together; accounts with a common budget are never parted."""
    sizes = _sizes(context)
    records = sum(segment.rows for segment in context.lake.segments("records"))
    most = max(1, USES_AT_ONCE * max(1, sum(sizes.values())) // max(1, records))
    batch = [account for account in accounts if account in tangled]
    held = sum(sizes.get(account, 0) for account in batch)
    for account in accounts:
        if account in tangled:
            continue
        if batch and held + sizes[account] > most:
            yield batch
            batch, held = [], 0
        batch.append(account)
        held += sizes[account]
    if batch:
        yield batch


def _sizes(context: Context) -> dict[str, int]:
    """Devices each account holds, by itself or through groups."""
    lake = context.lake
    held = (
        f"SELECT account_id, coalesce(s.device_id, d.device_id) AS device FROM {lake.scan('subscriptions')} s "
        f"LEFT JOIN {lake.scan('devices_info')} d ON d.group_id = s.group_id"
    )
    return context.once(
        "sizes",
        lambda: dict(context.rows(f"SELECT account_id, count(DISTINCT device) FROM ({held}) GROUP BY 1")),
    )


def sponsors(catalogue: Catalogue) -> set[str]:
    """Accounts that pay for others; they need no subscription of their own."""
    return {sponsorship.account for offer in catalogue.offers for sponsorship in offer.sponsorships}


def tangled_accounts(context: Context, catalogue: Catalogue) -> set[str]:
    """Accounts that sponsor others or are sponsored."""
    return sponsors(catalogue) | _takers(context, catalogue, budget=False)


def _takers(context: Context, catalogue: Catalogue, *, budget: bool) -> set[str]:
    """Accounts that have subscribed an offer with a sponsor, or with a sponsor's budget."""
    sponsored = {
        offer.id
        for offer in catalogue.offers
        if any(s.budget is not None or not budget for s in offer.sponsorships)
    }
    held = context.rows(f"SELECT DISTINCT account_id, offer_id FROM {context.lake.scan('subscriptions')}")
    return {account for account, offer in held if offer in sponsored}
