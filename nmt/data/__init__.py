"""Data: sources, cleaning, token ids on disk, and the plan of batches."""
