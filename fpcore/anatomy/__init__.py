"""Anatomy: what a model is made of, from its config and the names and shapes of its tensors.

Names become roles (`layers.3.attention.query.weight`), in one orientation. Every metric asks for roles,
never for names. What a name means is data: one table per kind of model in `fpcore/anatomy/tables`, and for
all other types the words that the field uses, in `fpcore/anatomy/by_convention/words.py`.
"""

from fpcore.anatomy.architecture import Architecture
from fpcore.anatomy.by_table import known_model_types
from fpcore.anatomy.reading import Anatomy, read_anatomy
from fpcore.anatomy.roles import Roles, RoleView

__all__ = ["Anatomy", "Architecture", "RoleView", "Roles", "known_model_types", "read_anatomy"]
