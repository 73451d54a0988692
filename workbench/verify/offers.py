"""The offers that periods were rated by are kept beside their charges, unaltered (I28)."""

from __future__ import annotations

from workbench.tariff import restore
from workbench.verify.context import Context
from workbench.verify.report import CounterExample, Outcome


def offers_are_kept(context: Context) -> Outcome:
    """Every line names an offer version that is kept with its period, unaltered, and one version is one text."""
    counts = {"periods": 0, "offers": 0}
    texts: dict[tuple[str, int], str] = {}
    for period in context.periods:
        lake = context.lake
        if not lake.segments("catalog", period=period):
            return Outcome(
                counts, CounterExample(f"The offers that period {period} was rated by are not kept.")
            )
        counts["periods"] += 1
        catalogue = restore.catalogue(
            context.rows(f"SELECT offer_id, version, sha256, text FROM {lake.scan('catalog', period=period)}")
        )
        counts["offers"] += len(catalogue.offers)
        known = {(offer.id, offer.version): offer.sha256 for offer in catalogue.offers}
        for offer, version in context.rows(
            f"SELECT DISTINCT offer_id, offer_version FROM {lake.scan('lines', period=period)} ORDER BY 1, 2"
        ):
            sha256 = known.get((offer, version), "")
            if not sha256 or texts.setdefault((offer, version), sha256) != sha256:
                text = f"{offer} version {version}, which period {period} was rated by, "
                what = "is another offer than in an earlier period." if sha256 else "is not kept."
                return Outcome(counts, CounterExample(text + what, texts.get((offer, version), ""), sha256))
    return Outcome(counts)
