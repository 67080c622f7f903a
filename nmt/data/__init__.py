"""From files to batches: sources, cleaning, token ids on disk, and the plan of batches."""
