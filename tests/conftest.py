"""Settings and fixtures of all tests: one thread, tiny Transformers and corpus, a browser."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "nmt", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("nmt")

POSITIONS = ("sinusoidal", "learned", "rotary", "relative", "none")

# Fixtures import torch when they are used, because most folders of tests do not need torch.


@pytest.fixture
def seeded() -> Iterator[None]:
    """Seed torch and use one thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def make_transformer(seeded: None) -> Callable[..., Any]:
    """Return a function that makes a tiny Transformer of 13 tokens with random biases."""
    from untrained import with_random_biases

    from nmt.model.transformer import Transformer

    def make(**options: Any) -> Any:
        defaults = {"d_model": 16, "heads": 4, "encoder_layers": 2, "decoder_layers": 2}
        defaults |= {"feedforward": 24, "dropout": 0.0}
        return with_random_biases(Transformer(13, 13, **(defaults | options)))

    return make


@pytest.fixture(
    params=list(itertools.product(POSITIONS, ("post", "pre"), (None, 2))),
    ids=lambda p: f"{p[0]}-{p[1]}-{'window' if p[2] else 'everywhere'}",
)
def any_transformer(request: pytest.FixtureRequest, make_transformer: Callable[..., Any]) -> Any:
    """Return a Transformer of every combination of positions, norm and window."""
    positions, norm, window = request.param
    return make_transformer(positions=positions, norm=norm, attention_window=window)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a tiny parallel corpus. Tests that change it must copy it first."""
    from tiny import write_digits

    folder = tmp_path_factory.mktemp("digits")
    write_digits(folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return Chromium, driven by playwright; skip the test if one of the two is not installed."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = Path("/usr/bin/chromium")
    if not chromium.exists():
        pytest.skip(f"{chromium} is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()
