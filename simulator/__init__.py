"""Trials of the whole exchange: faults, audits, and the traffic of a market."""
