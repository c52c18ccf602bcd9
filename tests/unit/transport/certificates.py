"""Certificates that a test's server can show: good ones, and each kind that must be refused."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from gevent.ssl import SSLContext

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


class Signer:
    """A root: its key and its certificate."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = sign(self.name, self.key, self, NOW + DAY, is_root=True)


def sign(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, signer: Signer, until: dt.datetime, *, is_root: bool = False
) -> x509.Certificate:
    host = subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 10 * DAY)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(str(host))]), critical=False)
        .sign(signer.key, hashes.SHA256())
    )


class Authority:
    """The one root that the transport under test trusts, by the environment as an operator would set it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._root = Signer("root.test")
        self.roots = folder / "roots.pem"
        self.roots.write_bytes(self._root.certificate.public_bytes(serialization.Encoding.PEM))

    def good(self, host: str) -> SSLContext:
        return self._server(host, self._root, NOW + DAY)

    def expired(self, host: str) -> SSLContext:
        return self._server(host, self._root, NOW - DAY)

    def wrong_name(self, host: str) -> SSLContext:
        return self._server(f"not-{host}", self._root, NOW + DAY)

    def self_signed(self, host: str) -> SSLContext:
        own = Signer(host)
        return self._load(own.key, own.certificate)

    def unknown_root(self, host: str) -> SSLContext:
        return self._server(host, Signer("other.test"), NOW + DAY)

    def _server(self, host: str, signer: Signer, until: dt.datetime) -> SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        return self._load(key, sign(subject, key, signer, until))

    def _load(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> SSLContext:
        file = self._folder / "server.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.roots))
    return made
