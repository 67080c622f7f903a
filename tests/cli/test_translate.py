"""`nmt translate` and `nmt score` on a tiny run: lines, files, errors and the prompt."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import pyarrow as pa
import pytest
from untrained import LINES, write_run

from nmt.cli import common, main
from nmt.data.statistics import keep_statistics
from nmt.runs import Run

FUZZ_CASES = int(os.environ.get("NMT_FUZZ", "500"))


class Result(NamedTuple):
    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[str]:
        assert self.out.endswith(b"\n")
        return self.out.decode().split("\n")[:-1]


Command = Callable[..., Result]


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    write_run(runs / "tiny")
    return runs


@pytest.fixture
def nmt(
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> Command:
    """Run the command line in this process, with bytes on standard input."""
    monkeypatch.setenv("NMT_RUNS", str(runs))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: bytes = b"") -> Result:
        reader, writer = os.pipe()

        def feed() -> None:
            with os.fdopen(writer, "wb") as file:
                file.write(stdin)

        feeder = threading.Thread(target=feed)
        feeder.start()
        with os.fdopen(reader) as file:
            monkeypatch.setattr(sys, "stdin", file)
            monkeypatch.setattr(sys, "argv", ["nmt", *arguments])
            with pytest.raises(SystemExit) as exit:
                main()
        feeder.join()
        code = exit.value.code
        assert isinstance(code, int)
        captured = capfdbinary.readouterr()
        return Result(code, captured.out, captured.err.decode())

    return run


def test_translate_writes_one_line_per_input_line(nmt: Command) -> None:
    text = "\n".join(LINES).encode()
    result = nmt("translate", stdin=text + b"\n")
    assert result.code == 0
    assert len(result.lines) == len(LINES)
    assert [bool(line) for line in result.lines] == [bool(line.strip()) for line in LINES]
    assert "model: " in result.err  # the run that was chosen
    assert nmt("translate", stdin=text).lines == result.lines  # without the last newline
    assert nmt("translate", "--model", "tiny", *LINES).lines == result.lines
    assert "model: " not in nmt("translate", "--model", "tiny", "a tree").err
    assert nmt("translate", stdin=b"").out == b""
    assert nmt("translate", "--workers", "2", stdin=text).lines == result.lines


def test_translate_reads_and_writes_files(nmt: Command, tmp_path: Path) -> None:
    Path("in.txt").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    result = nmt("translate", "-i", "in.txt", "-o", "out.txt")
    assert (result.code, result.out) == (0, b"")
    expected = nmt("translate", *LINES).out
    assert Path("out.txt").read_bytes() == expected
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.txt", "out.txt"]
    assert nmt("translate", "a tree", "-o", "/dev/null").code == 0


def test_failure_keeps_the_existing_output_file(nmt: Command, tmp_path: Path) -> None:
    Path("out.txt").write_text("old")
    result = nmt("translate", "-i", "missing.txt", "-o", "out.txt")
    assert result.code == 4
    assert "missing.txt" in result.err
    assert Path("out.txt").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]
    assert nmt("translate", "-i", ".").code == 4
    assert nmt("translate", "x", "-o", "no/such/folder").code == 5


def test_output_formats_agree_with_plain_output(nmt: Command) -> None:
    plain = nmt("translate", *LINES).lines
    scored = [line.split("\t") for line in nmt("translate", "--scores", *LINES).lines]
    assert [text for _, text in scored] == plain
    assert float(scored[0][0]) < 0

    several = [line.split("\t") for line in nmt("translate", "--nbest", "3", *LINES).lines]
    assert [int(number) for number, _, _ in several] == [1, 1, 1, 2, 3, 3, 3, 4, 5, 5, 5]
    assert several[0][2] == plain[0]

    objects = [json.loads(line) for line in nmt("translate", "--json", *LINES).lines]
    assert [o["translations"][0]["text"] for o in objects] == plain
    assert [o["source"] for o in objects] == LINES
    rejected = nmt("translate", "--nbest", "9", "a tree")
    assert rejected.code == 2
    assert "--beam-size 9" in rejected.err


def test_sampling_is_repeatable(nmt: Command) -> None:
    def sampled(*arguments: str) -> list[str]:
        return nmt("translate", "--sample", "--temperature", "2", *arguments, *LINES).lines

    assert sampled() == sampled("--seed", "1") != sampled("--seed", "2")
    assert sampled("--top-k", "1") == sampled("--top-k", "1", "--seed", "7")
    assert len(sampled("--nbest", "4")) == 4 * 3 + 2


def test_search_options_are_applied(nmt: Command) -> None:
    long = nmt("translate", "--json", "--min-length", "12", "a tree").lines[0]
    best = json.loads(long)["translations"][0]
    assert best["log_probability"] / best["score"] >= 13  # tokens and eos
    limited = nmt("translate", "--min-length", "12", "--max-length", "12", "a tree")
    assert "limit" in limited.err
    flat = json.loads(nmt("translate", "--json", "--length-penalty", "0", "a tree").lines[0])
    assert flat["translations"][0]["score"] == flat["translations"][0]["log_probability"]


def test_invalid_bytes_are_replaced_and_reported(nmt: Command) -> None:
    raw = b"the dog \xff runs\n\xed\xa0\x80\n\x00\n\r\n\x1b[2J\na\xe2\x80\xa8b\n<s> </s>\n"
    result = nmt("translate", stdin=raw)
    assert result.code == 0
    assert len(result.lines) == 7
    assert result.out.count(b"\n") == 7
    assert b"\x1b" not in result.out
    assert "line 1: not valid UTF-8 at byte 9" in result.err
    assert "line 2: not valid UTF-8" in result.err
    assert nmt("translate", os.fsdecode(b"dog \xff"), "two\nlines").out.count(b"\n") == 2


def test_json_output_has_no_control_characters(nmt: Command) -> None:
    """Terminals also interpret U+0080 to U+009F, which JSON allows."""
    given = "a \x1b[2J \x9b2J \x7f b\u2028c"
    result = nmt("translate", "--json", stdin=given.encode())
    assert result.out.decode().removesuffix("\n").isprintable()
    assert json.loads(result.out)["source"] == given


PARTS = [b"the dog", b" ", b".", b"\0", b"\r", b"\t", b"\x1b[2J", b"\xff", b"\xe2\x80\xa8",
         b"\xef\xbb\xbf", b"\xc2\x85", b"\xed\xa0\x80", b"</s>", b"<0x0A>", b"\xe2\x96\x81",
         b"\xf0\x9f\x8e\x89", b"\xd7\xa9", "日本".encode(), b"\x0b\x0c\x1c"]  # fmt: skip


def test_fuzz_bytes(nmt: Command) -> None:
    """Any bytes give one output line per input line, without control characters."""
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    lines = []
    for _ in range(FUZZ_CASES):
        parts = [*rng.choices(PARTS, k=rng.randrange(6)), rng.randbytes(rng.randrange(20))]
        lines.append(b"".join(rng.sample(parts, len(parts))).replace(b"\n", b""))
    result = nmt("translate", "--beam-size", "1", stdin=b"".join(line + b"\n" for line in lines))
    assert (result.code, len(result.lines)) == (0, len(lines)), f"seed {seed}"
    for given, line in zip(lines, result.lines, strict=True):
        assert all(char.isprintable() or ord(char) >= 0xA0 for char in line), (given, line)
        assert given.strip() or not line


def test_very_long_lines_are_skipped_or_split_with_warning(nmt: Command) -> None:
    result = nmt("translate", "--beam-size", "1", stdin=b"a\n" + b"x" * 1_000_000 + b"\nb\n")
    assert len(result.lines) == 3
    assert result.lines[1] == ""
    assert "line 2: longer than 100,000 characters" in result.err
    result = nmt("translate", "--beam-size", "1", stdin=b"the dog runs . " * 200)
    assert len(result.lines) == 1
    assert "pieces" in result.err


def test_many_lines_keep_their_order(nmt: Command) -> None:
    lines = [LINES[i % 3] for i in range(10_000)]
    result = nmt("translate", "--beam-size", "1", stdin="\n".join(lines).encode())
    first = result.lines[:3]
    assert result.lines == [first[i % 3] for i in range(10_000)]


def test_repeated_warnings_are_limited(nmt: Command) -> None:
    result = nmt("translate", "--beam-size", "1", "--max-length", "1", stdin=b"\xff\n" * 50)
    assert result.err.count("warning: standard input") == 20
    assert "more like these" in result.err


def test_usage_errors_exit_with_code_2(nmt: Command) -> None:
    assert nmt("translate", "a tree", "--input", "x").code == 2
    assert nmt("translate", "a tree", "--model", "other").code == 2
    assert nmt("translate", "a tree", "--beam-size", "0").code == 2
    assert nmt("translate", "a tree", "--precision", "int4").code == 2


def test_score_prints_one_log_probability_per_pair(nmt: Command) -> None:
    Path("s").write_text("the dog runs .\na tree\n")
    Path("t").write_text("the cat\n\n")
    result = nmt("score", "--source", "s", "--target", "t")
    assert result.code == 0
    values = [float(line) for line in result.lines]
    assert all(value < 0 for value in values)
    assert "perplexity" in result.err
    piped = nmt("score", "--json", stdin=b"the dog runs .\tthe cat\na tree\t\n")
    objects = [json.loads(line) for line in piped.lines]
    assert [o["log_probability"] for o in objects] == pytest.approx(values, abs=1e-5)
    means = [float(line) for line in nmt("score", "-s", "s", "-t", "t", "--per-token").lines]
    assert means == pytest.approx([o["log_probability"] / o["tokens"] for o in objects], abs=1e-5)
    Path("t").write_text("the cat\n")
    unequal = nmt("score", "--source", "s", "--target", "t")
    assert (unequal.code, "t ends after line 1" in unequal.err) == (4, True)
    assert nmt("score", stdin=b"one column\n").code == 4
    assert nmt("score", "--source", "s").code == 2


def test_pairs_beyond_the_limit_are_named_and_not_scored(nmt: Command) -> None:
    given = f"a tree\ta tree\n{'the dog ' * 9000}\tthe dog\n".encode()
    result = nmt("score", stdin=given)
    assert result.code == 0
    assert result.lines[1] == "nan"
    assert "standard input, line 2: " in result.err
    assert "more than 256, not scored" in result.err
    assert "nats per token" in result.err
    assert "nan" not in result.err
    scored, unscored = (json.loads(line) for line in nmt("score", "--json", stdin=given).lines)
    assert scored["log_probability"] < 0
    assert unscored == {"log_probability": None, "tokens": 0}
    assert nmt("score", "--per-token", stdin=given).lines[1] == "nan"


@pytest.mark.parametrize("how", [[], ["--sample"], ["--workers", "2"]])
def test_search_options_that_contradict_each_other_are_rejected(
    nmt: Command, how: list[str]
) -> None:
    result = nmt("translate", "--min-length", "50", "--max-length", "5", *how, "a tree")
    assert (result.code, result.out) == (2, b"")
    assert "error: min_length (50) is greater than max_length (5)" in result.err
    assert "hint: change --max-length or --min-length" in result.err
    against_config = nmt("translate", "--min-length", "50", "a tree")
    assert against_config.code == 2
    assert "hint: change --min-length" in against_config.err


def test_sentences_of_a_line_are_translated_one_by_one(nmt: Command) -> None:
    paragraph = "The dog runs. A tree."
    first, second, whole, split, pool = (
        nmt("translate", "--split-sentences", mode, *options, text).lines[0]
        for mode, text, options in (
            ("never", "The dog runs.", []),
            ("never", "A tree.", []),
            ("never", paragraph, []),
            ("always", paragraph, []),
            ("always", paragraph, ["--workers", "2"]),
        )
    )
    assert split == pool == f"{first} {second}" != whole
    assert nmt("translate", "--split-sentences", "some", "a").code == 2


@pytest.fixture
def known(runs: Path, tmp_path: Path) -> str:
    """Return the path of a run with statistics of LINES."""
    path = tmp_path / "known"
    shutil.copytree(runs / "tiny", path)
    keep_statistics(cast("Any", Sources()), Run(path).statistics_folder, lambda: None)
    return str(path)


class Sources:
    """The part of a corpus that statistics need."""

    fingerprint = "1"

    def sources(self) -> list[pa.Array]:
        return [pa.array(LINES)]


def notes(result: Result) -> list[str]:
    return [line for line in result.err.split("\n") if line.startswith("note: ")]


def test_words_that_training_never_had_are_named(nmt: Command, known: str) -> None:
    message = "words that the training data does not contain: "
    given = ["The DOG, runs!", "Hello, zebra\x1b: hello"]
    verbose = nmt("translate", "--model", known, "--verbose", *given)
    assert notes(verbose) == [f"note: sentence 2: {message}Hello, zebra"]
    assert verbose.lines == nmt("translate", "--model", known, *given).lines
    piped = nmt("translate", "--model", known, "--verbose", stdin=b"a tree\na zebra\n")
    assert notes(piped) == [f"note: standard input, line 2: {message}zebra"]
    records = nmt("translate", "--model", known, "--json", *given)
    unknown = [json.loads(line)["unknown_words"] for line in records.lines]
    assert unknown == [[], ["Hello", "zebra"]]
    assert notes(records) == []
    many = nmt("translate", "--model", known, "--verbose", " ".join(f"w{i}" for i in range(25)))
    assert notes(many)[0].endswith("w18, w19, and 5 more")


def test_unknown_words_are_not_named_for_a_run_without_statistics(nmt: Command) -> None:
    assert "unknown_words" not in json.loads(nmt("translate", "--json", "zebra").lines[0])
    verbose = nmt("translate", "--verbose", "zebra")
    assert verbose.code == 0
    assert "does not contain the words of its training data" in verbose.err


def test_prompt_names_unknown_words_and_checks_options(
    nmt: Command, known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["a zebra", "/nbest 20000", "/beam 20000", "a tree", "/bye"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    monkeypatch.setattr(sys.modules["nmt.cli.translate"], "_is_terminal", lambda _: True)
    result = nmt("translate", "--model", known)
    assert result.code == 0
    assert len(result.lines) == 2
    assert "note: words that the training data does not contain: zebra\n" in result.err
    assert result.err.count("error: beam_size is 20000; it must be a whole number") == 2


def test_file_name_given_as_text_gets_a_hint(nmt: Command) -> None:
    Path("test.en").write_text("a tree\n")
    result = nmt("translate", "a tree", "test.en")
    assert (result.code, len(result.lines)) == (0, 2)
    assert "note: test.en is a file; to translate its lines, add --input" in result.err
    assert "is a file" not in nmt("translate", "a tree", ".", "x" * 5000, "nul\0").err


def test_prompt_handles_commands(nmt: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["a tree", "/nbest 2", "a tree", "/beam 1", "/nonsense", "", "/bye", "never"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    # The attribute `nmt.cli.translate` is the command, not the module.
    module = sys.modules["nmt.cli.translate"]
    monkeypatch.setattr(module, "_is_terminal", lambda _: True)
    result = nmt("translate")
    assert result.code == 0
    assert len(result.lines) == 3
    assert result.lines[0] in result.lines[1]
    assert "beam 5, nbest 2" in result.err
    assert "beam 1, nbest 1" in result.err
    assert next(answers) == "never"


def test_prompt_shows_the_attention_of_the_last_translation(
    nmt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["/attention", "a tree", "/attention", "/attention words", "/help", "/bye"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    monkeypatch.setattr(sys.modules["nmt.cli.translate"], "_is_terminal", lambda _: True)
    result = nmt("translate")
    assert result.code == 0
    assert "error: there is no translation yet\n" in result.err
    assert "/attention" in result.err
    output = " ".join("\n".join(result.lines[1:]).split())
    maps = output.split("encoder-decoder attention, layer ")
    assert [("source word" in text, "source subword" in text) for text in maps[1:]] == [
        (False, True),
        (True, False),
    ]


def test_every_command_reads_compressed_files_and_standard_input(
    nmt: Command, tmp_path: Path
) -> None:
    text = b"one\ntwo three\n"
    plain, packed = tmp_path / "a", tmp_path / "a.gz"
    plain.write_bytes(b"\xef\xbb\xbf" + text)
    packed.write_bytes(gzip.compress(text))
    calls = {
        "translate": ["--input"],
        "tokenize": [""],
        "score": ["--target", str(plain), "--source"],
        "evaluate": ["--reference", str(plain), "--hypothesis"],
        "align": ["--layer", "1", "--head", "1", "--state", "reads", "--target", str(plain),
                  "--source"],
    }  # fmt: skip
    for command, options in calls.items():
        before = [option for option in options if option]
        expected = nmt(command, *before, str(plain))
        assert expected.code == 0, expected.err
        for result in (
            nmt(command, *before, str(packed)),
            nmt(command, *before, "-", stdin=gzip.compress(text)),
        ):
            assert result.code == 0
            # The report of nmt evaluate contains the name of the file.
            scores = [line for line in result.lines if str(tmp_path) not in line]
            assert scores
            assert set(scores) <= set(expected.lines)
        plain.with_suffix(".cut.gz").write_bytes(gzip.compress(text)[:-4])
        plain.with_suffix(".utf16").write_bytes(text.decode().encode("utf-16"))
        for suffix, words in ((".cut.gz", "cannot decompress"), (".utf16", "is UTF-16")):
            result = nmt(command, *before, str(plain.with_suffix(suffix)))
            assert result.code == 4
            assert words in result.err


def test_dash_is_standard_output(nmt: Command, tmp_path: Path) -> None:
    expected = nmt("translate", stdin=b"one\n")
    result = nmt("translate", "--input", "-", "--output", "-", stdin=b"one\n")
    assert result.code == 0
    assert result.out == expected.out
    assert not (tmp_path / "-").exists()


def test_both_sides_from_standard_input_are_an_error(nmt: Command) -> None:
    result = nmt("score", "--source", "-", "--target", "-")
    assert result.code == 2
    assert "--source and --target are both standard input" in result.err


def test_line_groups_yield_the_available_lines() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as file:
        groups = common.line_groups(file, wait=0.01)
        os.write(writer, b"one\ntw")
        assert next(groups) == [b"one"]
        os.write(writer, b"o\n\nthree")
        assert next(groups) == [b"two", b""]
        os.close(writer)
        assert list(groups) == [[b"three"]]


def test_line_groups_of_a_file_are_large_but_bounded(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"line\n" * 50_000 + b"x" * 3_000_000 + b"\nlast")
    with path.open("rb") as file:
        groups = list(common.line_groups(file))
    sizes = [len(group) for group in groups]
    assert sum(sizes) == 50_002
    assert min(sizes[:-1]) >= common.GROUP_LINES
    assert max(sizes) < 6 * common.GROUP_LINES
    assert groups[-1][-1] == b"last"
    assert common.MAX_LINE_BYTES < len(groups[-1][-2]) < 500_000


def test_slow_pipe_gets_each_translation_before_the_next_line(runs: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "from nmt.cli import main; main()", "translate"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "NMT_RUNS": str(runs), "OMP_NUM_THREADS": "1"},
    ) as process:
        assert isinstance(process.stdin, io.BufferedWriter)
        assert isinstance(process.stdout, io.BufferedReader)
        for _ in range(2):
            process.stdin.write(b"the dog runs .\n")
            process.stdin.flush()
            assert process.stdout.readline().endswith(b"\n")
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait() == 0


def test_translate_works_without_locale_in_narrow_terminal(runs: Path) -> None:
    """Run without locale, with 40 columns, invalid UTF-8 arguments and an output closed early."""
    program = f'"{sys.executable}" -c "from nmt.cli import main; main()"'
    done = subprocess.run(
        ["/bin/sh", "-c", f'{program} translate "$0" "$0" | head -n 1', b"the \xff \x9b dog"],
        capture_output=True,
        env={
            **os.environ,
            "NMT_RUNS": str(runs),
            "LC_ALL": "C",
            "PYTHONIOENCODING": "ascii",
            "COLUMNS": "40",
            "NO_COLOR": "1",
        },
        check=True,
    )
    assert done.stdout.count(b"\n") == 1
    assert b"sentence 2: not valid UTF-8 at byte 5" in done.stderr
    assert b"Traceback" not in done.stderr
    assert not {0x1B, 0x0D} & {*done.stdout, *done.stderr}


def test_importing_nmt_does_not_load_torch() -> None:
    code = "import nmt, sys; nmt.__version__; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
