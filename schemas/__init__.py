"""What crosses a boundary: records, topics, commands, signatures and instruments. No I/O, no clock."""
