"""The page of a report: words of data sets, classes and runs are words there, whatever they look like."""

import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis import report
from analysis.figures import draw

HOSTILE = """<script>alert(1)</script>"><img src=x onerror=alert(2)>'&lt;b&gt;{{ 7 * 7 }}"""


class Page(HTMLParser):
    """What a browser would make of it: elements, their attributes, and the text."""

    def __init__(self):
        super().__init__()
        self.elements, self.attributes, self.text = [], [], ""

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        self.attributes += attributes

    def handle_data(self, data):
        self.text += data


def test_nothing_in_a_page_is_more_than_words(tmp_path):
    figure = Figure()
    figure.text(0.5, 0.5, HOSTILE)
    picture = draw(lambda: figure, folder=tmp_path, name="picture")
    table = pd.DataFrame({HOSTILE: [HOSTILE, HOSTILE], "other": [1, 2]})
    claim = report.Claim(HOSTILE, HOSTILE)
    section = report.Section(
        HOSTILE, HOSTILE, picture=picture, missing=HOSTILE, claims=[claim], tables={HOSTILE: table}
    )
    arguments = {"title": HOSTILE, "facts": [(HOSTILE, HOSTILE)], "warnings": [HOSTILE], "sections": [section]}
    written = report.write(tmp_path / "report.html", **arguments).read_text()
    page = Page()
    page.feed(written)
    assert "script" not in page.elements
    assert page.elements.count("img") == 1
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.text.count(HOSTILE) == 14
    svg = picture.with_suffix(".svg").read_text()
    assert not re.search("<(script|img)", svg)


@pytest.mark.parametrize("name", ["../picture", "/picture", "a/b", ""])
def test_a_figure_stays_in_its_folder(tmp_path, name):
    with pytest.raises(ValueError, match="is no name of a figure's file"):
        draw(Figure, folder=tmp_path, name=name)
    assert not list(tmp_path.rglob("*"))
