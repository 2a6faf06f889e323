"""Small defects of the double, one at a time, which the checks of the contract have to catch."""
