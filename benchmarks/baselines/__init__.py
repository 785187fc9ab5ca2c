"""What Glassbook is compared with: the same service, built as one would without a log."""
