"""Mutual TLS: both sides trust the deployment's CA and nothing else."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from heyken_glue import errors
from heyken_glue.runtime import http


@dataclass(frozen=True)
class Files:
    """What a host has in its hands."""

    ca: Path
    certificate: Path
    key: Path


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(name: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
    )


def _deployment(directory: Path, host: str) -> Files:
    """Make a CA and one host certificate, as role pki does."""
    directory.mkdir()
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = (
        _builder("ca", "ca", ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(sign_certificates=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    names = [x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    certificate = (
        _builder(host, "ca", key)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    files = Files(directory / "ca.crt", directory / "host.crt", directory / "host.key")
    pem = serialization.Encoding.PEM
    files.ca.write_bytes(ca.public_bytes(pem))
    files.certificate.write_bytes(certificate.public_bytes(pem))
    files.key.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def _key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


@pytest.fixture
def ours(tmp_path: Path) -> Files:
    return _deployment(tmp_path / "ours", "core1")


@pytest.fixture
def foreign(tmp_path: Path) -> Files:
    return _deployment(tmp_path / "foreign", "core1")


@pytest.fixture
async def url(ours: Files) -> AsyncIterator[str]:
    async def whoami(request: web.Request) -> web.Response:
        certificate = request.get_extra_info("peercert")
        return web.json_response({"subject": str((certificate or {}).get("subject"))})

    application = web.Application()
    application.add_routes([web.get("/", whoami)])
    server = TestServer(application)
    await server.start_server(
        ssl=http.server_tls(ca_file=ours.ca, certificate_file=ours.certificate, key_file=ours.key)
    )
    yield str(server.make_url("/"))
    await server.close()


def _context(files: Files, *, ca: Path) -> ssl.SSLContext:
    return http.client_tls(ca_file=ca, certificate_file=files.certificate, key_file=files.key)


async def test_the_server_sees_who_calls(ours: Files, url: str) -> None:
    context = _context(ours, ca=ours.ca)
    async with http.session(tls=context, total_seconds=5) as session:
        answer = await http.request_json(session, "GET", url)
    assert "core1" in answer["subject"]


async def test_a_caller_without_a_certificate_is_let_in_but_unknown(ours: Files, url: str) -> None:
    context = ssl.create_default_context(cafile=str(ours.ca))
    async with http.session(tls=context, total_seconds=5) as session:
        answer = await http.request_json(session, "GET", url)
    assert answer["subject"] == "None"


async def test_a_server_of_another_ca_is_refused_for_good(
    ours: Files, foreign: Files, url: str
) -> None:
    context = _context(ours, ca=foreign.ca)
    async with http.session(tls=context, total_seconds=5) as session:
        with pytest.raises(errors.PermanentError, match="no trust"):
            await http.request_json(session, "GET", url)


async def test_a_caller_of_another_ca_is_refused(ours: Files, foreign: Files, url: str) -> None:
    context = _context(foreign, ca=ours.ca)
    async with http.session(tls=context, total_seconds=5) as session:
        with pytest.raises(errors.HeykenError):
            await http.request_json(session, "GET", url)
