"""Tries both commands of the README on a bare Debian: `make run` must answer, `make test` must pass.

    python -m benchmarks.bare [--keep ROOT]

Makes a root directory with debootstrap (needs root): the smallest variant with python3, python3-venv,
make, git and ca-certificates, and nothing else. Packages come from the mirror that this machine's apt
uses, Python's from where this machine's pip finds them. `--keep` names a root that is used again.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.support.programs import free_port

ROOT = Path(__file__).resolve().parents[1]
SUITE = "bookworm"
PACKAGES = "python3,python3-venv,make,git,ca-certificates"
PASSED_ON = re.compile(r"^(PIP_|SSL_|REQUESTS_CA_BUNDLE|https?_proxy|no_proxy)", re.IGNORECASE)
PIP_FILES = ("/etc/pip.conf", "/etc/xdg/pip/pip.conf", "/etc/xdg/pip/constraints.txt")
PIP_FILES += ("~/.config/pip/pip.conf", "~/.pip/pip.conf")
NAMES_AND_CERTIFICATES = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt")
READY_WITHIN = 900  # seconds; the first command installs everything
# The mounts are in a namespace of their own, and end with it: afterwards nothing is mounted below the root.
ENTER = """
set -e
root=$1 command=$2
shift 2
mount -t proc proc "$root/proc"
mkdir -p "$root/dev/shm"
mount -t tmpfs shm "$root/dev/shm"
for directory; do
    mkdir -p "$root$directory"
    mount -o bind,ro "$directory" "$root$directory"
done
exec chroot "$root" sh -c "cd /candid && exec $command"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--keep", type=Path, help="a root directory to use again, or to make and keep")
    options = parser.parse_args()
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        sys.exit("This needs root's rights, and debootstrap.")
    place = options.keep or Path(tempfile.mkdtemp(prefix="candid-bare-"))
    try:
        make_root(place)
        copy_project(place)
        answered = try_run(place)
        summary = try_tests(place)
    finally:
        if not options.keep:
            shutil.rmtree(place, ignore_errors=True)
    print(f"On a bare Debian make run answered ({answered}), and make test ended with: {summary}.")


def make_root(place: Path) -> None:
    if not (place / "usr/bin/make").exists():
        print(f"Making a bare {SUITE} in {place} …", flush=True)
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(place), mirror()]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    place.chmod(0o755)  # it is `/` for the user that PostgreSQL runs as
    for name in (*NAMES_AND_CERTIFICATES, *(name for name in PIP_FILES if name.startswith("/"))):
        copy(Path(name), place / name.lstrip("/"))
    for name in PIP_FILES:
        if name.startswith("~"):
            copy(Path(name).expanduser(), place / name.replace("~", "root"))


def mirror() -> str:
    """The first archive that this machine's apt asks."""
    places = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    text = "\n".join(place.read_text() for place in places if place.is_file())
    if address := re.search(r"^(?:URIs:|deb(?: \[[^]]*\])?)\s+(\S+/debian/?)\s*(?:\s|$)", text, re.MULTILINE):
        return address[1]
    sys.exit("No Debian archive in /etc/apt/sources.list or sources.list.d.")


def package_directories() -> list[Path]:
    """Directories of this machine in which its pip looks for packages."""
    answer = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True)
    words = re.findall(r"(?:file://)?/[^\s'\"\\]+", answer.stdout)
    paths = [Path(unquote(urlsplit(word).path)) for word in words]
    # An index (`simple`) refers to the files beside it.
    places = {path.parent if path.name == "simple" else path for path in paths if path.is_dir()}
    return sorted(places - {Path("/")})


def copy(source: Path, target: Path) -> None:
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def copy_project(place: Path) -> None:
    """Copy the files that git tracks, as they are in this checkout."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, names.stdout.split("\0")):
        if (ROOT / name).is_file():
            (place / "candid" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place / "candid" / name)


@contextmanager
def inside(place: Path, command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command in the root directory, in a namespace that ends with it."""
    environment = {name: value for name, value in os.environ.items() if PASSED_ON.match(name)}
    environment |= {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    running = subprocess.Popen(
        [*unshare, "sh", "-c", ENTER, "enter", str(place), command, *package_directories()],
        env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def try_run(place: Path) -> str:
    """Run `make run` and ask each port. Returns the addresses that answered."""
    web, otlp, grpc = free_port(), free_port(), free_port()
    ports = f"--port {web} --otlp-port {otlp} --grpc-port {grpc}"
    with inside(place, f"make run ARGS='{ports}'") as running:
        limit = threading.Timer(READY_WITHIN, running.kill)
        limit.daemon = True
        limit.start()
        assert running.stdout
        for line in running.stdout:
            print(line, end="", flush=True)
            if "Candid is ready" in line:
                break
        else:
            sys.exit("make run ended before it was ready.")
        addresses = [f":{web}/health", f":{web}/ready", f":{web}/privacy/", f":{otlp}/health"]
        for address in addresses:
            until_answered(f"http://127.0.0.1{address}")
    return ", ".join(address.partition("/")[2] for address in addresses)


def until_answered(address: str) -> None:
    """Wait for a 200: `/ready` needs beat's first tick, which comes within a minute."""
    for _attempt in range(90):
        try:
            with urllib.request.urlopen(address, timeout=10):
                return
        except OSError:
            time.sleep(1)
    sys.exit(f"{address} does not answer.")


def try_tests(place: Path) -> str:
    """Run the whole suite. Returns pytest's last line."""
    with inside(place, "make test") as running:
        assert running.stdout
        last = ""
        for line in running.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
        if running.wait() != 0:
            sys.exit(f"make test failed: {last}")
    return last.strip("= ")


if __name__ == "__main__":
    main()
