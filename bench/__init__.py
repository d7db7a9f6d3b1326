"""Measurements of a lab: one module per promise, each beside a reference from the same run."""
