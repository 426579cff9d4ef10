"""Does an encrypted PDF open without a password? (ISO 32000, 7.6)

Many are encrypted only to forbid printing or copying: their password for reading is the empty one, every reader opens
them, and refusing them would be wrong.
"""

from __future__ import annotations

import hashlib
import re

_PADDING = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def opens_freely(lock: bytes, file_id: bytes) -> bool:
    """Whether the empty password fits the encryption dictionary `lock`.

    False too where that cannot be told: handlers other than the standard one, and revision 6, whose check needs AES.
    """
    revision, permissions = _number(lock, b"R"), _number(lock, b"P")
    owner, user = _string(lock, b"O"), _string(lock, b"U")
    if b"/Standard" not in lock or revision is None or permissions is None or owner is None or user is None:
        return False
    if revision == 5:
        return hashlib.sha256(user[32:40]).digest() == user[:32]
    if revision not in (2, 3, 4):
        return False
    length = 5 if revision == 2 else min(16, (_number(lock, b"Length") or 128 if revision == 4 else _bits(lock)) // 8)
    seed = _PADDING + owner[:32] + (permissions & 0xFFFF_FFFF).to_bytes(4, "little") + file_id
    if revision == 4 and re.search(rb"/EncryptMetadata\s+false", lock):
        seed += b"\xff\xff\xff\xff"
    key = _md5(seed)
    if revision == 2:
        return _rc4(key[:5], _PADDING) == user[:32]
    for _ in range(50):
        key = _md5(key[:length])
    proof = _md5(_PADDING + file_id)
    for turn in range(20):
        proof = _rc4(bytes(byte ^ turn for byte in key[:length]), proof)
    return proof == user[:16]


def file_id(trailers: bytes) -> bytes:
    """The first of the two identifiers in a trailer."""
    found = re.search(rb"/ID\s*\[\s*", trailers)
    return (_string_at(trailers, found.end()) or b"") if found else b""


def _bits(lock: bytes) -> int:
    return _number(lock, b"Length") or 40


def _number(lock: bytes, key: bytes) -> int | None:
    found = re.search(rb"/%s\s+(-?\d{1,11})" % key, lock)
    return int(found[1]) if found else None


def _string(lock: bytes, key: bytes) -> bytes | None:
    found = re.search(rb"/%s\s*(?=[(<])" % key, lock)
    return _string_at(lock, found.end()) if found else None


def _string_at(data: bytes, at: int) -> bytes | None:
    """A string as PDF writes it: in hexadecimal digits, or in parentheses with escapes."""
    if data[at : at + 1] == b"<":
        digits = re.sub(rb"\s", b"", data[at + 1 : data.find(b">", at)])
        return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("latin-1"))
    if data[at : at + 1] != b"(":
        return None
    out, depth, at = bytearray(), 1, at + 1
    while at < len(data):
        byte = data[at : at + 1]
        if byte == b"\\":
            octal = re.match(rb"[0-7]{1,3}", data[at + 1 : at + 4])
            following = data[at + 1 : at + 2]
            if octal:
                out.append(int(octal[0], 8) & 0xFF)
            elif following not in (b"\r", b"\n"):
                out += _ESCAPES.get(following, following)
            at += 1 + (len(octal[0]) if octal else 1)
            continue
        depth += {b"(": 1, b")": -1}.get(byte, 0)
        if depth == 0:
            return bytes(out)
        out += byte
        at += 1
    return None


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _rc4(key: bytes, data: bytes) -> bytes:
    state, j = list(range(256)), 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) & 0xFF
        state[i], state[j] = state[j], state[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) & 0xFF
        j = (j + state[i]) & 0xFF
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) & 0xFF])
    return bytes(out)
