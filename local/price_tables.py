"""The tables of prices in README.md and terraform/README.md, from the catalogue of models.

`python -m local.price_tables` writes them; `--check` only reports whether they are up to date.
"""

from __future__ import annotations

import re
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

from shared.domain.models.catalogue import Model, catalogue
from shared.domain.models.prices import Price, Tier
from shared.domain.money.calls import Tokens, cost_of

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "terraform/README.md")

_FILES: tuple[tuple[str, str, Tokens, Decimal], ...] = (
    (
        "recording of 10 minutes",
        "19,200 audio + 2,000",
        Tokens({"audio": 19_200}, answer={"text": 2_000}),
        Decimal("0.92"),
    ),
    ("PDF of 10 pages", "5,600 + 500", Tokens({"document": 5_600}, answer={"text": 500}), Decimal("0.49")),
    ("picture", "1,120 + 300", Tokens({"image": 1_120}, answer={"text": 300}), Decimal("0.28")),
)
"""What it is, its tokens in words and as counts, and what everything but Gemini costs for 1,000 of them."""


def cost_table() -> str:
    """Return what 1,000 files cost with the default model, on the day the prices were read."""
    name, day = catalogue().default, catalogue().prices_read
    rows = [
        "| 1,000 × | tokens each, in + out | Gemini | in the flex tier | the rest | together |",
        "|---|---|---|---|---|---|",
    ]
    for label, words, tokens, rest in _FILES:
        standard, flex = (_thousand(tokens, name, tier, day) for tier in ("standard", "flex"))
        rows.append(f"| {label} | {words} | {standard:.2f} | {flex:.2f} | {rest:.2f} | **{standard + rest:.2f}** |")
    rows += ["", f"Gemini's prices are those of {name}, as read on {day}: {_in_words(_price(name, day))}."]
    return "\n".join(rows)


def price_table() -> str:
    """Return the list prices of the models that a new user can ask about files."""
    day = catalogue().prices_read
    rows = ["| model | a million tokens in | out | from a cache |", "|---|---|---|---|"]
    for model in catalogue().models:
        if _is_offered(model) and (price := model.price("standard", day)) is not None:
            audio = f" (audio {price.input.audio:.2f})" if price.input.audio != price.input.text else ""
            until = f" until {price.until}" if price.until else ""
            name = f"`{model.id}`" + (", the default" if model.id == catalogue().default else "")
            rows.append(
                f"| {name} | {price.input.text:.2f}{audio}{until} | {price.output:.2f} | {price.cached.text:.3f} |"
            )
    return "\n".join(rows)


def filled(page: str) -> str:
    """Return the page with its tables as they should be."""
    for name, table in (("cost", cost_table()), ("prices", price_table())):
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        page = between.sub(lambda match, table=table: f"{match[1]}{table}\n{match[2]}", page)  # type: ignore[misc]
    return page


def _is_offered(model: Model) -> bool:
    return model.outputs == {"text"} and not model.closed_to_new and model.shutdown is None


def _price(name: str, day: date) -> Price:
    model = next(model for model in catalogue().models if model.id == name)
    price = model.price("standard", day)
    if price is None:
        raise ValueError(f"the catalogue has no price for {name} on {day}")
    return price


def _thousand(tokens: Tokens, name: str, tier: Tier, day: date) -> Decimal:
    cost = cost_of(tokens, name, tier, day)
    if cost is None:
        raise ValueError(f"the catalogue has no {tier} price for {name} on {day}")
    return cost * 1000


def _in_words(price: Price) -> str:
    audio = f" (audio {price.input.audio:.2f})" if price.input.audio != price.input.text else ", audio too,"
    return f"{price.input.text:.2f} US dollars for a million input tokens{audio} and {price.output:.2f} for the output"


def main(argv: list[str]) -> int:
    outdated = [page for page in PAGES if filled((ROOT / page).read_text()) != (ROOT / page).read_text()]
    if argv != ["--check"]:
        for page in outdated:
            (ROOT / page).write_text(filled((ROOT / page).read_text()))
        return 0
    return int(bool(outdated))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
