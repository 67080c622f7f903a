"""The test set, translated and scored once with the final model."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nmt.data.sets import sets_of
from nmt.decoding.translator import Translator, warn_in_python
from nmt.evaluation.metrics import corpus_scores, ter_obstacle
from nmt.evaluation.texts import normalized
from nmt.training.validation import translate

if TYPE_CHECKING:
    from collections.abc import Callable

    from nmt.data.corpus import Corpus
    from nmt.evaluation.metrics import Scores
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
    sets: dict[str, tuple[Scores, int]] = {}
    obstacles: dict[str, None] = {}
    for name, part, pairs in sets_of(run.config.data, "test", len(corpus), corpus.parts):
        texts = corpus.texts(pairs)
        directed = translator.for_part(part)
        translations = translate(
            directed, [s for s, _ in texts], check_stop, warn_in_python, "translating the test set"
        )
        translations, references = normalized(translations), [normalized([t for _, t in texts])]
        obstacle = ter_obstacle([translations], references)
        obstacles |= {obstacle: None} if obstacle else {}
        tokenize = validation.bleu_tokenizer(part.target_language, references[0])
        scores = corpus_scores(translations, references, tokenize=tokenize, ter=not obstacle)
        sets[name] = scores, len(texts)
    for obstacle in obstacles:
        progress.say(obstacle)
    beam = translator.decoding.beam_size
    progress.test(step, sets, beam, time.monotonic() - started)
