"""What a client of the exchange needs: keys, signed commands and the REST gateway. Knows no stage and no Kafka."""
