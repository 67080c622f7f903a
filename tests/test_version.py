"""The version of the package, installed or not."""

from __future__ import annotations

import importlib.metadata

import pytest

import nmt


def test_version_is_that_of_the_installed_package() -> None:
    assert nmt.__version__ == importlib.metadata.version("nmt")


def test_version_of_a_source_folder_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert nmt.__version__ == "0+source"
