"""Matching engines from PyPI, each behind the same few lines, so that one workload can be given to all."""
