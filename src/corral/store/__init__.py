"""Where records are kept: keys with bytes, changed together or not at all, and durable once acknowledged."""
