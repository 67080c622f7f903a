"""Decoding: beam search over a model, and the translator from text to text."""
