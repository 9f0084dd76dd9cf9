"""Experiments as data: a YAML file names the cells of a table, `synthst table` runs and compares them."""
