"""Thresholds and rates: calibration on other lineages, certificates, and what a catalog can certify."""
