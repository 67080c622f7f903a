"""Attention maps as one self-contained HTML page, which makes no requests."""

from __future__ import annotations

import base64
import html
import json
import re
from typing import Any

from torch import Tensor

from nmt.inspection.attention import TITLES, AttentionMaps, Head, Kind


def attention_page(
    maps: AttentionMaps, kind: Kind = "cross", layer: int = 1, head: Head = "mean"
) -> str:
    """Return the page of all maps, which opens at the given kind, layer and head.

    Weights are stored as integers in units of 1/65535; 0 and 1 are exact.
    """
    data: dict[str, Any] = {
        "start": {"kind": kind, "layer": layer, "head": head},
        "kinds": {
            name: {
                "title": TITLES[name],
                "rows": maps.labels(name)[0],
                "columns": maps.labels(name)[1],
                "heads": layers[0].shape[0],
                "layers": [_packed(weights) for weights in layers],
            }
            for name in TITLES
            if (layers := getattr(maps, name))
        },
    }
    title = f"{_text(maps.source_pieces)} \u2192 {_text(maps.target_pieces)}"
    # Escape "<", which could end the script element.
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    fields = {"@TITLE@": html.escape(title), "@DATA@": text}
    return re.sub("@TITLE@|@DATA@", lambda match: fields[match[0]], _PAGE)


def _text(pieces: list[str]) -> str:
    return "".join(pieces[:-1]).replace("▁", " ").strip()


def _packed(weights: Tensor) -> str:
    units = (weights.double().numpy() * 65535).round().astype("<u2")
    return base64.b64encode(units.tobytes()).decode()


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>@TITLE@</title>
<style>
:root { color-scheme: light dark; --fg: #1b1f24; --bg: #fff; --ink: 21, 101, 192; --soft: #8884; }
@media (prefers-color-scheme: dark) {
  :root { --fg: #e6e8eb; --bg: #14171a; --ink: 100, 181, 246; }
}
body { font: 15px/1.4 system-ui, sans-serif; color: var(--fg); background: var(--bg);
  margin: 1.5rem; }
h1 { font-size: 1.15rem; font-weight: 600; overflow-wrap: anywhere; }
h2 { font-size: 1rem; font-weight: 600; margin: 1.5rem 0 .5rem; }
form { display: flex; flex-wrap: wrap; gap: 1rem; align-items: center; }
select { font: inherit; margin-left: .3rem; }
.views { display: flex; flex-wrap: wrap; gap: 1rem 3rem; align-items: flex-start; }
.views > div { overflow: auto; max-width: 100%; }
svg { display: block; }
svg text { fill: var(--fg); font-size: 13px; white-space: pre; }
svg line { stroke: rgb(var(--ink)); stroke-width: 2; }
svg rect.cell { fill: rgb(var(--ink)); }
svg rect.hit { fill: transparent; }
svg .hot { font-weight: 700; }
#heads { display: grid; gap: .5rem; justify-content: start; align-items: start; }
#heads button { padding: 2px; border: 2px solid transparent; background: none; cursor: pointer;
  color: inherit; font: inherit; font-size: .75rem; }
#heads button[aria-pressed=true] { border-color: rgb(var(--ink)); }
canvas { display: block; image-rendering: pixelated; outline: 1px solid var(--soft); }
#tip { min-height: 1.4em; font-variant-numeric: tabular-nums; white-space: pre-wrap; }
</style>
</head>
<body>
<h1 dir="auto">@TITLE@</h1>
<form>
<label>Attention<select id="kind"></select></label>
<label>Layer<select id="layer"></select></label>
<label>Head<select id="head"></select></label>
</form>
<p id="tip" aria-live="polite"></p>
<div class="views">
<div><h2>From each query (left) to its keys</h2><svg id="lines"></svg></div>
<div><h2>Queries in rows, keys in columns</h2><svg id="map"></svg></div>
</div>
<h2>All heads, one row per layer</h2>
<div id="heads"></div>
<script type="application/json" id="data">@DATA@</script>
<script>
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = id => document.getElementById(id);
const now = {...data.start};
const hint = "Point at a word or a cell to see its weights.";

for (const kind of Object.values(data.kinds)) {
  const size = kind.rows.length * kind.columns.length;
  kind.layers = kind.layers.map(packed => {
    const bytes = Uint8Array.from(atob(packed), c => c.charCodeAt(0));
    const all = Float32Array.from(new Uint16Array(bytes.buffer), unit => unit / 65535);
    return Array.from({length: kind.heads}, (_, h) => all.subarray(h * size, (h + 1) * size));
  });
}

function weights() {
  const heads = data.kinds[now.kind].layers[now.layer - 1];
  if (now.head !== "mean") return heads[now.head - 1];
  return heads[0].map((_, i) => heads.reduce((sum, head) => sum + head[i], 0) / heads.length);
}

function element(parent, name, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return parent.appendChild(node);
}

function textWidth(labels) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = "13px system-ui, sans-serif";
  return Math.ceil(Math.max(...labels.map(label => pen.measureText(label).width))) + 8;
}

function options(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, text]) => {
    const option = new Option(text, value);
    option.selected = String(value) === String(chosen);
    return option;
  }));
}

function say(text) { byId("tip").textContent = text || hint; }

function strongest(labels, values) {
  return labels.map((label, i) => [label, values[i]]).sort((a, b) => b[1] - a[1]).slice(0, 6)
    .filter(([, w]) => w > 0).map(([label, w]) => label + " " + w.toFixed(3)).join("   ");
}

function row(w, q, count) { return Array.from(w.subarray(q * count, (q + 1) * count)); }
function column(w, k, rows, count) {
  return Array.from({length: rows}, (_, q) => w[q * count + k]);
}

function drawLines() {
  const {rows, columns} = data.kinds[now.kind], w = weights(), svg = byId("lines");
  const left = textWidth(rows), gap = 180, step = 22;
  const height = Math.max(rows.length, columns.length) * step + 8;
  svg.replaceChildren();
  svg.setAttribute("width", left + gap + textWidth(columns));
  svg.setAttribute("height", height);
  const y = i => i * step + 16;
  const lines = [];
  rows.forEach((_, q) => columns.forEach((_, k) => {
    const weight = w[q * columns.length + k];
    if (weight < 0.005) return;
    const line = element(svg, "line",
      {x1: left, y1: y(q) - 4, x2: left + gap, y2: y(k) - 4, "stroke-opacity": weight});
    lines.push({q, k, line});
  }));
  const show = wanted => lines.forEach(l => l.line.setAttribute("visibility",
    wanted(l) ? "visible" : "hidden"));
  function word(label, x, i, anchor, side, tell) {
    const text = element(svg, "text", {x, y: y(i), "text-anchor": anchor}, label);
    text.addEventListener("pointerenter", () => {
      text.classList.add("hot"); show(l => l[side] === i); say(tell());
    });
    text.addEventListener("pointerleave", () => {
      text.classList.remove("hot"); show(() => true); say();
    });
  }
  rows.forEach((label, q) => word(label, left - 6, q, "end", "q",
    () => label + "  \\u2192  " + strongest(columns, row(w, q, columns.length))));
  columns.forEach((label, k) => word(label, left + gap + 6, k, "start", "k",
    () => label + "  \\u2190  " + strongest(rows, column(w, k, rows.length, columns.length))));
}

function drawMap() {
  const {rows, columns} = data.kinds[now.kind], w = weights(), svg = byId("map");
  const left = textWidth(rows), top = textWidth(columns), cell = 22;
  svg.replaceChildren();
  svg.setAttribute("width", left + columns.length * cell + 4);
  svg.setAttribute("height", top + rows.length * cell + 4);
  const rowLabels = rows.map((label, q) => element(svg, "text",
    {x: left - 6, y: top + q * cell + 15, "text-anchor": "end"}, label));
  const columnLabels = columns.map((label, k) => {
    const x = left + k * cell + 15;
    return element(svg, "text", {x, y: top - 6, transform: `rotate(-90 ${x} ${top - 6})`}, label);
  });
  rows.forEach((_, q) => columns.forEach((_, k) => {
    const weight = w[q * columns.length + k];
    if (weight === 0) return;
    element(svg, "rect", {class: "cell", x: left + k * cell, y: top + q * cell, width: cell - 1,
      height: cell - 1, "fill-opacity": weight});
  }));
  const hit = element(svg, "rect", {class: "hit", x: left, y: top, width: columns.length * cell,
    height: rows.length * cell});
  function unmark() { [...rowLabels, ...columnLabels].forEach(t => t.classList.remove("hot")); }
  hit.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect();
    const k = Math.min(columns.length - 1, Math.floor((event.clientX - box.left - left) / cell));
    const q = Math.min(rows.length - 1, Math.floor((event.clientY - box.top - top) / cell));
    if (k < 0 || q < 0) return;
    unmark();
    rowLabels[q].classList.add("hot");
    columnLabels[k].classList.add("hot");
    const weight = w[q * columns.length + k];
    say(`${rows[q]}  \\u2192  ${columns[k]}   ${weight ? weight.toFixed(4) : "0"}`);
  });
  hit.addEventListener("pointerleave", () => { unmark(); say(); });
}

function drawHeads() {
  const {rows, columns, layers, heads} = data.kinds[now.kind], box = byId("heads");
  const cell = Math.max(1, Math.min(5, Math.floor(150 / columns.length)));
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink");
  box.style.gridTemplateColumns = `repeat(${heads}, max-content)`;
  box.replaceChildren();
  layers.forEach((layer, l) => layer.forEach((w, h) => {
    const button = document.createElement("button"), canvas = document.createElement("canvas");
    button.type = "button";
    button.append(canvas, `${l + 1} \\u00b7 ${h + 1}`);
    button.title = `layer ${l + 1}, head ${h + 1}`;
    button.setAttribute("aria-pressed", now.layer === l + 1 && now.head === h + 1);
    button.addEventListener("click", () => { now.layer = l + 1; now.head = h + 1; draw(); });
    box.append(button);
    canvas.width = columns.length * cell;
    canvas.height = rows.length * cell;
    const pen = canvas.getContext("2d");
    w.forEach((weight, i) => {
      pen.fillStyle = `rgba(${ink}, ${weight})`;
      pen.fillRect((i % columns.length) * cell, Math.floor(i / columns.length) * cell, cell, cell);
    });
  }));
}

function draw() {
  const kind = data.kinds[now.kind];
  now.layer = Math.min(now.layer, kind.layers.length);
  if (now.head !== "mean") now.head = Math.min(now.head, kind.heads);
  const counted = n => Array.from({length: n}, (_, i) => [i + 1, String(i + 1)]);
  options(byId("kind"), Object.entries(data.kinds).map(([k, v]) => [k, v.title]), now.kind);
  options(byId("layer"), counted(kind.layers.length), now.layer);
  options(byId("head"), [["mean", "mean of all"], ...counted(kind.heads)], now.head);
  say(); drawLines(); drawMap(); drawHeads();
}

byId("kind").addEventListener("change", event => { now.kind = event.target.value; draw(); });
byId("layer").addEventListener("change", event => { now.layer = +event.target.value; draw(); });
byId("head").addEventListener("change", event => {
  now.head = event.target.value === "mean" ? "mean" : +event.target.value; draw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
draw();
</script>
</body>
</html>
"""
