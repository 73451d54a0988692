"""Charts in a notebook that bring their scripts along, so that they show without internet, exported as HTML as well."""

from __future__ import annotations


def ready_charts() -> None:
    """Give data frames ``.hvplot``, before the first chart. A notebook that imported hvPlot itself keeps what it chose."""
    import hvplot

    hvplot.extension.inline = True
    import hvplot.pandas
