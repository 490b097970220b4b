"""The HTTP API: parses, asks an operation or a query, and answers. It decides nothing itself."""
