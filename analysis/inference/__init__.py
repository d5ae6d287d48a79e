"""Tests: permutation within architecture cells, claimed p-values, confounding by architecture."""
