"""The report's charts as Plotly figures. Colours are names of the page's own (`var(--up)`), which it resolves itself.

Prices become floats here and nowhere else: a chart is for looking at.
"""

from collections.abc import Sequence
from itertools import groupby

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from glassbook.report_data import VOLUMES, Candles, Traded

UP, DOWN, ACCENT = "var(--up)", "var(--down)", "var(--accent)"
CANDLES_HEIGHT = 460
BAR_HEIGHT, BARS_MARGIN = 30, 90


def candles_chart(candles: Candles) -> go.Figure:
    """Candlesticks above their volumes, on one time axis."""
    times = [row[0] for row in candles.rows]
    opens, highs, lows, closes, volumes = ([float(row[column]) for row in candles.rows] for column in range(1, 6))
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.75, 0.25], vertical_spacing=0.03)
    figure.add_candlestick(
        x=times, open=opens, high=highs, low=lows, close=closes, name=candles.symbol, row=1, col=1,
        increasing=_filled(UP), decreasing=_filled(DOWN),
    )  # fmt: skip
    colours = [UP if close >= opened else DOWN for opened, close in zip(opens, closes, strict=True)]
    figure.add_bar(
        x=times, y=volumes, name="volume", marker={"color": colours, "line": {"width": 0}}, opacity=0.6, row=2, col=1
    )
    figure.update_layout(height=CANDLES_HEIGHT, showlegend=False, hovermode="x unified", bargap=0.1)
    figure.update_xaxes(rangeslider_visible=False)
    base, _, quote = candles.symbol.partition("-")
    figure.update_yaxes(title_text=f"price, {quote}", tickformat=",", row=1, col=1)
    figure.update_yaxes(title_text=f"volume, {base}", row=2, col=1)
    return figure


def _filled(colour: str) -> dict[str, object]:
    return {"line": {"color": colour, "width": 1}, "fillcolor": colour}


def volumes_charts(traded: Sequence[Traded]) -> list[tuple[str, go.Figure]]:
    """For each quote asset its markets by volume, the largest on top: amounts of two assets have no common scale."""
    by_asset = sorted(traded, key=lambda market: (market.quote_asset, -market.quote_volume, market.symbol))
    grouped = {asset: list(markets) for asset, markets in groupby(by_asset, key=lambda market: market.quote_asset)}
    busiest_first = sorted(grouped.items(), key=lambda item: -sum(market.trades for market in item[1]))
    return [(asset, _volumes_chart(asset, markets[:VOLUMES])) for asset, markets in busiest_first]


def _volumes_chart(asset: str, markets: Sequence[Traded]) -> go.Figure:
    figure = go.Figure()
    figure.add_bar(
        x=[float(market.quote_volume) for market in markets], y=[market.symbol for market in markets],
        customdata=[market.trades for market in markets], orientation="h", marker={"color": ACCENT}, width=0.6,
        hovertemplate="%{y}: %{x:,.2f} " + asset + " in %{customdata:,} trades<extra></extra>",
    )  # fmt: skip
    figure.update_layout(height=BARS_MARGIN + BAR_HEIGHT * len(markets), showlegend=False)
    figure.update_xaxes(title_text=f"traded, {asset}", rangemode="tozero")
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    return figure
