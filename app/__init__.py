"""badges-bff: the loyalty badges of whoever is logged in."""
