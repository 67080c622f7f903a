"""The modal verbs, and the selections for statements, negated statements and questions."""

from __future__ import annotations

from nmt.phrasebook import english, german
from nmt.phrasebook.clause import Modal


def _modal(auxiliary: str, lexical: str, rest: str, de: str, past: bool = False) -> Modal:
    return Modal(
        auxiliary,
        english.parse_verb(lexical) if lexical else None,
        tuple(rest.split()),
        german.parse_verb(de) if de else None,
        past,
    )


CAN = _modal("can", "", "", "können")
SHOULD = _modal("should", "", "", "sollten")
MUST = _modal("must", "", "", "müssen")
MUST_NOT = _modal("must", "", "", "dürfen")
MAY = _modal("may", "", "", "dürfen")
WANT = _modal("", "want", "to", "wollen")
HAVE_TO = _modal("", "have/had/had", "to", "müssen")
WOULD_LIKE = _modal("would", "", "like to", "möchten")
LIKE = _modal("", "like", "to", "")
COULD = _modal("could", "", "", "können", True)
HAD_TO = _modal("", "have/had/had", "to", "müssen", True)
WANTED = _modal("", "want", "to", "wollen", True)
STATED = (
    CAN,
    CAN,
    SHOULD,
    MUST,
    WANT,
    WANT,
    HAVE_TO,
    MAY,
    WOULD_LIKE,
    LIKE,
    LIKE,
    COULD,
    HAD_TO,
    WANTED,
)
DENIED = (CAN, CAN, SHOULD, MUST_NOT, MAY, WANT, HAVE_TO, LIKE, COULD, WANTED)
ASKED = (CAN, CAN, SHOULD, WANT, WOULD_LIKE, HAVE_TO, LIKE)
