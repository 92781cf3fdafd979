"""A cluster as platform teams run it: TLS, SASL/SCRAM, and nothing allowed that no ACL allows."""

from __future__ import annotations

import logging
import shutil
import subprocess
from pathlib import Path

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from kafka_cluster.cluster import Cluster, Node, free_port
from kafka_cluster.jars import Missing

_TIMEOUT = 60.0


class SecureCluster(Cluster):
    """One node. Clients come over TLS with a SCRAM user; ``inner`` is a plain listener for those who set it up."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._inner_port = free_port()
        self.authority = directory / "ca.pem"  # what a client trusts

    @property
    def inner(self) -> str:
        """The address for which everything is allowed."""
        return f"127.0.0.1:{self._inner_port}"

    def start(self) -> None:
        """Makes the certificates, then starts."""
        self.directory.mkdir(parents=True, exist_ok=True)
        make_certificates(self.directory)
        super().start()
        # With a logger, or it complains on stderr when the cluster ends before it does.
        self.admin = AdminClient({"bootstrap.servers": self.inner, "logger": logging.getLogger("secure")})

    def add_user(self, name: str, password: str) -> None:
        """A user who may do nothing yet."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        change = UserScramCredentialUpsertion(name, info, password.encode())
        for future in self.admin.alter_user_scram_credentials([change]).values():
            future.result(_TIMEOUT)

    def withdraw_user(self, name: str) -> None:
        """A user whose credentials are not accepted any more, from the next time on that they are asked for."""
        change = UserScramCredentialDeletion(name, ScramMechanism.SCRAM_SHA_512)
        for future in self.admin.alter_user_scram_credentials([change]).values():
            future.result(_TIMEOUT)

    def _configure(self, node: Node) -> None:
        super()._configure(node)
        path = node.directory / "server.properties"
        kept = [line for line in path.read_text().splitlines() if not line.startswith(("listener", "inter.broker"))]
        pem = self.directory / "server.pem"
        path.write_text(
            "\n".join(kept)
            + f"""
listeners=SASL_SSL://127.0.0.1:{node.port},PLAINTEXT://{self.inner},CONTROLLER://127.0.0.1:{node.controller_port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={pem}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
auto.create.topics.enable=false
connections.max.reauth.ms=4000
"""
        )


def make_certificates(directory: Path) -> None:
    """``ca.pem``, and ``server.pem`` for 127.0.0.1: certificate and key. Made by openssl, good for a day."""
    if shutil.which("openssl") is None:
        raise Missing("no openssl found. Install it: apt-get install openssl")
    (directory / "server.ext").write_text("subjectAltName=IP:127.0.0.1\n")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for arguments in (
        (*("req", "-x509", *key, "-days", "1", "-subj", "/CN=test authority"), "-keyout", "ca.key", "-out", "ca.pem"),
        ("req", *key, "-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.csr"),
        (
            *("x509", "-req", "-days", "1", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-extfile", "server.ext", "-out", "server.crt"),
        ),
    ):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, timeout=_TIMEOUT)
    (directory / "server.pem").write_text(
        (directory / "server.key").read_text() + (directory / "server.crt").read_text()
    )
