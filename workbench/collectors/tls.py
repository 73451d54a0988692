"""TLS as every wire here wants it: checked by default, and no plain text beyond this machine unless it was asked for."""

from __future__ import annotations

import ssl

from workbench.collectors.source import TlsOptions
from workbench.errors import SourceError

_LOOPBACK = ("127.", "::1", "localhost")


def server_context(
    options: TlsOptions, host: str, plain_text_allowed: bool, where: str
) -> ssl.SSLContext | None:
    """The context to listen with; None for plain text, which only loopback may speak unless it is allowed.

    Raises:
        SourceError: plain text to other machines, or certificates that cannot be used.
    """
    if not options.certificate:
        if not host.startswith(_LOOPBACK) and not plain_text_allowed:
            raise SourceError(
                f"Listening on {host} without TLS lets everybody on the way read and write.",
                where=where,
                cure="Give tls.certificate and tls.key, or say plain_text_allowed: true behind a TLS proxy.",
                code="source_plain_text",
            )
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(options.certificate, options.key or None)
        if options.ca:
            context.load_verify_locations(options.ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise SourceError(
            f"The certificates cannot be used: {error}.", where=where, cure="Check the files named under tls."
        ) from None
    return context


def client_context(options: TlsOptions, where: str) -> ssl.SSLContext:
    """The context to connect with: the other side's certificate and name are checked. Raises ``SourceError``."""
    try:
        context = ssl.create_default_context(cafile=options.ca or None)
        if options.certificate:
            context.load_cert_chain(options.certificate, options.key or None)
    except (OSError, ssl.SSLError) as error:
        raise SourceError(
            f"The certificates cannot be used: {error}.", where=where, cure="Check the files named under tls."
        ) from None
    return context


def common_name(certificate: object) -> str:
    """The common name of a peer's certificate as ``ssl`` gives it; empty when there is none."""
    if isinstance(certificate, dict):
        for group in certificate.get("subject", ()):
            for name, value in group:
                if name == "commonName":
                    return str(value)
    return ""
