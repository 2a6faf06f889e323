"""Makes small mistakes in a module, one at a time, and looks whether its tests notice."""
