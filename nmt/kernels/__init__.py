"""Fast twins of plain layers and formulas: the same parameters, the same results up to rounding."""
