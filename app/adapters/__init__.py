"""All I/O: stores, the gateway, token endpoint, key sets, logs. No policy is decided here."""
