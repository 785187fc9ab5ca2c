"""Live market data: what stands on the topics, as streams over WebSocket and as REST from the same state."""
