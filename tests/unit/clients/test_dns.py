"""The wire format of one question and its answer."""

from __future__ import annotations

import socket
import struct

import dns.message
import dns.rrset
import pytest

from pydeploy.clients import dns as client
from pydeploy.errors import ServiceError


def test_the_question_is_one_that_others_read() -> None:
    message = dns.message.from_wire(client.question(7, "10020.deploy.deepin.test"))
    assert message.id == 7
    assert message.question[0].to_text() == "10020.deploy.deepin.test. IN A"


def _answer(*records: str, rcode: int = 0) -> bytes:
    query = dns.message.from_wire(client.question(7, "a.test"))
    message = dns.message.make_response(query)
    message.set_rcode(rcode)
    message.answer += [dns.rrset.from_text(*one.split(" ", 4)) for one in records]  # type: ignore[arg-type]
    return message.to_wire()


def test_addresses_are_read_past_aliases() -> None:
    wire = _answer("a.test. 60 IN CNAME b.test.", "b.test. 60 IN A 10.0.0.1")
    assert client.parse(7, wire) == ["10.0.0.1"]


def test_no_record_is_no_address() -> None:
    assert client.parse(7, _answer()) == []


@pytest.mark.parametrize(("rcode", "text"), [(3, "no such name"), (5, "refused"), (9, "code 9")])
def test_a_refusal_is_an_error(rcode: int, text: str) -> None:
    with pytest.raises(ServiceError, match=text):
        client.parse(7, _answer(rcode=rcode))


@pytest.mark.parametrize("wire", [b"", b"\x00", struct.pack("!6H", 7, 0, 1, 1, 0, 0), b"\xff" * 40])
def test_nonsense_is_an_error(wire: bytes) -> None:
    with pytest.raises(ServiceError):
        client.parse(7, wire)


def test_another_questions_answer_is_an_error() -> None:
    with pytest.raises(ServiceError, match="another question"):
        client.parse(8, _answer())


def test_no_server_is_a_service_error() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but never answers
        with pytest.raises(ServiceError, match="does not answer") as caught:
            client.addresses("127.0.0.1", taken.getsockname()[1], "a.test", timeout=0.1)
    assert caught.value.service == "dns"
