"""What one lineage, label or architecture does to a metric's numbers."""
