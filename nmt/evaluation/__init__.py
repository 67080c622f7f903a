"""Evaluation: scores through sacrebleu, and reports made of them."""
