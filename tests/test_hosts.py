"""Hosts: what a Host header names, and whether that can only be this machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanlight.hosts import HOST_LIMIT, host_name, is_loopback, is_loopback_name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost:8001", "localhost"),
        ("Example.COM.", "example.com"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]:8001", "::1"),
        ("[::1%lo]", ""),  # a zone, which no browser sends
        ("[::1", ""),
        ("a b", ""),
        ("user@host", ""),
        ("", ""),
        ("a." * HOST_LIMIT, ""),
    ],
)
def test_a_host_header_names_a_host_or_nothing(header: str, name: str) -> None:
    """X-6: names and addresses with a port or without; whatever else is no name."""
    assert host_name(header) == name


@pytest.mark.parametrize(
    ("name", "local"),
    [
        ("localhost", True),
        ("api.localhost", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost.example.com", False),
        ("10.0.0.1", False),
        ("127.0.0.1.example.com", False),
        ("", False),
    ],
)
def test_only_names_of_this_machine_are_local(name: str, local: bool) -> None:
    """X-6: a name that somebody else's DNS may answer for is never this machine's."""
    assert is_loopback_name(name) is local


@given(st.text(max_size=400))
def test_no_header_breaks_it(header: str) -> None:
    """X-6: hostile headers name something sound or nothing."""
    name = host_name(header)
    assert len(name) <= HOST_LIMIT
    assert is_loopback(name) in (True, False)
