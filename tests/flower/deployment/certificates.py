"""Certificates and keys of a deployment on one machine, made anew for each test."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=1)


def write_certificates(folder):
    """``ca.crt``, and ``server.crt`` and ``server.key`` for 127.0.0.1. The CA's key is dropped."""
    folder.mkdir(mode=0o700)
    authority_key, server_key = _new_key(), _new_key()
    authority = _name("veilsum test authority")
    usage = {"key_cert_sign": True, "crl_sign": True}
    certificate = (
        _builder(authority, authority, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(**usage), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    (folder / "ca.crt").write_bytes(_pem(certificate))
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        _builder(_name("127.0.0.1"), authority, server_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(signer, critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    (folder / "server.crt").write_bytes(_pem(certificate))
    _write_private(folder / "server.key", server_key, serialization.PrivateFormat.PKCS8)


def write_node_key(folder):
    """``auth`` and ``auth.pub``, as ``ssh-keygen -t ecdsa -b 384`` makes them."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = _new_key()
    _write_private(folder / "auth", key, serialization.PrivateFormat.OpenSSH)
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    (folder / "auth.pub").write_bytes(public + b"\n")


def _new_key():
    return ec.generate_private_key(ec.SECP384R1())


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject, issuer, public_key):
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LIFETIME)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(**usage):
    names = "digital_signature content_commitment key_encipherment data_encipherment key_agreement"
    names += " key_cert_sign crl_sign encipher_only decipher_only"
    return x509.KeyUsage(**{name: usage.get(name, False) for name in names.split()})


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_private(path, key, private_format):
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, private_format, serialization.NoEncryption())
    )
