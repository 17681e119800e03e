"""What happens in which order. No I/O library and no HTTP status is known here."""
