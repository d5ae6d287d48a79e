"""From a catalog to scores and statistics: plan, fingerprints, scores, results."""
