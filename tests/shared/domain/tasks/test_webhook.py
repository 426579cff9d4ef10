"""Signatures as the Standard Webhooks package makes and checks them."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from shared.domain.tasks.webhook import key_of, signed_headers

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
OTHER = "whsec_" + base64.b64encode(b"x" * 32).decode()


def test_a_signature_is_the_one_that_the_standard_package_makes() -> None:
    headers = signed_headers(SECRET, message_id="msg_1", timestamp=1776874565, body=b'{"a":1}')
    expected = Webhook(SECRET).sign("msg_1", datetime.fromtimestamp(1776874565, UTC), '{"a":1}')
    assert headers["webhook-signature"] == expected


def test_while_a_secret_is_replaced_receivers_of_both_are_content() -> None:
    body = b'{"a":1}'
    headers = signed_headers(f"{SECRET} {OTHER}", message_id="msg_1", timestamp=int(time.time()), body=body)
    assert Webhook(SECRET).verify(body, headers) == Webhook(OTHER).verify(body, headers) == {"a": 1}


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_@@@@"])
def test_what_is_no_secret_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_ and at least") as raised:
        key_of(secret)
    assert len(secret) <= 6 or secret not in str(raised.value)
