"""What may be reached, and that the connection goes to the address that was checked."""

from __future__ import annotations

import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network

import pytest
from channel_world import LOCAL
from chat_servers import Local, Reply, serving

from approvals.channels.egress import Replied, may_reach, post
from approvals.channels.retry import Dead, Retry

INSIDE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:0:7f00:1::", "localhost",
    "", "1", "0x7f.1",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_is_not_reached(address):
    """Loopback, private, link-local, metadata, reserved, multicast, and IPv4 hidden in IPv6."""
    assert not may_reach(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8"]
)
def test_what_is_public_is_reached(address):
    """Public addresses of both kinds."""
    assert may_reach(address)


def test_what_the_configuration_allows_is_reached():
    """A network that is named, and no other; also where it is written as IPv6."""
    allowed = (ip_network("10.20.0.0/16"), ip_network("fd00:5::/32"))
    assert may_reach("10.20.3.4", allowed)
    assert may_reach("::ffff:10.20.3.4", allowed)
    assert may_reach("fd00:5::1", allowed)
    assert not may_reach("10.21.0.1", allowed)
    assert not may_reach("127.0.0.1", allowed)


class Plain(Local):
    def right(self, got):
        return Reply(204)


@pytest.fixture
def plain():
    with serving(Plain) as server:
        yield server


def names(*addresses):
    asked = []

    async def resolve(host, _port):
        asked.append(host)
        return list(addresses[len(asked) - 1] if addresses and isinstance(addresses[0], list) else addresses)

    resolve.asked = asked
    return resolve


def test_an_address_inside_is_refused_before_anything_is_sent(plain):
    """By its number, by its name, and where only one of several addresses is inside."""
    for url, resolve in [
        (plain.url, names("127.0.0.1")),
        (f"http://hooks.example.com:{plain.port}/", names("127.0.0.1")),
        (f"http://hooks.example.com:{plain.port}/", names("93.184.216.34", "127.0.0.1")),
        ("http://metadata.google.internal/", names("169.254.169.254")),
        ("http://nowhere.example.com/", names()),
    ]:
        assert isinstance(post(url, b"{}", {}, resolve=resolve), Dead)
    assert plain.got == []


def test_a_name_that_points_elsewhere_a_moment_later_changes_nothing(plain):
    """It is resolved once; the request goes to the address that was checked, with the name in its Host header."""
    resolve = names(["127.0.0.1"], ["203.0.113.9"])
    url = f"http://hooks.example.com:{plain.port}/in?x=1"
    assert post(url, b"{}", {}, allowed=LOCAL, resolve=resolve) == Replied(204, None)
    assert resolve.asked == ["hooks.example.com"]
    assert (plain.got[0].path, plain.got[0].headers["host"]) == ("/in?x=1", f"hooks.example.com:{plain.port}")


def test_a_redirect_is_not_followed(plain):
    """Where it leads to was not checked."""
    plain.faults.append(Reply(302, headers=(("location", plain.url),)))
    assert post(plain.url, b"{}", {}, allowed=LOCAL) == Replied(302, None)
    assert len(plain.got) == 1


def test_a_name_that_does_not_exist_may_exist_later():
    """DNS may be away for a moment."""

    async def away(_host, _port):
        raise OSError

    assert isinstance(post("https://hooks.example.com/", b"{}", {}, resolve=away), Retry)


def test_all_of_it_has_a_time_limit():
    """An end that sends a byte now and then does not keep the sender: the limit is for the whole exchange."""

    class Drip(BaseHTTPRequestHandler):
        def do_POST(self):
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for _ in range(400):
                try:
                    self.wfile.write(b"x-drip: 1\r\n")
                    time.sleep(0.05)
                except OSError:
                    return

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Drip)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    began = time.monotonic()
    result = post(f"http://127.0.0.1:{server.server_address[1]}/", b"{}", {}, allowed=LOCAL, seconds=0.4)
    assert result == Retry("no answer within 0.4 s")
    assert time.monotonic() - began < 15
    server.shutdown()
    server.server_close()


def test_tls_is_checked_against_the_name_and_not_the_address(tmp_path):
    """The connection goes to an address, and the certificate has to be the name's."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    named = ["-subj", "/CN=hooks.example.com", "-addext", "subjectAltName=DNS:hooks.example.com"]
    subprocess.run([*command, "-keyout", key, "-out", cert, "-days", "2", *named], check=True, capture_output=True)
    with serving(Plain) as server:
        ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ours.load_cert_chain(cert, key)
        server._server.socket = ours.wrap_socket(server._server.socket, server_side=True)
        trusted = ssl.create_default_context(cafile=str(cert))

        def send(host, tls):
            url = f"https://{host}:{server.port}/"
            return post(url, b"{}", {}, allowed=LOCAL, resolve=names("127.0.0.1"), tls=tls)

        assert send("hooks.example.com", trusted) == Replied(204, None)
        assert isinstance(send("other.example.com", trusted), Retry)
        assert isinstance(send("hooks.example.com", None), Retry)
