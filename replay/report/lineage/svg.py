"""A lineage answer as an SVG picture that stands for itself: no script, no font, nothing from elsewhere."""

from __future__ import annotations

from replay.query import Answer
from replay.report.lineage.boxes import BAND, WIDTH
from replay.report.lineage.looks import FAMILIES
from replay.report.lineage.picture import picture
from replay.report.templating import environment


def to_svg(answer: Answer) -> str:
    """The answer as SVG, from left (older) to right (younger).

    At most `picture.MAX_BOXES` nodes are drawn; the picture says so when there are more.
    """
    template = environment().get_template("lineage.svg.j2")
    return template.render(picture=picture(answer), families=FAMILIES, WIDTH=WIDTH, BAND=BAND)
