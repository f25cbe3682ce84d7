"""Whether a port can be listened on, and whether a program answers on it."""

import errno
import socket
import urllib.error
import urllib.request


def port_problem(host: str, port: int) -> str:
    """Why this port cannot be listened on, '' when it can."""
    if not 0 < port < 65536:
        return "is no port number"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: "is already in use by another program",
            errno.EACCES: "may be used by root only",
        }
        return reasons.get(error.errno or 0, f"cannot be listened on at {host} ({error.strerror})")
    return ""


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as response:  # noqa: S310  (our own address)
            return bool(response.status == 200)
    except urllib.error.HTTPError:
        return True  # it answers, if not to this host name (ALLOWED_HOSTS)
    except OSError:
        return False


def speaks_http2(host: str, port: int) -> bool:
    """Whether a gRPC server answers; without gRPC, whose threads must not be in a process that forks."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"  # and empty SETTINGS
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.sendall(preface)
            return connection.recv(4)[3:] == b"\4"  # its own SETTINGS
    except OSError:
        return False
