"""The present code made the pictures of README.md."""

import hashlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
PICTURES = json.loads((IMAGES / "pictures.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_up_to_date(name: str) -> None:
    changed = [
        file
        for file, digest in PICTURES[name].items()
        if hashlib.sha256((ROOT / file).read_bytes()).hexdigest() != digest
    ]
    assert not changed, f"run scripts/make_pictures.py: {name} shows {', '.join(changed)}"


@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_small_and_loads_nothing(name: str) -> None:
    files = sorted(IMAGES.glob(f"{name}-*"))
    assert [file.stem for file in files] == [f"{name}-dark", f"{name}-light"]
    for file in files:
        assert file.stat().st_size < 150_000
        assert b"url(http" not in file.read_bytes()
