"""The bill's shape as a chart: the draft against what is in force, and where the cheaper of the two changes.

Amounts are exact until they become a point of the chart or a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, Range1d
from bokeh.plotting import figure

from workbench.dashboards import theme
from workbench.errors import WorkbenchError
from workbench.model.money import decimal_text
from workbench.model.offer import Catalogue, Offer
from workbench.model.units import kind_of, ratio
from workbench.tariff.shape import Bill, bill_of, crossings
from workbench.tariff.show import money
from workbench.tariff.units_text import quantity_text

POINTS = 120
_SCALES = {
    "data": ("GB", "MB", "kB"), "energy": ("MWh", "kWh", "Wh"), "time": ("hour", "minute", "second"),
    "volume": ("m3", "litre"), "length": ("km", "m"), "money": (),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """What the chart draws: units of use, in the words of ``unit``, against amounts.

    crossings: (use, amount) of the points where the cheaper one changes. told: the same as sentences.
    """

    unit: str
    currency: str
    draft: tuple[tuple[float, float], ...]
    current: tuple[tuple[float, float], ...]
    crossings: tuple[tuple[float, float], ...]
    told: tuple[str, ...]


def meters(offer: Offer, catalogue: Catalogue) -> list[str]:
    """The meters of an offer whose bill has a shape: use of one device, in one period."""
    from workbench.model.price import Percentile

    burst = {c.meter for c in offer.components for rate in c.rates if isinstance(rate.price, Percentile)}
    named = dict.fromkeys(component.meter for component in offer.components)
    return [meter for meter in named if meter not in burst]


def shape(
    offer: Offer,
    catalogue: Catalogue,
    meter: str,
    current: tuple[Offer, Catalogue] | None = None,
    rates: dict[str, str] | None = None,
) -> Shape:
    """The draft's curve, and the one of what is in force when that prices the same meter in the same currency."""
    draft = bill_of(offer, catalogue, meter, rates)
    other = _other(current, meter, offer)
    base = catalogue.meter(meter).unit
    most = _most([bill for bill in (draft, other) if bill])
    scale, unit = _scale(most, base)
    points = _points(most, [bill for bill in (draft, other) if bill])
    found = crossings(draft, other, most) if other else []
    return Shape(
        unit=unit,
        currency=offer.currency,
        draft=tuple((float(u / scale), float(draft.at(u))) for u in points),
        current=tuple((float(u / scale), float(other.at(u))) for u in points) if other else (),
        crossings=tuple((float(c.units / scale), float(c.left)) for c in found),
        told=_told(found, draft, other, base, most),
    )


def _other(current: tuple[Offer, Catalogue] | None, meter: str, offer: Offer) -> Bill | None:
    if current is None or current[0].currency != offer.currency:
        return None
    try:
        bill = bill_of(*current, meter)
    except WorkbenchError:
        return None
    return bill if bill.parts else None


def _most(bills: list[Bill]) -> int:
    """How far the chart goes: twice the last edge; where there is none, a hundred of the blocks that have a price."""
    edges = [edge for bill in bills for edge in bill.edges() if edge > 0]
    blocks = [
        getattr(rate.price, "per", 0) or getattr(rate.price, "size", 0)
        for bill in bills
        for component in bill.offer.components
        if component.meter == bill.meter
        for rate in component.rates
    ]
    return max(edges) * 2 if edges else max([*blocks, 10]) * 100


def _scale(most: int, base: str) -> tuple[Fraction, str]:
    for unit in _SCALES.get(kind_of(base), ()):
        size = ratio(unit, base)
        if most >= 10 * size:
            return size, unit
    return (Fraction(10**9), "sales") if base == "nano" else (Fraction(1), base)


def _points(most: int, bills: list[Bill]) -> list[int]:
    edges = {point for bill in bills for edge in bill.edges() for point in (edge - 1, edge, edge + 1)}
    return sorted(p for p in {*edges, *(most * n // POINTS for n in range(POINTS + 1))} if 0 <= p <= most)


def _told(found: list, draft: Bill, other: Bill | None, base: str, most: int) -> tuple[str, ...]:
    if other is None:
        return ("There is nothing in force to compare it with.",)
    if not found:
        low, high = draft.at(0) - other.at(0), draft.at(most) - other.at(most)
        if low == high == 0:
            return ("Nobody pays more or less than now, as far as this chart goes.",)
        dearer = low > 0 or (low == 0 and high > 0)
        return (f"{'Dearer' if dearer else 'Cheaper'} than now at any use shown here, or the same.",)
    return tuple(
        f"From {quantity_text(c.units, base)} on it is {'cheaper' if c.cheaper_left else 'dearer'} than now "
        f"({money(_round(c.left), draft.offer.currency)} and {money(_round(c.right), draft.offer.currency)})."
        for c in found
    )


def _round(amount: Fraction) -> Fraction:
    """An amount short enough for a sentence: four digits behind the point, exact where it has no more."""
    text = decimal_text(amount)
    return (
        amount
        if "/" not in text and len(text.partition(".")[2]) <= 4
        else Fraction(round(amount * 10**4), 10**4)
    )


class Curve:
    """The chart: made once, its lines change."""

    def __init__(self) -> None:
        self._lines = {name: ColumnDataSource({"x": [], "y": []}) for name in ("draft", "current", "cross")}
        plot = figure(
            height=250, sizing_mode="stretch_width", tools="", toolbar_location=None, outline_line_color=None,
            background_fill_alpha=0, border_fill_alpha=0, x_range=Range1d(0, 1), y_range=Range1d(0, 1),
        )  # fmt: skip
        plot.line("x", "y", source=self._lines["current"], line_color=theme.QUIET, line_width=2, line_dash=[6, 4],
                  legend_label="Compared with")  # fmt: skip
        line = plot.line(
            "x",
            "y",
            source=self._lines["draft"],
            line_color=theme.ACCENT,
            line_width=2.5,
            legend_label="This draft",
        )
        plot.scatter(
            "x", "y", source=self._lines["cross"], size=10, fill_color=theme.WARM, line_color="white"
        )
        hover = HoverTool(
            renderers=[line], tooltips=[("use", "@x{0,0.[00]}"), ("bill", "@y{0,0.00[00]}")], mode="vline"
        )
        plot.add_tools(hover)
        theme.legend_above(plot)
        theme.quiet_axes(plot)
        plot.axis.axis_label_text_color = theme.QUIET
        plot.axis.axis_label_text_font_style = "normal"
        plot.axis.axis_label_text_font_size = "11px"
        plot.yaxis.formatter = NumeralTickFormatter(format="0,0.[0000]")
        plot.xaxis.formatter = NumeralTickFormatter(format="0,0.[00]")
        self.plot = plot

    def show(self, found: Shape) -> None:
        """Draw another shape."""
        for name, points in (("draft", found.draft), ("current", found.current), ("cross", found.crossings)):
            self._lines[name].data = {"x": [x for x, _ in points], "y": [y for _, y in points]}
        both = [*found.draft, *found.current]
        self.plot.x_range.end = max((x for x, _ in both), default=1.0) or 1.0
        low, high = (pick((y for _, y in both), default=1.0) for pick in (min, max))
        near = low > 0.6 * high  # mostly fees: look at what use adds to them
        room = (high - low) * 0.15 or high * 0.1
        self.plot.y_range.start = low - room if near else 0
        self.plot.y_range.end = high + room if near else high * 1.08 or 1.0
        self.plot.xaxis.axis_label = f"{found.unit} of one device in one period"
        self.plot.yaxis.axis_label = found.currency
