"""Studies run by hand from a clone: simulations, other tools, candidate sets. No part of the package."""
