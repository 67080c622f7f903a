"""Changes of the pieces in a SentencePiece model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nmt.tokenizer.ids import BOS, EOS, PAD, UNK


def parsed(model: bytes) -> Any:
    """Return the ModelProto of a model file's content. Raises ValueError if it is not a model."""
    from google.protobuf.message import DecodeError
    from sentencepiece import sentencepiece_model_pb2

    messages: Any = sentencepiece_model_pb2
    proto = messages.ModelProto()
    try:
        proto.ParseFromString(model)
    except DecodeError as error:
        raise ValueError("not a SentencePiece model") from error
    if not proto.pieces:
        raise ValueError("not a SentencePiece model")
    return proto


def is_bpe(model: bytes) -> bool:
    proto = parsed(model)
    return bool(proto.trainer_spec.model_type == proto.trainer_spec.BPE)


def without_dummy_prefix(model: bytes) -> bytes:
    """Return a model that encodes exactly the characters of a text, also spaces at its ends."""
    proto = parsed(model)
    proto.normalizer_spec.add_dummy_prefix = False
    proto.normalizer_spec.remove_extra_whitespaces = False
    return bytes(proto.SerializeToString())


def with_control_ids(model: bytes) -> bytes:
    """Return a model whose first pieces are pad, unk, bos and eos, in the order of their ids.

    Raises ValueError if it is not a SentencePiece model, or if it has no unknown piece.
    """
    proto = parsed(model)
    spec, kinds = proto.trainer_spec, proto.SentencePiece
    old = list(proto.pieces)
    unknown = [piece for piece in old if piece.type == kinds.UNKNOWN]
    if len(unknown) != 1:
        raise ValueError("the model has no unknown piece")
    names = {spec.pad_piece, spec.bos_piece, spec.eos_piece}
    del proto.pieces[:]
    for number, name in ((PAD, "<pad>"), (UNK, "<unk>"), (BOS, "<s>"), (EOS, "</s>")):
        kind = kinds.UNKNOWN if number == UNK else kinds.CONTROL
        proto.pieces.add(piece=name, score=0.0, type=kind)
    controls = names | {piece.piece for piece in proto.pieces}
    proto.pieces.extend(
        piece
        for piece in old
        if piece.type != kinds.UNKNOWN
        and not (piece.type == kinds.CONTROL and piece.piece in controls)
    )
    spec.pad_id, spec.unk_id, spec.bos_id, spec.eos_id = PAD, UNK, BOS, EOS
    spec.pad_piece, spec.unk_piece, spec.bos_piece, spec.eos_piece = (
        piece.piece for piece in proto.pieces[:4]
    )
    spec.vocab_size = len(proto.pieces)
    return bytes(proto.SerializeToString())


def with_symbols(model: bytes, symbols: Sequence[str], tags: Sequence[str]) -> bytes:
    """Return a model with symbols that are always one piece, and tags that no text contains."""
    if not symbols and not tags:
        return model
    proto = parsed(model)
    kinds = proto.SentencePiece
    there = {piece.piece: piece for piece in proto.pieces}
    for names, kind in ((symbols, kinds.USER_DEFINED), (tags, kinds.CONTROL)):
        for name in names:
            piece = there.get(name) or proto.pieces.add(piece=name, score=0.0)
            piece.type = kind
    proto.trainer_spec.vocab_size = len(proto.pieces)
    return bytes(proto.SerializeToString())


def with_pieces(model: bytes, pieces: Sequence[tuple[str, float]]) -> bytes:
    """Return a model with more pieces and their log-probabilities, most probable first.

    In a BPE model, the new pieces are merged after all others, in this order.
    """
    proto = parsed(model)
    lowest = min(piece.score for piece in proto.pieces)
    for rank, (text, score) in enumerate(pieces, start=1):
        proto.pieces.add(piece=text, score=lowest - rank if is_bpe(model) else score)
    proto.trainer_spec.vocab_size = len(proto.pieces)
    return bytes(proto.SerializeToString())


def scored_pieces(model: bytes) -> list[tuple[str, float]]:
    """Return the pieces that are learned from text, with their scores, in the order of ids."""
    proto = parsed(model)
    normal = proto.SentencePiece.NORMAL
    return [(piece.piece, piece.score) for piece in proto.pieces if piece.type == normal]
