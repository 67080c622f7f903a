"""Inspection of trained models: attention maps and word alignments."""
