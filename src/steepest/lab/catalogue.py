"""What the page's controls are made of: every setting's sentence and choices, as the registries have them."""

from __future__ import annotations

from functools import cache
from typing import Any

from steepest.data.synthetic import sample_names, sample_target
from steepest.lab.exhibits import exhibits
from steepest.lab.experiment import REFUSED
from steepest.settings_table import SETTINGS


@cache
def catalogue() -> dict[str, Any]:
    """Samples, settings and exhibits."""
    settings = {
        name: {
            "kind": setting.kind, "role": setting.role, "default": setting.default, "text": setting.sentence,
            "choices": [
                {
                    "name": choice.name, "shape": choice.shape, "text": choice.text, "many": choice.many,
                    "numbers": [{"name": one.name, "default": one.default, "rule": one.rule} for one in choice.numbers],
                }
                for choice in (setting.choices or {}).values()
            ],
        }
        for name, setting in SETTINGS.items() if name not in REFUSED
    }  # fmt: skip
    samples = [{"name": name, "targets": sample_target(name)} for name in sample_names()]
    return {"samples": samples, "settings": settings, "exhibits": exhibits()}
