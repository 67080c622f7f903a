"""Fast versions of layers of `nmt.model`, with equal parameters and results up to rounding."""
