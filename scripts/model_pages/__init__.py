"""Reads the vendor's model pages, compares them with the contract, and drafts models from them."""
