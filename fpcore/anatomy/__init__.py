"""Anatomy: what a model is made of, from its config and the names of its tensors.

Names become roles (`layers.3.attention.query.weight`), in one orientation. Every metric asks for roles, never
for names. What a name means is data: one table per kind of model in `fpcore/anatomy/tables`.
"""

from fpcore.anatomy.architecture import Architecture
from fpcore.anatomy.roles import Roles, RoleView, known_model_types, read_anatomy

__all__ = ["Architecture", "RoleView", "Roles", "known_model_types", "read_anatomy"]
