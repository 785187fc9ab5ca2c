"""Price-time priority matching of one `orders` partition: orders in; trades, depth and execution reports out."""
