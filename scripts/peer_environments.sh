#!/usr/bin/env bash
# Install the toolkits that scripts/bench_peers.py measures, each in a virtual environment.
#
#   scripts/peer_environments.sh FOLDER [PEER ...]
#
# The environment of PEER is FOLDER/PEER. Default: all peers. PYTHON selects another interpreter
# than python3.11. Most toolkits require an older torch, so they are installed with --no-deps.

set -euo pipefail

folder=$(realpath "${1:?usage: $0 FOLDER [PEER ...]}")
shift
[ $# -gt 0 ] || set -- transformers eole opennmt joeynmt sockeye marian fairseq
TORCH=torch==2.13.0

transformers() {
  pip install "$TORCH" transformers==5.23.0
}

eole() {
  pip install "$TORCH"
  pip install --no-deps eole==0.6.4
  pip install aiohttp configargparse ctranslate2 datasets fastapi flask pyahocorasick pydantic \
    pyonmttok pyyaml rapidfuzz rich sacrebleu safetensors sentencepiece six spacy subword-nmt \
    tensorboard tokenizers torch-optimi uvicorn waitress
}

opennmt() {
  pip install "$TORCH"
  pip install --no-deps OpenNMT-py==3.5.1 pyonmttok
  pip install configargparse ctranslate2 flask pyahocorasick pyyaml rapidfuzz sacrebleu \
    sentencepiece six tensorboard waitress
  # OpenNMT imports these modules but does not need them for the benchmark.
  touch "$(site)"/{spacy,fasttext}.py
}

joeynmt() {
  pip install "$TORCH"
  pip install --no-deps joeynmt==2.3.0
  pip install datasets importlib_metadata matplotlib packaging portalocker protobuf pyyaml \
    sacrebleu sacremoses seaborn sentencepiece six subword-nmt tensorboard wrapt
}

sockeye() {
  pip install "$TORCH"
  pip install --no-deps sockeye==3.1.34
  pip install "numpy<2" portalocker pyyaml "sacrebleu<2.6"
}

marian() {
  pip install --no-deps pymarian==1.12.42
}

# fairseq is older than Python 3.11 and numpy 1.24. Of its compiled modules, only the two of
# fairseq/data are needed.
fairseq() {
  export PIP_NO_BUILD_ISOLATION=1
  pip install "pip<24.1" "setuptools<80" wheel
  pip install "$TORCH"
  pip install "numpy<2" "cython<3.1" cffi regex tqdm bitarray sacrebleu pyyaml tensorboardX
  pip install antlr4-python3-runtime==4.8 omegaconf==2.0.6 hydra-core==1.0.7
  cd "$folder"
  pip download --no-deps --no-binary fairseq fairseq==0.12.2
  tar xzf fairseq-0.12.2.tar.gz
  cd fairseq-0.12.2
  # Mutable defaults of dataclasses are an error in Python 3.11.
  sed -Ei 's/^( +\w+: (\w+)) = \2\(\)$/\1 = field(default_factory=\2)/
           s/field\(default=([A-Z]\w*)\(\)/field(default_factory=\1/' \
    fairseq/models/transformer/transformer_config.py fairseq/dataclass/configs.py \
    "$(site)/hydra/conf/__init__.py"
  sed -i 's/FairseqConfig.__dataclass_fields__\[k\].default/getattr(FairseqConfig(), k)/' \
    fairseq/dataclass/initialize.py
  # numpy has removed these names.
  grep -rlE 'np\.(float|int|bool)\b' fairseq | xargs sed -Ei 's/\bnp\.(float|int|bool)\b/\1/g'
  sed -i '1i # distutils: language = c++' fairseq/data/{data_utils_fast,token_block_utils_fast}.pyx
  CPATH=$(python -c "import numpy; print(numpy.get_include())"):$PWD/fairseq/clib \
    cythonize -i fairseq/data/{data_utils_fast,token_block_utils_fast}.pyx
  echo "__version__ = '0.12.2'" >fairseq/version.py
  echo "$PWD" >"$(site)/fairseq.pth"
}

# Print the folder of installed packages of the active environment.
site() {
  python -c "import site; print(site.getsitepackages()[0])"
}

path=$PATH
for peer in "$@"; do
  "${PYTHON:-python3.11}" -m venv "$folder/$peer"
  PATH=$folder/$peer/bin:$path
  # A subshell keeps the folder and the variables of one peer from the next.
  ("$peer")
done
