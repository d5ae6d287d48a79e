"""The interactive drawings of the page, as SVG text; its style sheet colours them."""
