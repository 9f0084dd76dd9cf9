"""Audit synthetic targets: compare them with the real ones of the same ids, and show what stands out."""
