"""The picture of all statements, from verdicts made by hand."""

import pytest

from helpers import charts
from helpers.charts import style

OUTCOMES = {
    "F1": ("holds", 4), "F2": ("holds, but", 12), "F3": ("cannot be shown here", 1),
    "F4": ("does not hold", 1), "F5": ("open", 0), "F10": ("holds", 1),
}  # fmt: skip


@pytest.fixture
def drawn(monkeypatch):
    """Catch the figure and the alt text."""
    caught = []
    monkeypatch.setattr(style, "_show", lambda figure, title, alt: caught.append((figure, alt)))
    return caught


def test_a_tile_for_each_statement(drawn):
    charts.verdicts(OUTCOMES, "Most hold")
    figure, alt = drawn[0]
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts[::2]] == list(OUTCOMES)
    assert axes.texts[3].get_text() == "12 claims"
    assert len({tile.get_facecolor() for tile in axes.patches}) == 5
    assert alt.startswith("F1 holds, 4 claims. F2 holds, but, 12 claims.")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(dict(OUTCOMES.values()))


def test_no_text_leaves_its_tile_or_meets_another(drawn):
    charts.verdicts({f"F{n}a": ("holds, but", 99) for n in range(1, 43)}, "All hold")
    figure, _ = drawn[0]
    figure.draw_without_rendering()
    (axes,) = figure.axes
    tiles = [tile.get_window_extent() for tile in axes.patches]
    texts = [text.get_window_extent() for text in axes.texts]
    assert len(tiles) == 42
    for tile, name, claims in zip(tiles, texts[::2], texts[1::2], strict=True):
        assert not name.overlaps(claims)
        for text in (name, claims):
            assert tile.x0 < text.x0 < text.x1 < tile.x1
            assert tile.y0 < text.y0 < text.y1 < tile.y1


@pytest.mark.parametrize(
    ("outcomes", "error"),
    [({}, ValueError), ({"F1": ("perhaps", 1)}, ValueError), ({"F1": "holds"}, TypeError)],
)
def test_what_cannot_be_drawn_is_refused(outcomes, error):
    with pytest.raises(error, match="outcomes"):
        charts.verdicts(outcomes, "All hold")
