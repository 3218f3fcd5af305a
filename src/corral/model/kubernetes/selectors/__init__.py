"""Selectors: which objects are meant, by their labels or their fields.

Label selectors come as text (`parse`) or as a LabelSelector object (`of_object`); field selectors as text
(`fields.parse`).
"""

from corral.model.kubernetes.selectors.objects import of_object, problems_of_labels, problems_of_object
from corral.model.kubernetes.selectors.requirements import (
    EVERYTHING,
    NOTHING,
    BadSelector,
    Requirement,
    Selector,
    of_labels,
    requirement,
)
from corral.model.kubernetes.selectors.text import parse

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "BadSelector",
    "Requirement",
    "Selector",
    "of_labels",
    "of_object",
    "parse",
    "problems_of_labels",
    "problems_of_object",
    "requirement",
]
