"""This service beside its peers, under one load, in one run: `python -m bench.compare --help`."""
