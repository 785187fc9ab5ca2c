"""A tick a second on every partition of `orders`, so that time goes by on the log even when nobody trades."""
