"""Where deliveries go: files of the hour, in Parquet or NDJSON, with inventory, labels and a card beside them."""
