"""The HTML templates of this room, filled; nothing is fetched."""

from __future__ import annotations

import jinja2
from markupsafe import Markup

from benchmark.comparison.text_layout import signed
from benchmark.report import notation
from benchmark.session.untrusted_text import shown_on_page

__all__ = ["render"]


def render(template: str, context: dict[str, object]) -> str:
    """Fill a template, with the style sheet at hand as `css`.

    Parameters
    ----------
    template : str
        File name in ``templates/``.
    context : dict
        What it names.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("benchmark.comparison"),
        autoescape=True,
        finalize=shown_on_page,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(plain=notation.plain, signed=signed, p_value=notation.p_value)
    assert environment.loader is not None
    css = Markup(environment.loader.get_source(environment, "case.css")[0])
    return environment.get_template(template).render(**context, css=css)
