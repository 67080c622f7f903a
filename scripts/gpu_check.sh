#!/usr/bin/env bash
# Check and measure nmt on a CUDA device, in at most eight minutes.
#
#   scripts/gpu_check.sh [--wheels DIR] [--data DIR] [--output FILE] [PART ...]
#
# PART is one of tests, attention, training, decoding, reproducibility and multi30k. Default: all parts, and
# multi30k only with --data. Each part has a time limit, and a failed part does not stop the others.
# At the end, the script prints a Markdown table of all results. The exit status is 0 if every part
# succeeded, 1 if a part failed, and 2 if the check could not start.
#
#   --wheels DIR   wheels of packages that this Python may lack, unpacked but not installed
#   --data DIR     Multi30k: train.en, train.de, val.*, test_2016_flickr.*, also as .gz
#   --output FILE  also write the table to FILE
#
# The check runs from the source tree and needs Python 3.11 with torch 2.10, or newer. PYTHON selects
# another interpreter than python3.

set -uo pipefail

declare -A limits=([tests]=60 [attention]=30 [training]=170 [decoding]=80 [reproducibility]=50
  [multi30k]=90)
order=(tests attention training decoding reproducibility multi30k)

fail() {
  echo "error: $1" >&2
  exit 2
}

parts=() wheels="" data="" output=""
while [ $# -gt 0 ]; do
  case $1 in
    --wheels | --data)
      [ -d "${2:-}" ] || fail "$1 needs a folder"
      printf -v "${1#--}" %s "$(realpath "$2")"
      shift
      ;;
    --output)
      [ -n "${2:-}" ] || fail "--output needs a file"
      output=$(realpath "$2")
      shift
      ;;
    *)
      [ -n "${limits[$1]:-}" ] || fail "unknown part or option $1; parts: ${order[*]}"
      parts+=("$1")
      ;;
  esac
  shift
done
if [ ${#parts[@]} -eq 0 ]; then
  parts=("${order[@]}")
  [ -n "$data" ] || unset 'parts[-1]'
fi
[[ -n $data || " ${parts[*]} " != *" multi30k "* ]] || fail "multi30k needs --data DIR"

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
table=$work/table.md
PYTHON=${PYTHON:-python3}
export PYTHON work table data

# Print one row: part, subject, measure, value.
row() {
  echo "| $1 | $2 | $3 | $4 |" >>"$table"
}

# Turn JSON objects, one per line with the key "system", into rows of the part $1.
rows() {
  "$PYTHON" -c '
import json, sys

def shown(value):
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else value

for line in sys.stdin:
    sys.stderr.write(line)
    results = json.loads(line)
    system = results.pop("system")
    for name, value in results.items():
        print(f"| {sys.argv[1]} | {system} | {name} | {shown(value)} |", flush=True)
' "$1" >>"$table"
}

# Run pytest with the options after $1 and print the last line of its output as the row $1.
pytests() {
  local subject=$1 status=0
  shift
  "$PYTHON" -m pytest -p no:cacheprovider "$@" | tee "$work/pytest.log" || status=1
  row tests "$subject" outcome "$(tail -n 1 "$work/pytest.log")"
  return $status
}

tests() {
  local files
  mapfile -t files < <(grep -rl --include='test_*.py' cuda tests/{model,kernels,decoding,training})
  pytests "CUDA tests" -k cuda "${files[@]}"
}

attention() {
  "$PYTHON" scripts/bench_attention.py --device cuda --json | rows attention
}

training() {
  # Compilation takes longest and comes last, so that a time limit costs no other result.
  {
    "$PYTHON" scripts/bench_training.py --device cuda --systems nmt nmt-packed marianmt \
      --steps 100 --warmup 30 --json
    "$PYTHON" scripts/bench_training.py --device cuda --systems nmt-packed-compiled \
      --steps 100 --warmup 30 --json
  } | rows training
}

# Print options, one per line, for training and validation on --data. Without --data, they select the
# phrasebook.
corpus() {
  if [ -z "$data" ]; then
    printf '%s\n' --set 'data.train={builtin: phrasebook}' --set 'data.valid={builtin: phrasebook}'
    return
  fi
  text_files train train
  text_files valid val
}

# Print the options that make the split $1 read the files in --data whose name starts with $2.
text_files() {
  local files=("$data/$2".en* "$data/$2".de*)
  printf '%s\n' --set "data.$1.source=${files[0]}" --set "data.$1.target=${files[-1]}"
}

decoding() {
  local options
  mapfile -t options < <(corpus)
  # After 500 steps, outputs have about the length of real translations.
  "$PYTHON" -m nmt train --config configs/bench.yaml --run-dir "$work/bench" "${options[@]}" \
    --set training.device=cuda --set training.max_steps=500 --set training.warmup_steps=200 \
    --set training.valid_every=500 || return
  "$PYTHON" scripts/bench_decoding.py --model "$work/bench" --device cuda --precision bf16 fp32 \
    --against transformers --batch 512 --lines 1000 --singles 20 --rounds 1 --json |
    rows decoding
}

# Print the first 16 digits of the SHA-256 of the weights after step 60 in the run folder $1.
digest() {
  sha256sum <"$1/checkpoints/step-00000060/model.safetensors" | cut -c 1-16
}

reproducibility() {
  local pids=() run expected status=0
  local demo=("$PYTHON" -m nmt train --config configs/demo.yaml --set data.test=null
    --set training.device=cuda --set training.max_steps=60 --set training.valid_every=20
    --set decoding.max_length=30)
  for run in first second resumed; do
    "${demo[@]}" --run-dir "$work/$run" >"$work/$run.log" 2>&1 &
    pids+=($!)
  done
  until [ -e "$work/resumed/checkpoints/step-00000020" ] || ! kill -0 "${pids[2]}" 2>/dev/null; do
    sleep 0.05
  done
  kill -9 "${pids[2]}"
  wait "${pids[2]}"
  wait "${pids[0]}" && wait "${pids[1]}" || { tail -n 5 "$work/first.log" "$work/second.log"; return 1; }
  if [ ! -d "$work/resumed/checkpoints" ] || [ -e "$work/resumed/model" ]; then
    tail -n 5 "$work/resumed.log"
    row reproducibility "killed and resumed" weights "the run was not killed between steps 20 and 60"
    return 1
  fi
  "${demo[@]}" --run-dir "$work/resumed" || return
  expected=$(digest "$work/first")
  row reproducibility "first run" "SHA-256 of the weights" "$expected"
  for run in second resumed; do
    if [ "$(digest "$work/$run")" = "$expected" ]; then
      row reproducibility "$run run" weights identical
    else
      row reproducibility "$run run" weights different
      status=1
    fi
  done
  return $status
}

multi30k() {
  local options begin=$SECONDS
  mapfile -t options < <(corpus && text_files test test_2016_flickr)
  "$PYTHON" -m nmt train --config configs/multi30k-en-de.yaml --run-dir "$work/multi30k" \
    "${options[@]}" --set training.device=cuda || return
  "$PYTHON" - "$work/multi30k/metrics.jsonl" $((SECONDS - begin)) <<'PY' | rows multi30k
import json, sys

records = map(json.loads, open(sys.argv[1], encoding="utf-8"))
test = next(record for record in records if record.get("event") == "test")
results = {"wall seconds": int(sys.argv[2]), "test BLEU": test["bleu"], "test chrF++": test["chrf"]}
print(json.dumps({"system": "nmt train", **results}))
PY
}

if [ -n "$wheels" ]; then
  # Keep installed packages that are new enough, because others may depend on their versions.
  "$PYTHON" - "$wheels" "$work/site" <<'PY' || fail "cannot unpack the wheels in $wheels"
import pathlib, sys, tomllib, zipfile
from importlib import metadata
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

folder, site = sys.argv[1:]
wheels = {canonicalize_name(w.name.split("-")[0]): w for w in pathlib.Path(folder).glob("*.whl")}


def need(requirement: Requirement) -> None:
    """Unpack the wheels of a requirement and of its dependencies, unless they are installed."""
    name = canonicalize_name(requirement.name)
    if name not in wheels or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
        return
    if any(requirement.specifier.contains(d.version) for d in metadata.distributions(name=name)):
        return
    zipfile.ZipFile(wheels.pop(name)).extractall(site)
    for distribution in metadata.distributions(name=name, path=[site]):
        for line in distribution.requires or ():
            need(Requirement(line))


project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
for line in [*project["dependencies"], *project["optional-dependencies"]["dev"], "transformers"]:
    need(Requirement(line))
PY
fi
export PYTHONPATH=$PWD:$work/site${PYTHONPATH:+:$PYTHONPATH} NMT_RUNS=$work
export -f row rows pytests tests attention training corpus text_files decoding digest reproducibility multi30k

printf '%s\n' "| part | subject | measure | result |" "| --- | --- | --- | ---: |" >"$table"
"$PYTHON" - <<'PY' >>"$table" || exit 2
try:
    import torch
except ImportError:
    raise SystemExit("error: this Python has no torch; set PYTHON to one with torch 2.10 or newer")
if not torch.cuda.is_available():
    raise SystemExit("error: torch finds no CUDA device, and every part of this check needs one")
device = torch.cuda.get_device_properties(0)
gib = device.total_memory / 2**30
print(f"| device | {device.name} | memory GiB | {gib:.0f} |")
print(f"| device | torch {torch.__version__} | CUDA | {torch.version.cuda} |")
PY

status=0
for part in "${parts[@]}"; do
  echo "== $part (at most ${limits[$part]} s)"
  begin=$SECONDS
  timeout --kill-after=5 "${limits[$part]}" bash -c "set -o pipefail; $part" 2>&1
  case $? in
    0) outcome=succeeded ;;
    124 | 137) outcome="stopped at its time limit" ;;
    *) outcome=failed ;;
  esac
  [ "$outcome" = succeeded ] || status=1
  row "$part" "whole part" "$outcome after seconds" $((SECONDS - begin))
done
echo
cat "$table"
[ -z "$output" ] || cp "$table" "$output" || status=1
exit $status
