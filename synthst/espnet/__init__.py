"""Everything that touches ESPnet: training of its models and fast search over them."""
