"""Ids of the control tokens in every vocabulary."""

PAD, UNK, BOS, EOS = 0, 1, 2, 3
