"""Pure wire forms: bytes and texts in, values of the domain out, and back. Nothing here waits."""
