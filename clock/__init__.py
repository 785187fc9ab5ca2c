"""A tick a second on every partition of `orders` and `accounts`: time goes by even when nobody trades."""
