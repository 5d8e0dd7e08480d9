"""Regressions of samples: few rows, all genes at once, with a weight for every count."""
