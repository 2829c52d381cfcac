"""The stack's own authority makes a certificate anew when it is asked for another name, and else keeps it."""

from pathlib import Path

from cryptography import x509

from lakehouse.stack.certificates import ensure


def names(file: Path) -> set[str]:
    found = x509.load_pem_x509_certificate(file.read_bytes())
    hosts = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(one.value) for one in hosts}


def test_without_further_hosts_a_certificate_is_for_loopback(tmp_path: Path) -> None:
    assert names(ensure(tmp_path).server) == {"127.0.0.1", "::1", "localhost"}


def test_a_further_host_makes_certificates_anew_under_the_same_authority(tmp_path: Path) -> None:
    first = ensure(tmp_path)
    authority, server = first.authority.read_bytes(), first.server.read_bytes()
    assert ensure(tmp_path).server.read_bytes() == server
    second = ensure(tmp_path, ["trino", "10.0.0.7"])
    assert second.authority.read_bytes() == authority
    assert names(second.server) == names(second.internal) == {"127.0.0.1", "::1", "localhost", "trino", "10.0.0.7"}
    server = second.server.read_bytes()
    assert ensure(tmp_path, ["trino", "10.0.0.7"]).server.read_bytes() == server
    assert ensure(tmp_path).server.read_bytes() == server
