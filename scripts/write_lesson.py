"""Write docs/how-it-works.md: one sentence followed through a trained model, with its numbers.

    python scripts/write_lesson.py runs/demo

The text is in scripts/lesson/page.md. Each step below returns the values that it mentions.
"""

from __future__ import annotations

import argparse
import copy
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from lesson import by_hand
from lesson.markdown import ROOT, Code, listed, matrix, number, piece, shape, table, vector
from torch import Tensor

from nmt import charts
from nmt.data.batching import collate
from nmt.decoding.search import beam_search, normalized_score
from nmt.decoding.translator import Translator
from nmt.inspection.attention import TITLES, Panel
from nmt.inspection.drawing import heat_maps
from nmt.loading import load_model
from nmt.model import Transformer
from nmt.model.positions import position_angles
from nmt.runs import Run
from nmt.text import clean_line, clean_source, counted
from nmt.tokenizer.ids import EOS
from nmt.training.objective import TrainingObjective, cross_entropy

SOURCE = "The old man is reading a thick book."
TARGET = "Der alte Mann liest ein dickes Buch."
SHORT = "Good morning."
"""A shorter sentence, which gets padding in a batch with the first."""

Values = dict[str, object]


class Lesson:
    """A sentence pair, a trained model, and what each part of the model computes."""

    def __init__(self, run: Run) -> None:
        """Raise AssertionError unless the steps by hand end with the logits of the model."""
        self.run, self.config, self.tokenizer = run, run.config, run.tokenizer
        model = load_model(run, torch.device("cpu"))
        assert isinstance(model, Transformer), "the page needs a Transformer"
        self.model = model
        self.source_ids = self.tokenizer.source.encode(clean_source(SOURCE))
        target_ids = self.tokenizer.target.encode(clean_line(TARGET))
        self.source_pieces = [*self.tokenizer.source.pieces(self.source_ids), "</s>"]
        self.target_pieces = [*self.tokenizer.target.pieces(target_ids), "</s>"]
        self.inputs = ["<s>", *self.target_pieces[:-1]]
        self.batch = collate([(self.source_ids, target_ids)], np.arange(1))
        self.steps = by_hand.ModelSteps.of(model, self.batch.source, self.batch.target)
        self.d_k = self.config.model.d_model // self.config.model.heads

        length = len(self.source_pieces)
        others = ~torch.eye(length, dtype=torch.bool)
        others[:, -1] = others[-1] = False
        maps = [layer.attention.weights[0] for layer in self.steps.encoder]
        self.layer, self.head = most_concentrated(maps, others)
        self.encoder_layer = self.steps.encoder[self.layer]
        self.weights = maps[self.layer][self.head]
        # The query and the key of the largest weight between two pieces.
        self.query, self.key = divmod(int((self.weights * others).argmax()), length)


def most_concentrated(layers: list[Tensor], considered: Tensor) -> tuple[int, int]:
    """Return the layer and head, from 0, whose largest weight per query is highest on average.

    layers: (heads, query_len, key_len) each; considered: (query_len, key_len) bool, False for
    weights to ignore.
    """
    means = torch.stack([(weights * considered).amax(-1).mean(-1) for weights in layers])
    return divmod(int(means.argmax()), means.shape[1])


def sizes(lesson: Lesson) -> Values:
    model = lesson.config.model
    rows = {
        "`d_model`, numbers per piece": model.d_model,
        "`h`, heads": model.heads,
        "`d_k` = `d_model` / `h`, numbers per piece and head": lesson.d_k,
        "layers of the encoder": model.encoder_layers,
        "layers of the decoder": model.decoder_layers,
        "inner numbers of the feed-forward network": model.feedforward,
        "pieces in the source vocabulary": len(lesson.tokenizer.source),
        "pieces in the target vocabulary": len(lesson.tokenizer.target),
        "parameters": sum(p.numel() for p in lesson.model.parameters()),
    }
    values = [(name, f"{value:,}") for name, value in rows.items()]
    return {"source": SOURCE, "target": TARGET, "table": table(["size", "value"], values)}


def pieces(lesson: Lesson) -> Values:
    rule = lesson.config.tokenizer.source_normalization
    lower = f" Before that, `source_normalization: {rule}` converts the source to lower case."
    ids = list(map(str, [*lesson.source_ids, EOS]))
    return {
        "normalization": lower if rule.endswith("_cf") else "",
        "table": table(["piece", *map(piece, lesson.source_pieces)], [["id", *ids]]),
        "shape": shape(lesson.batch.source.ids),
    }


def embedding(lesson: Lesson) -> Values:
    root = math.sqrt(lesson.config.model.d_model)
    rows = lesson.model.source_embedding(lesson.batch.source.ids)
    cells = [
        (piece(name), number(row.norm()), number((row * root).norm()), vector(row * root))
        for name, row in zip(lesson.source_pieces, rows[0], strict=True)
    ]
    return {
        "root": number(root),
        "table": table(["piece", "norm of E[id]", "norm of x", "x"], cells),
        "shape": shape(rows),
    }


USES = {
    "sinusoidal": """\
This model adds a vector of the sines and cosines of the angles to `x`:

    PE(pos, 2i) = sin(angle(pos, i))
    PE(pos, 2i+1) = cos(angle(pos, i))""",
    "rotary": """\
The first Transformer added the sines and cosines of such angles to `x` (`positions: sinusoidal`). \
This model has rotary positions (`positions: rotary`; Su et al., 2021): each pair (a, b) of \
adjacent numbers of a query or a key is rotated by the angle of its position. Queries and keys \
follow in step 4.

    (a, b) -> (a cos - b sin, a sin + b cos)""",
    "learned": "This model adds a learned vector to `x`.",
    "relative": "This model adds a learned number per distance to the scores of step 5 (Raffel et "
    "al., 2020).",
    "none": "This model does not use positions.",
}
"""How a model uses positions, for each value of `model.positions`."""


def angle_width(lesson: Lesson) -> int | None:
    """Return twice the number of angles of a position; None: the model has no angles."""
    widths = {"rotary": lesson.d_k, "sinusoidal": lesson.config.model.d_model}
    return widths.get(lesson.config.model.positions)


def positions(lesson: Lesson) -> Values:
    kind = lesson.config.model.positions
    functions = [] if kind == "none" else [f"{kind.capitalize()}Positions.forward"]
    angles = ""
    if width := angle_width(lesson):
        functions.insert(0, "position_angles")
        size = "d_k" if kind == "rotary" else "d_model"
        found = position_angles(lesson.batch.source.positions[0], width)
        pairs = (0, 1, width // 8, width // 4)
        rows = [
            (str(position), *(number(found[position, i], 3) for i in pairs))
            for position in (0, 1, 2, len(found) - 1)
        ]
        angles = f"""\
A position becomes {width // 2} angles, with i from 0 to {width // 2 - 1}. Angles with a small i \
grow fast and distinguish neighbors. Angles with a large i grow slowly and distinguish distant \
positions.

    angle(pos, i) = pos / 10000^(2i/{size})

In radians, with `{size}` = {width}:

{table(["position", *(f"i = {i}" for i in pairs)], rows)}

![Cosine of the angles by position](images/lesson-positions.svg)

"""
    code = "\n\n".join(listed("nmt/model/positions.py", name) for name in functions)
    return {"angles": angles, "use": USES[kind], "code": code}


def projections(lesson: Lesson) -> Values:
    model, steps = lesson.config.model, lesson.encoder_layer.attention
    q, k, v = (x[0, lesson.head] for x in (steps.q, steps.k, steps.v))
    reads = "The layer reads `x` of step 2."
    if lesson.layer:
        reads = f"The layer reads the output of layer {lesson.layer}, which has the same steps."
    if model.norm == "pre":
        reads += " The layer normalization of step 7 comes first."
    rows = [
        (piece(name), *(number(x[i].norm()) for x in (q, k, v)), vector(q[i], 3), vector(k[i], 3))
        for i, name in enumerate(lesson.source_pieces)
    ]
    functions = ["project", "split_heads", *(["rotate"] if model.positions == "rotary" else [])]
    return {
        "head": lesson.head + 1,
        "layer": lesson.layer + 1,
        "reads": reads,
        "d_model": model.d_model,
        "heads": model.heads,
        "d_k": lesson.d_k,
        "table": table(["piece", "norm of q", "norm of k", "norm of v", "q", "k"], rows),
        "shape": shape(steps.q),
        "rotation": rotation(lesson) if model.positions == "rotary" else "",
        "code": "\n\n".join(
            listed("nmt/model/attention.py", f"MultiHeadAttention.{name}") for name in functions
        ),
    }


def rotation(lesson: Lesson) -> str:
    """Return a paragraph that compares products at equal and at different distances."""
    steps, query, key, shift = lesson.encoder_layer.attention, lesson.query, lesson.key, 10
    q, k = steps.q[0, lesson.head, query], steps.k[0, lesson.head, key]
    angles = position_angles(torch.arange(len(lesson.source_pieces) + shift), lesson.d_k)
    turns = torch.polar(torch.ones_like(angles), angles)

    def product(query_position: int, key_position: int) -> float:
        first, second = (
            torch.view_as_complex(x.double().view(-1, 2)) * turns[position]
            for x, position in ((q, query_position), (k, key_position))
        )
        return float((first * second.conj()).real.sum())

    used = steps.rotated_q[0, lesson.head, query] @ steps.rotated_k[0, lesson.head, key]
    for distance_kept in (product(query, key), product(query + shift, key + shift)):
        assert math.isclose(distance_kept, float(used), abs_tol=1e-3)
    shown = ((query, key), (query + shift, key + shift), (query, key + 1))
    rows = [(str(a), str(b), number(product(a, b))) for a, b in shown]
    names = lesson.source_pieces
    return f"""\
The queries and keys are rotated by the angles of step 3. Then the product of a query and a key \
depends on their distance and not on their positions. For example, the query of \
{piece(names[query])} and the key of {piece(names[key])}:

{table(["position of the query", "position of the key", "q · k"], rows, left=2)}

"""


def attention(lesson: Lesson) -> Values:
    steps, head, query, key = lesson.encoder_layer.attention, lesson.head, lesson.query, lesson.key
    names, scores = lesson.source_pieces, steps.masked[0, head, query]
    products = steps.rotated_k[0, head] @ steps.rotated_q[0, head, query]
    exponentials = (scores - scores.max()).exp()
    rows = [
        (piece(name), *map(number, numbers[:2]), *(number(x, 3) for x in numbers[2:]))
        for name, *numbers in zip(
            names, products, scores, exponentials, lesson.weights[query], strict=True
        )
    ]
    vectors = {
        f"v of {piece(names[key])}": steps.v[0, head, key],
        f"output of the head for {piece(names[query])}": steps.heads[0, head, query],
    }
    return {
        "root": number(math.sqrt(lesson.d_k)),
        "bias": " The learned number of step 3 is added."
        if lesson.config.model.positions == "relative"
        else "",
        "query": piece(names[query]),
        "key": piece(names[key]),
        "percent": number(100 * lesson.weights[query, key], 0),
        "softmax": table(["key", "q · k", "score", "e^(score - largest)", "weight"], rows),
        "weights": matrix("query / key", names, names, lesson.weights),
        "shape": shape(steps.weights),
        "sum": table(
            ["vector", "norm", "numbers"],
            [(name, number(x.norm()), vector(x)) for name, x in vectors.items()],
        ),
        "output_shape": shape(steps.heads),
    }


def heads(lesson: Lesson) -> Values:
    steps, query = lesson.encoder_layer.attention, lesson.query
    rows = []
    for head in range(lesson.config.model.heads):
        weights, output = steps.weights[0, head, query], steps.heads[0, head, query]
        top = piece(lesson.source_pieces[int(weights.argmax())])
        rows.append((str(head + 1), top, number(weights.max()), number(output.norm())))
    return {
        "layer": lesson.layer + 1,
        "query": piece(lesson.source_pieces[query]),
        "table": table(["head", "largest weight on", "weight", "norm of the output"], rows, left=2),
        "joined_shape": shape(steps.heads.transpose(1, 2).flatten(2)),
        "shape": shape(steps.output),
    }


def add_norm(lesson: Lesson) -> Values:
    layer, attention = lesson.encoder_layer, lesson.encoder_layer.attention
    added = layer.x + attention.output
    if lesson.config.model.norm == "pre":
        order = "This model normalizes the input of the attention (`norm: pre`; Xiong et al., 2020)"
        formula = "x + MultiHead(LayerNorm(x))"
        vectors = {
            "x": layer.x,
            "LayerNorm(x)": layer.attention_input,
            "MultiHead(LayerNorm(x))": attention.output,
            "result": added,
        }
    else:
        order = "This model normalizes the sum (`norm: post`; Vaswani et al., 2017)"
        formula = "LayerNorm(x + MultiHead(x))"
        vectors = {
            "x": layer.x,
            "MultiHead(x)": attention.output,
            "x + MultiHead(x)": added,
            "result": layer.after_attention,
        }
    rows = [
        (name, number(x.mean()), number(x.std(correction=0)), number(x.norm()))
        for name, all_pieces in vectors.items()
        for x in [all_pieces[0, lesson.query]]
    ]
    return {
        "order": f"{order}:",
        "formula": formula,
        "piece": piece(lesson.source_pieces[lesson.query]),
        "table": table(["vector", "mean", "deviation", "norm"], rows),
    }


def feed_forward(lesson: Lesson) -> Values:
    layer, model = lesson.encoder_layer, lesson.config.model
    inner = layer.feed_forward.inner
    rows = [
        (
            piece(name),
            f"{int((inner[0, i] > 0).sum())} of {model.feedforward}",
            number(layer.feed_forward.output[0, i].norm()),
            number(layer.result[0, i].norm()),
        )
        for i, name in enumerate(lesson.source_pieces)
    ]
    head = ["piece", "inner numbers above 0", "norm of FFN(x)", "norm of the layer's output"]
    relu = model.activation == "relu"
    return {
        "inner": model.feedforward,
        "d_model": model.d_model,
        "activation": model.activation,
        "formula": "max(0, x W_1 + b_1)" if relu else f"{model.activation}(x W_1 + b_1)",
        "table": table(head, rows),
        "inner_shape": shape(inner),
        "shape": shape(layer.result),
    }


def encoder(lesson: Lesson) -> Values:
    short = lesson.tokenizer.source.encode(clean_source(SHORT))
    batch = collate([(lesson.source_ids, []), (short, [])], np.arange(2))
    steps = by_hand.ModelSteps.of(lesson.model, batch.source, batch.target)
    alone = lesson.steps.memory[0]
    torch.testing.assert_close(steps.memory[0, : len(alone)], alone, rtol=0.0, atol=1e-5)
    attention, ids = steps.encoder[0].attention, batch.source.ids[1].tolist()
    names = [*lesson.tokenizer.source.pieces(ids[: len(short)]), "</s>"]
    rows = [
        ["id", *map(str, ids)],
        ["score", *map(number, attention.masked[1, 0, 0])],
        ["weight", *map(number, attention.weights[1, 0, 0])],
    ]
    padded = [*names, *["<pad>"] * (len(ids) - len(names))]
    layers = counted(lesson.config.model.encoder_layers, "such layer")
    return {
        "layers": f"{layers} and a last layer normalization"
        if lesson.config.model.norm == "pre"
        else layers,
        "short": SHORT,
        "shape": shape(lesson.steps.memory),
        "table": table(["key", *map(piece, padded)], rows),
    }


def decoder_input(lesson: Lesson) -> Values:
    rows = [
        ["reads", *map(piece, lesson.inputs)],
        ["predicts", *map(piece, lesson.target_pieces)],
    ]
    head = ["position", *map(str, range(len(lesson.inputs)))]
    return {"table": table(head, rows, left=len(head))}


def masked_attention(lesson: Lesson) -> Values:
    length, shown = len(lesson.inputs), min(6, len(lesson.inputs))
    earlier = torch.ones(length, length, dtype=torch.bool).tril(-1)
    earlier[:, 0] = False  # Many heads attend to <s>.
    maps = [layer.self_attention.weights[0] for layer in lesson.steps.decoder]
    layer, head = most_concentrated(maps, earlier)
    steps = lesson.steps.decoder[layer].self_attention
    assert not torch.triu(steps.weights, diagonal=1).any()
    names = lesson.inputs[:shown]
    scores, weights = (x[0, head, :shown, :shown] for x in (steps.masked, steps.weights))
    return {
        "shown": shown,
        "head": head + 1,
        "layer": layer + 1,
        "scores": table(
            ["query / key", *map(piece, names)],
            [(piece(name), *map(number, row)) for name, row in zip(names, scores, strict=True)],
        ),
        "weights": matrix("query / key", names, names, weights),
        "shape": shape(steps.weights),
    }


def cross_attention(lesson: Lesson) -> Values:
    maps = [layer.cross_attention.weights for layer in lesson.steps.decoder]
    words = torch.ones(maps[0].shape[2:], dtype=torch.bool)
    words[:, -1] = words[-1] = False
    layer, head = most_concentrated([weights[0] for weights in maps], words)
    sides = lesson.target_pieces, lesson.source_pieces
    return {
        "head": head + 1,
        "layer": layer + 1,
        "weights": matrix("predicts / source", *sides, maps[layer][0, head]),
        "shape": shape(maps[layer]),
    }


def next_piece(lesson: Lesson) -> Values:
    rows = []
    for read, logits in zip(lesson.inputs, lesson.steps.logits[0], strict=True):
        top = logits.softmax(dim=-1).topk(5)
        names = lesson.tokenizer.target.pieces(top.indices.tolist())
        likely = [f"{piece(n)} {number(p, 3)}" for n, p in zip(names, top.values, strict=True)]
        rows.append((piece(read), *likely))
    tied = " `W` is the embedding matrix of the target."
    return {
        "tied": tied if lesson.config.model.tie_embeddings else "",
        "table": table(["after", "1", "2", "3", "4", "5"], rows, left=6),
        "shape": shape(lesson.steps.logits),
    }


def searching(lesson: Lesson) -> Values:
    # The search of nmt would use another number format on some processors.
    decoding = lesson.config.decoding.model_copy(update={"precision": "fp32"})
    source, width = lesson.batch.source, decoding.beam_size
    log_probabilities = by_hand.next_pieces(lesson.model, source)
    limit = min(decoding.max_length, int(decoding.max_length_ratio * len(lesson.source_ids) + 10))
    finished, steps = by_hand.beam_search(log_probabilities, width, limit)
    [greedy], _ = by_hand.beam_search(log_probabilities, 1, limit)

    def score(hypothesis: by_hand.Hypothesis) -> float:
        length = len(hypothesis.ids) - 1
        return normalized_score(hypothesis.log_probability, length, decoding)

    ranked = sorted(finished, key=score, reverse=True)[:width]
    program = Translator.load(lesson.run, "cpu", decoding).program
    [expected] = beam_search(program, source.ids, decoding, nbest=width)
    for ours, theirs in zip(ranked, expected, strict=True):
        assert ours.ids[1:-1] == theirs.tokens
        assert math.isclose(score(ours), theirs.score, abs_tol=1e-4)

    text = lesson.tokenizer.target.decode
    beam = [
        (str(step), *(f"{text(h.ids)} ({number(h.log_probability)})" for h in hypotheses))
        for step, hypotheses in enumerate(steps[:4], start=1)
    ]
    translations = [
        (text(h.ids), number(h.log_probability), str(len(h.ids) - 1), number(score(h), 3))
        for h in ranked
    ]
    length = "((5 + length) / 6)" if decoding.length_normalization == "gnmt" else "length"
    return {
        "greedy": text(greedy.ids),
        "width": width,
        "beam": table(["step", *map(str, range(1, width + 1))], beam, left=width + 1),
        "penalty": f"{decoding.length_penalty:g}",
        "divisor": f"{length}^{decoding.length_penalty:g}",
        "finished": table(["finished hypothesis", "log P", "length", "score"], translations),
        "same": "also" if greedy.ids == ranked[0].ids else "not",
    }


def loss(lesson: Lesson) -> Values:
    e, references = lesson.config.training.label_smoothing, lesson.batch.references
    log_p = torch.log_softmax(lesson.steps.logits[0], dim=-1)
    nll = -log_p.gather(1, references[:, None])[:, 0]
    uniform = -log_p.mean(dim=1)
    smoothed = (1 - e) * nll + e * uniform
    expected = cross_entropy(lesson.steps.hidden[0], lesson.model.output_weight, references, e)
    torch.testing.assert_close((smoothed.sum(), nll.sum()), expected, rtol=1e-5, atol=1e-4)
    vocabulary = log_p.shape[1]
    best = torch.full((vocabulary,), e / vocabulary, dtype=torch.float64)
    best[0] += 1 - e
    columns = torch.stack([nll.neg().exp(), nll, uniform, smoothed], dim=1)
    rows = [
        (piece(name), *(number(x, 3) for x in row))
        for name, row in zip(lesson.target_pieces, columns, strict=True)
    ]
    means = ["mean", "", *(number(x, 3) for x in columns.mean(dim=0)[1:])]
    return {
        "smoothing": f"{e:g}",
        "vocabulary": f"{vocabulary:,}",
        "table": table(["reference", "P", "nll", "mean of -log P", "loss"], [*rows, means]),
        "smallest": number(torch.special.entr(best).sum(), 3),
        "perplexity": number(nll.mean().exp()),
    }


def training(lesson: Lesson) -> Values:
    config = lesson.config.training
    objective = TrainingObjective(copy.deepcopy(lesson.model), config.label_smoothing)
    smaller = config.model_copy(update={"learning_rate": config.learning_rate / 10})
    with torch.enable_grad():
        before, norm, after = by_hand.one_update(objective, lesson.batch, smaller)
    pieces = lesson.batch.target_tokens
    rows = [
        (name, number(sums.objective / pieces, 3), number(sums.nll / pieces, 3))
        for name, sums in (("before", before), ("after", after))
    ]
    clip = (
        f"Shorten the gradient to the norm {config.clip_norm:g} if it is longer."
        if config.clip_norm
        else "Keep the gradient as it is (`clip_norm: 0`)."
    )
    return {
        "clip": f"{clip} In the example below, its norm is {number(norm)}.",
        "optimizer": config.optimizer,
        "steps": f"{config.max_steps:,}",
        "table": table(["mean per piece", "loss", "nll"], rows),
    }


STEPS = (
    sizes, pieces, embedding, positions, projections, attention, heads, add_norm, feed_forward,
    encoder, decoder_input, masked_attention, cross_attention, next_piece, searching, loss,
    training,
)  # fmt: skip


def attention_figure(lesson: Lesson) -> str:
    panel = Panel(lesson.layer + 1, lesson.head + 1, lesson.weights)
    names = lesson.source_pieces
    return heat_maps([panel], names, names, TITLES["encoder"], "svg", print).decode()


def positions_figure(width: int) -> str:
    shown = torch.linspace(0, 30, 301)
    angles = position_angles(shown, width)
    title = "Cosine of the angles"
    figure, [axis] = charts.figure([title])
    for i in (0, 1, width // 8, width // 4):
        axis.plot(shown.numpy(), angles[:, i].cos().numpy(), label=f"i = {i}")
    axis.set_xlabel("position")
    charts.label_lines(axis)
    return charts.svg(figure, title, "One line per index i, by position.")


def page(lesson: Lesson) -> str:
    text = (ROOT / "scripts" / "lesson" / "page.md").read_text(encoding="utf-8")
    values = {step.__name__: SimpleNamespace(**step(lesson)) for step in STEPS}
    return text.format(code=Code(), **values)


@torch.no_grad()
def write(run: Run, docs: Path) -> None:
    """Write how-it-works.md and its images into a folder. Equal runs give equal files."""
    torch.set_num_threads(1)
    lesson = Lesson(run)
    files = {
        "how-it-works.md": page(lesson),
        "images/lesson-attention.svg": attention_figure(lesson),
    }
    if width := angle_width(lesson):
        files["images/lesson-positions.svg"] = positions_figure(width)
    (docs / "images").mkdir(exist_ok=True)
    for name, content in files.items():
        (docs / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("run", type=Path, help="folder of a trained run")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="output folder [docs]")
    arguments = parser.parse_args()
    write(Run(arguments.run), arguments.docs)
