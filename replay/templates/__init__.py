"""Project templates: the gallery's workflows, laid out as projects of one's own."""

from replay.templates.gallery import Gallery, Template, gallery
from replay.templates.layout import Layout
from replay.templates.new import Laid, new_project

__all__ = ["Gallery", "Laid", "Layout", "Template", "gallery", "new_project"]
