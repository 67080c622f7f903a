"""The prompt of `nmt translate` on a terminal."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from nmt.cli import common

if TYPE_CHECKING:
    from nmt.data.statistics import Statistics
    from nmt.decoding.translator import Translator

_NAMED = 20  # unknown words in a note

_HELP = """\
Type a sentence to translate it.
  /beam N    set the beam size (now {beam})
  /nbest N   set the number of translations (now {nbest})
  /to LANG   set the target language, if the model has several
  /attention [words]
             show which source subwords (or words) the last translation reads
  /help      show this help
  /bye       exit (or Ctrl-D)"""


def prompt(translator: Translator, statistics: Statistics | None, tag: str | None) -> None:
    from nmt.config.loading import replaced
    from nmt.errors import ConfigError, UsageError

    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  (adds line editing and history to input())
    nbest = 1
    last: tuple[str, str] | None = None

    def warn(_: int, message: str) -> None:
        print(f"warning: {message}", file=sys.stderr)

    print("Type a sentence; /help lists commands, /bye exits.", file=sys.stderr)
    while True:
        try:
            line = input(">>> ")
        except EOFError:
            print(file=sys.stderr)
            return
        command, _, argument = line.strip().partition(" ")
        beam = translator.decoding.beam_size
        if command == "/bye":
            return
        if command in ("/beam", "/nbest") and argument.strip().isdecimal() and int(argument) > 0:
            number = int(argument)
            wanted = number if command == "/nbest" else nbest
            beam = number if command == "/beam" else max(beam, wanted)
            try:
                translator.decoding = replaced(translator.decoding, beam_size=beam)
            except ConfigError as error:
                print(f"error: {error.message}", file=sys.stderr)
                continue
            nbest = min(wanted, beam)
            print(f"beam {beam}, nbest {nbest}", file=sys.stderr)
        elif command == "/to" and argument.strip():
            try:
                translator = translator.into(argument.strip(), tag)
                last = None  # The new translator has other tags.
            except UsageError as error:
                print(f"error: {error.message}", file=sys.stderr)
        elif command == "/attention" and argument.strip() in ("", "words"):
            if last is None:
                print("error: there is no translation yet", file=sys.stderr)
                continue
            try:
                print(_attention(translator, *last, bool(argument)))
            except UsageError as error:
                print(f"error: {error.message}", file=sys.stderr)
        elif command.startswith("/"):
            print(_HELP.format(beam=beam, nbest=nbest), file=sys.stderr)
        elif command:
            sentence = common.argument_text(line)
            if statistics and (unknown := statistics.unknown_words(sentence)):
                common.note(listed_words(unknown, statistics))
            [found] = translator.translate_nbest([sentence], nbest, warn)
            for translation in found:
                score = f"{translation.score:8.4f}  " if nbest > 1 else ""
                print(f"{score}{translation.text}")
            last = sentence, found[0].text


def _attention(translator: Translator, source: str, target: str, words: bool) -> str:
    from nmt.inspection.attention import translation_maps
    from nmt.inspection.terminal import Style, maps_text

    maps = translation_maps(translator, source, target)
    return maps_text(
        maps["word" if words else "subword"], "cross", None, None, Style.of(sys.stdout)
    )


def listed_words(unknown: list[str], statistics: Statistics) -> str:
    from nmt.text import escape

    few = f", or contains fewer than {statistics.rarest} times" if statistics.rarest > 1 else ""
    more = f", and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
    names = escape(", ".join(unknown[:_NAMED]))
    return f"words that the training data does not contain{few}: {names}{more}"
