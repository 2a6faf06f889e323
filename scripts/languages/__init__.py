"""Runs the programs of clients/, each of which uses what a generator made of the contract, against the double."""
