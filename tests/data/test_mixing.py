"""The pairs that an epoch draws from sources with weights, and the settings of each source."""

from __future__ import annotations

import hashlib
import itertools
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nmt.config import Config, DataConfig
from nmt.data import preparation
from nmt.data.batching import Batches, PaddedBatches
from nmt.data.cache import cache_key
from nmt.data.mixing import Mixture, mixture_of
from nmt.data.packing import PackedBatches
from nmt.data.preparation import PreparedData, prepare_data
from nmt.data.sets import sets_of
from nmt.errors import DataError

KINDS: tuple[type[Batches], ...] = (PaddedBatches, PackedBatches)
parts = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 40)), min_size=1, max_size=4)


class Lengths:
    """A corpus of which only the lengths are known."""

    def __init__(self, pairs: int) -> None:
        rng = np.random.default_rng(0)
        self.source_lengths, self.target_lengths = rng.integers(1, 30, (2, pairs))


def data_of(*weights: float, **options: Any) -> DataConfig:
    train = [{"builtin": "phrasebook", "weight": weight} for weight in weights]
    return DataConfig.model_validate(
        {"train": train, "valid": {"builtin": "phrasebook"}, **options}
    )


def mixture(sizes: list[int], *weights: float, whole: bool = False, **options: Any) -> Mixture:
    found = mixture_of(data_of(*weights, **options), sizes, whole=whole)
    assert found is not None
    return found


@given(parts, st.integers(0, 3), st.integers(1, 5))
def test_no_pair_is_drawn_again_before_all_pairs_of_its_part(
    given: list[tuple[int, int]], seed: int, epochs: int
) -> None:
    mixed = Mixture(*zip(*given, strict=True))
    epochs_drawn = [mixed.draw(seed, epoch) for epoch in range(1, epochs + 1)]
    for drawn in epochs_drawn:
        assert tuple(mixed.count(drawn)) == mixed.per_epoch
    first = 0
    for size, count in given:
        drawn = np.concatenate(epochs_drawn)
        times = np.bincount(
            drawn[(first <= drawn) & (drawn < first + size)] - first, minlength=size
        )
        assert times.sum() == epochs * count
        assert times.max() - times.min() <= 1
        first += size


def test_draw_depends_only_on_seed_and_epoch() -> None:
    mixed = Mixture((50, 20), (30, 30))
    first, again = mixed.draw(1, 2), Mixture((50, 20), (30, 30)).draw(1, 2)
    assert first.tolist() == again.tolist()
    assert first.tolist() != mixed.draw(1, 3).tolist()
    assert first.tolist() != mixed.draw(2, 2).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_plan_has_the_drawn_pairs_and_depends_only_on_seed_and_epoch(kind: Any) -> None:
    mixed = Mixture((300, 50), (150, 100))
    plans = [kind(Lengths(350), 200, mixture=mixed).plan(3, epoch) for epoch in (1, 1, 2)]
    first, again, other = ([batch.tolist() for batch in plan] for plan in plans)
    assert first == again != other
    for plan, epoch in ((first, 1), (other, 2)):
        assert sorted(itertools.chain(*plan)) == sorted(mixed.draw(3, epoch).tolist())


def test_plan_without_mixture_does_not_change_between_versions() -> None:
    digests = []
    for kind in KINDS:
        for pairs in (None, np.arange(0, 500, 3)):
            corpus: Any = Lengths(0)
            rng = np.random.default_rng(0)
            corpus.source_lengths = rng.integers(1, 30, 500)
            corpus.target_lengths = rng.integers(1, 30, 500)
            plan = [batch.tolist() for batch in kind(corpus, 200, pairs).plan(7, 3)]
            digests.append(hashlib.sha256(repr(plan).encode()).hexdigest()[:8])
    assert digests == ["2209344b", "ed2b6675", "1f6d3e80", "a68b5a41"]


def test_default_epoch_is_one_pass_over_the_largest_part() -> None:
    assert mixture([1000, 100], 1, 5).per_epoch == (1000, 500)
    assert mixture([1000, 100], 0.5, 1).per_epoch == (1000, 200)
    assert mixture([10_000, 100], 1, 1, temperature=2.0).per_epoch == (10_000, 1000)
    assert mixture([10_000, 100], 1, 2, temperature=1e6).per_epoch == (10_000, 20_000)
    assert mixture([0, 100], 2, 1).per_epoch == (0, 100)


def test_epoch_pairs_sets_the_size_of_an_epoch() -> None:
    assert mixture([1000, 100], 1, 5, epoch_pairs=150).per_epoch == (100, 50)
    assert mixture([1000], 1, epoch_pairs=30).per_epoch == (30,)
    assert mixture([1000, 100], 1, 5, epoch_pairs=150, whole=True).per_epoch == (1000, 500)
    assert mixture([10**6, 1], 1, 1, epoch_pairs=10).per_epoch == (10, 1)


def test_equal_weights_do_not_mix() -> None:
    assert mixture_of(data_of(1, 1), [10, 20]) is None


def test_texts_for_the_vocabulary_are_repeated_as_they_are_drawn() -> None:
    mixed = Mixture((4, 2), (2, 5))
    texts = [(part, f"{part}{i}", "") for part, size in enumerate((4, 2)) for i in range(size)]
    found = Counter(source for source, _ in mixed.repeated(iter(texts)))
    assert found == {"01": 1, "03": 1, "10": 2, "11": 3}


def test_epoch_of_one_source_may_be_a_part_of_it() -> None:
    mixed = mixture([100], 1, epoch_pairs=40)
    passes = np.concatenate([mixed.draw(1, epoch) for epoch in range(1, 6)])
    assert sorted(passes.tolist()) == sorted([*range(100)] * 2)


# --- Sources with their own settings ----------------------------------------------------------


class Files:
    """Pairs of letters in files: two training sources, and a validation source."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sources: dict[str, dict[str, Any]] = {}
        for name, lines in (
            ("a", [(f"a {i} x", f"b {i} y") for i in range(60)] + [("same", "same")]),
            ("b", [(f"c {i}", f"d {i} z") for i in range(20)] + [("same", "same")] * 2),
            ("v", [("a 1 q", "b 1 q"), ("c", "d")]),
        ):
            for side, suffix in enumerate(("en", "de")):
                text = "".join(f"{pair[side]}\n" for pair in lines)
                (folder / f"{name}.{suffix}").write_text(text)
            paths = {"source": f"{folder}/{name}.en", "target": f"{folder}/{name}.de"}
            self.sources[name] = paths

    def config(
        self, a: dict[str, Any] | None = None, b: dict[str, Any] | None = None, **data: Any
    ) -> Config:
        train = [self.sources["a"] | (a or {}), self.sources["b"] | (b or {})]
        return Config.model_validate(
            {
                "data": {"train": train, "valid": self.sources["v"], **data},
                "tokenizer": {"vocab_size": 320, "type": "bpe", "sampling": 0.5},
                "training": {"max_steps": 1},
            }
        )

    def prepare(self, config: Config) -> PreparedData:
        run = self.folder / "run"
        return prepare_data(config, run / "data", run / "tokenizer", lambda _: None, lambda: None)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_filters_change_the_rules_of_one_source(files: Files) -> None:
    config = files.config(b={"filters": {"drop_copies": True}}, drop_duplicates=True)
    report = files.prepare(config).report.splits["train"]
    assert report.dropped == {"target equals source": 2}
    assert report.parts == [61, 20]
    config = files.config(a={"filters": {"drop_duplicates": True}})
    assert files.prepare(config).report.splits["train"].parts == [61, 22]
    config = files.config(b={"filters": {"max_tokens": 3}})
    assert files.prepare(config).report.splits["train"].parts[0] == 61


def test_unset_filters_have_the_values_of_data_after_a_round_trip(files: Files) -> None:
    config = files.config(b={"filters": {"max_tokens": 9}}, drop_copies=True)
    again = Config.model_validate(config.model_dump())
    rules = again.data.parts("train")[1].rules
    assert (rules.max_tokens, rules.drop_copies) == (9, True)


def test_both_directions_add_each_pair_in_reverse_with_a_tag(files: Files) -> None:
    languages = {"source_language": "en", "target_language": "de"}
    prepared = files.prepare(files.config(both_directions=True, **languages))
    train, tokenizer = prepared.train, prepared.tokenizer
    assert train.parts == [61, 22, 61, 22]
    texts = train.texts(range(166))
    assert texts[83:] == [(target, source) for source, target in texts[:83]]
    tags = [tokenizer.source.tags[tag] for tag in ("<2de>", "<2en>")]
    for seed in (None, 5):
        ids = train.read(np.arange(166), seed)
        assert [source[0] for source, _ in ids] == [tags[0]] * 83 + [tags[1]] * 83
        assert not {*tags} & {i for source, target in ids for i in (*source[1:], *target)}
    plain = [tokenizer.source.encode(source) for source, _ in texts]
    assert [source[1:] for source, _ in train.read(np.arange(166))] == plain
    assert train.source_lengths.tolist() == [len(ids) + 1 for ids in plain]
    sets = sets_of(files.config(both_directions=True, **languages).data, "valid", 4, [2, 2])
    assert [(one.name, one.pairs.tolist()) for one in sets] == [
        ("en-de", [0, 1]),
        ("de-en", [2, 3]),
    ]


def test_equal_texts_with_different_tags_are_no_duplicates(files: Files) -> None:
    languages = {"source_language": "en", "target_language": "de"}
    config = files.config(both_directions=True, drop_duplicates=True, **languages)
    assert files.prepare(config).train.parts == [61, 20, 61, 20]
    shutil.rmtree(files.folder / "run")
    tagged = files.config(b={"tag": "<bt>"}, drop_duplicates=True)
    assert files.prepare(tagged).train.parts == [61, 21]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "the set odd of data.valid has no pairs"),
        ("x " * 99, "all pairs of the set odd of data.valid have more than 50 tokens"),
    ],
)
def test_validation_set_without_a_loss_is_an_error(files: Files, lines: str, message: str) -> None:
    odd = {side: str(files.folder / f"odd.{side}") for side in ("source", "target")}
    for path in odd.values():
        Path(path).write_text(lines)
    valid = [files.sources["v"], odd | {"name": "odd"}]
    with pytest.raises(DataError, match=message):
        files.prepare(files.config(valid=valid, max_tokens=50))


def test_tag_of_a_source_follows_the_language(files: Files) -> None:
    config = files.config(
        {"target_language": "de"}, {"target_language": "fr", "tag": "<bt>"}, target_language="de"
    )
    prepared = files.prepare(config)
    ids = prepared.train.read([0, 61])
    tags = prepared.tokenizer.source.tags
    assert ids[0][0][0] == tags["<2de>"]
    assert ids[1][0][:2] == [tags["<2fr>"], tags["<bt>"]]
    assert prepared.valid.read([0])[0][0][0] == tags["<2de>"]


def test_limit_of_tokens_includes_tags(files: Files) -> None:
    tagged = {"tag": "<x>"}
    lengths = files.prepare(files.config(tagged, tagged)).train.source_lengths
    longest = int(lengths.max())
    found = files.prepare(files.config(tagged, tagged, max_tokens=longest - 1))
    assert found.train.source_lengths.tolist() == lengths[lengths < longest].tolist()


def test_vocabulary_is_trained_on_texts_as_they_are_drawn(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: Counter[str] = Counter()

    def stop(lines: Any, *_: object) -> None:
        seen.update(source[0] for source, _ in lines())
        raise DataError("stop")

    monkeypatch.setattr(preparation, "make_tokenizer", stop)
    with pytest.raises(DataError, match="stop"):
        files.prepare(files.config(temperature=1e6, epoch_pairs=5))
    assert seen["a"] == 60
    assert 50 <= seen["c"] <= 60


def test_weights_and_names_keep_the_prepared_data_of_a_run(files: Files) -> None:
    plain = cache_key(files.config())
    assert cache_key(files.config({"source_language": "en"}, {"source_language": "en"})) == plain
    mixed = cache_key(files.config({"weight": 2.0}))
    assert cache_key(files.config({"weight": 3.0}, temperature=2.0)) == mixed != plain
    assert cache_key(files.config({"tag": "<x>"})) != plain
    assert cache_key(files.config({"filters": {"drop_copies": True}})) != plain


def test_sources_without_new_keys_are_dumped_as_in_earlier_versions(files: Files) -> None:
    dumped = files.config().model_dump()["data"]["train"][0]
    assert dumped == files.sources["a"]


@pytest.mark.parametrize(
    ("a", "b", "data", "message"),
    [
        (
            {},
            {},
            {"both_directions": True},
            "data.train.0 has no target_language, which is needed for both_directions",
        ),
        ({"target_language": "de"}, {}, {}, "data.train.1 has no target_language"),
        (
            {},
            {},
            {"both_directions": True, "target_language": "de"},
            "data.train.0 has no source_language, which is needed for both_directions",
        ),
        (
            {"target_language": "de"},
            {"target_language": "fr"},
            {"target_language": "nl"},
            "data.valid has the target language nl, but the sources of data.train have de, fr",
        ),
        ({"tag": "bt"}, {}, {}, "'bt' is not a tag such as <bt>"),
        ({"tag": "<2de>"}, {}, {}, "is not a tag"),
        ({"tag": "<0x41>"}, {}, {}, "is not a tag"),
        ({"tag": "</s>"}, {}, {}, "is not a tag"),
        ({"filters": {"max_tokens": 300}}, {}, {}, "max_tokens is above data.max_tokens"),
    ],
)
def test_inconsistent_sources_are_one_error(
    files: Files, a: dict[str, Any], b: dict[str, Any], data: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        files.config(a, b, **data)


def test_tag_that_is_a_symbol_of_texts_is_an_error(files: Files) -> None:
    values = files.config({"tag": "<bt>"}).model_dump()
    values["tokenizer"]["user_defined_symbols"] = ["<bt>"]
    with pytest.raises(ValidationError, match="<bt> is both a tag of"):
        Config.model_validate(values)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([{"weight": 2.0}], "weight and filters belong to data.train only"),
        ([{"filters": {}}], "weight and filters belong to data.train only"),
        (
            [{"name": "x", "target_language": "de"}, {"name": "x", "tag": "<x>"}],
            "with the name 'x' have different languages or tags",
        ),
    ],
)
def test_inconsistent_validation_sources_are_one_error(
    files: Files, keys: list[dict[str, Any]], message: str
) -> None:
    valid = [files.sources["v"] | key for key in keys]
    with pytest.raises(ValidationError, match=message):
        files.config(valid=valid)
