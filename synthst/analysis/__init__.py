"""Look into trained models: entropy, loss curves, sampling."""
