"""The lineage catalog: what is known about models, with evidence, and what follows from it for every pair."""

from benchmark.catalog.catalog import Catalog, CatalogPart
from benchmark.catalog.counts import CatalogCounts
from benchmark.catalog.graph import Kinship
from benchmark.catalog.load import CatalogLike, load_catalog, parse_catalog, shipped_catalog
from benchmark.catalog.model import (
    Dispute,
    Evidence,
    Facts,
    Forgery,
    HubSource,
    Model,
    Parent,
    PathSource,
    ZooSource,
)
from benchmark.catalog.problems import CatalogError, Problem
from benchmark.catalog.publications import Publication, PublishedScore

__all__ = [
    "Catalog",
    "CatalogCounts",
    "CatalogError",
    "CatalogLike",
    "CatalogPart",
    "Dispute",
    "Evidence",
    "Facts",
    "Forgery",
    "HubSource",
    "Kinship",
    "Model",
    "Parent",
    "PathSource",
    "Problem",
    "Publication",
    "PublishedScore",
    "ZooSource",
    "load_catalog",
    "parse_catalog",
    "shipped_catalog",
]
