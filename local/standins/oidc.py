"""Google-like OIDC tokens for the local system: signed with its own key, checked on its own clock."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from local.standins.database import Damaged
from shared.clock import Clock

ISSUER = "https://accounts.google.com"

Claims = Mapping[str, object]


_SAME_TOKEN_SECONDS = 5
"""A signature takes as long as the rest of a delivery."""


class TokenRefused(Exception):
    """The token does not prove what it claims; the message says why."""


class Issuer:
    """Plays Google as the issuer of ID tokens (RS256). With `data`, the key outlives the process."""

    def __init__(self, clock: Clock, data: Path | None = None) -> None:
        self._clock = clock
        self._key = _kept_key(data) if data is not None else _new_key()
        numbers = self._key.public_key().public_numbers()
        self._signed: dict[tuple[str, str, float], tuple[int, str]] = {}
        self._key_id = hashlib.sha256(f"{numbers.n}:{numbers.e}".encode()).hexdigest()[:40]

    def token(self, email: str, audience: str, lifetime: float = 3600) -> str:
        """Return an ID token of service account `email` for `audience`.

        `lifetime` is in seconds: an hour, as Google's. Calls within a few seconds get the same token.
        """
        now = int(self._clock.time())
        wanted = (email, audience, lifetime)
        signed_at, token = self._signed.get(wanted, (0, ""))
        if not 0 <= now - signed_at < min(_SAME_TOKEN_SECONDS, lifetime):
            token = self._sign(email, audience, now, lifetime)
            self._signed[wanted] = now, token
        return token

    def _sign(self, email: str, audience: str, now: int, lifetime: float) -> str:
        subject = str(int(hashlib.sha256(email.encode()).hexdigest(), 16))[:21]
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "azp": subject,
            "sub": subject,
            "email": email,
            "email_verified": True,
            "iat": now,
            "exp": int(now + lifetime),
        }
        signed = f"{_encode({'alg': 'RS256', 'kid': self._key_id, 'typ': 'JWT'})}.{_encode(claims)}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64(signature)}"

    def verify(self, token: str, audience: str | Collection[str]) -> Claims:
        """Return the token's claims. Raises TokenRefused unless this issuer signed it for (one of) `audience`."""
        header, claims, signature, signed = _parts(token)
        if header.get("alg") != "RS256" or header.get("kid") != self._key_id:
            raise TokenRefused("the token is not signed with a key of this issuer")
        try:
            self._key.public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature as error:
            raise TokenRefused("the token's signature does not match its content") from error
        expires = claims.get("exp")
        if not isinstance(expires, int) or expires <= self._clock.time():
            raise TokenRefused(f"the token has expired (exp {expires})")
        if claims.get("iss") != ISSUER:
            raise TokenRefused(f"the token's issuer is {claims.get('iss')!r}")
        accepted = {audience} if isinstance(audience, str) else set(audience)
        if claims.get("aud") not in accepted:
            raise TokenRefused(f"the token is for the audience {claims.get('aud')!r}, not {sorted(accepted)}")
        return claims


def without_signature(token: str) -> str:
    """Return the token as Cloud Run passes it to the container: readable, but with its signature removed."""
    return f"{token.rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE"


def _parts(token: str) -> tuple[Claims, Claims, bytes, bytes]:
    signed, _, signature = token.rpartition(".")
    try:
        header, claims = (json.loads(_unbase64(part)) for part in signed.split("."))
        raw = _unbase64(signature)
    except (ValueError, binascii.Error) as error:
        raise TokenRefused("the token is not a signed JWT") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenRefused("the token is not a signed JWT")
    return header, claims, raw, signed.encode()


def _kept_key(data: Path) -> rsa.RSAPrivateKey:
    file = data / "oidc-key.pem"
    if file.exists():
        try:
            key = serialization.load_pem_private_key(file.read_bytes(), password=None)
        except ValueError as error:
            raise Damaged(file, "it holds no key that can be read") from error
        if not isinstance(key, rsa.RSAPrivateKey):
            raise Damaged(file, "it holds no RSA key")
        return key
    data.mkdir(parents=True, exist_ok=True)
    key = _new_key()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    unfinished = file.with_suffix(".new")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(pem)
    unfinished.replace(file)
    return key


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _encode(part: Claims) -> str:
    return _base64(json.dumps(part, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unbase64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
