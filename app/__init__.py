"""badges-bff: the loyalty badges of whoever is logged in."""

__version__ = "0.1.0"
