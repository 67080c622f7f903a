"""The test set, translated and scored once with the final model."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nmt.decoding.translator import Translator, warn_in_python
from nmt.evaluation.metrics import corpus_scores, ter_obstacle
from nmt.evaluation.texts import normalized
from nmt.training.validation import translate

if TYPE_CHECKING:
    from collections.abc import Callable

    from nmt.data.corpus import Corpus
    from nmt.runs import Run
    from nmt.training.progress import Progress
    from nmt.training.validation import Validation


def score_test_set(
    run: Run,
    corpus: Corpus,
    step: int,
    validation: Validation,
    progress: Progress,
    check_stop: Callable[[], None],
) -> None:
    """Report the scores of the final model, of `step`, with BLEU as in `validation`."""
    started = time.monotonic()
    translator = Translator.load(run, validation.device.type)
    texts = corpus.texts(range(len(corpus)))
    translations = translate(translator, [s for s, _ in texts], check_stop, warn_in_python)
    translations, references = normalized(translations), [normalized([t for _, t in texts])]
    if obstacle := ter_obstacle([translations], references):
        progress.say(obstacle)
    tokenize, beam = validation.tokenize, translator.decoding.beam_size
    scores = corpus_scores(translations, references, tokenize=tokenize, ter=not obstacle)
    progress.test(step, scores, len(texts), beam, time.monotonic() - started)
