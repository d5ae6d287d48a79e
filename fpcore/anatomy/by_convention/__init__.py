"""Reading a model whose type has no table: by the names that the field uses, confirmed by shapes."""

from fpcore.anatomy.by_convention.whole_model import read_by_convention

__all__ = ["read_by_convention"]
