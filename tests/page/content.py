"""Answers worth looking at, for the pictures of the page."""

from __future__ import annotations

from tests.running import SAMPLES

PHOTO = SAMPLES / "photo.jpg"
_LINES = [
    ("Maya", "Good morning everyone. Can you all hear me?"),
    ("Jonas", "Loud and clear. Shall we begin with the pump?"),
    ("Maya", "Yes. The new one arrives on Thursday, and we need two people to carry it."),
    ("Amina", "I can be there from nine. Jonas, can you bring the van?"),
    ("Jonas", "I can, if somebody takes my shift at the gate."),
    ("Maya", "I will. Then the budget: we have 1,240 euros left until the end of March."),
    ("Amina", "That is enough for the pipes, but not for the paint."),
]
TRANSCRIPT = {
    "language": "en",
    "segments": [
        {"start": f"00:0{second}", "end": f"00:0{second + 1}", "speaker": speaker, "text": text}
        for second, (speaker, text) in enumerate(_LINES)
    ],
}
BOXES = [
    {"label": "sun", "box_2d": [110, 690, 330, 860]},
    {"label": "left mountain", "box_2d": [360, 0, 1000, 450]},
    {"label": "right mountain", "box_2d": [430, 440, 1000, 1000]},
]
SUMMARY = """## What it is

A **quarterly report** of two pages on the company's results and outlook.

## Main points

- Revenue grew by **12 percent** to 4.2 million euros; costs stayed flat at 3.1 million.
- Parcels shipped rose every quarter, from 1,200 in Q1 to **3,100 in Q4**.
- For next year, growth of *15 percent* is expected. Two new warehouses open in May.

| quarter | parcels | change |
|---|---:|---:|
| Q1 | 1,200 | |
| Q2 | 1,800 | +50 % |
| Q3 | 2,400 | +33 % |
| Q4 | 3,100 | +29 % |

## Dates

1. May: the warehouses open.
"""
ROWS = [
    {"supplier": "Hafenwerk GmbH", "what": "Pump, 2.2 kW", "due": "2026-12-04", "amount": 1890.0},
    {"supplier": "Nord Pipes", "what": "Pipes and fittings", "due": "2026-12-10", "amount": 412.5},
    {"supplier": "Farben Lang", "what": "Paint, 40 l", "due": "2026-12-18", "amount": 268.9},
    {"supplier": "Stadtwerke", "what": "Power, November", "due": "2026-12-20", "amount": 734.12},
]
BILLS = b"""Open bills of the autumn

Hafenwerk GmbH: pump, 2.2 kW. 1,890.00 euros, due on 4 December.
Nord Pipes: pipes and fittings. 412.50 euros, due on 10 December.
Farben Lang: paint, 40 l. 268.90 euros, due on 18 December.
Stadtwerke: power for November. 734.12 euros, due on 20 December.
"""
_FIELDS = {"supplier": "string", "what": "string", "due": "string", "amount": "number"}
SCHEMA = {
    "type": "array",
    "items": {"type": "object", "properties": {name: {"type": kind} for name, kind in _FIELDS.items()}},
}
FIGURES = [
    {"figure": "revenue growth", "value": "12 %"},
    {"figure": "revenue", "value": "4.2 million euros"},
    {"figure": "costs", "value": "3.1 million euros"},
    {"figure": "employees", "value": "48"},
]
QUOTES = [
    {"path": "[0].value", "quote": "Revenue grew by 12 percent", "page": 1},
    {"path": "[1].value", "quote": "4.2 million euros", "page": 1},
    {"path": "[2].value", "quote": "Costs stayed flat at 3.1 million euros", "page": 1},
    {"path": "[3].value", "quote": "48 people work for us", "page": 2},
]
