"""A whole day of B3's traffic: written from a seed, and replayed through the log as fast as the exchange takes it."""
