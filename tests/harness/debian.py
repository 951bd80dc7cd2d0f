# SPDX-License-Identifier: Apache-2.0
"""The Debian package of the release build (HOLDFAST_RELEASE_DIR, build/release), and what it needs from Debian."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
RELEASE = Path(os.environ.get("HOLDFAST_RELEASE_DIR", SOURCE / "build/release"))


def why_not():
    """Why there can be none, or None."""
    if not (RELEASE / "CMakeCache.txt").exists():
        return f"{RELEASE} is no build (cmake --preset release && cmake --build --preset release)"
    return None if shutil.which("file") else "cpack wants file(1)"


def build():
    """The package of the sources as they are; its file."""
    with (RELEASE / "package.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for old in RELEASE.glob("*.deb"):
            old.unlink()
        made = subprocess.run(["cmake", "--build", RELEASE, "--target", "package"], check=False, capture_output=True, text=True)
        if made.returncode != 0:
            raise RuntimeError(f"no package: {made.stdout}{made.stderr}")
        (deb,) = RELEASE.glob("*.deb")
        return deb


def fetch_needs(deb, status, folder):
    """Into the folder: what a machine with this dpkg status (a file) lacks of what the package needs, recommendations not."""
    archives = folder / "archives"
    (archives / "partial").mkdir(parents=True)
    quiet = {"APT::Sandbox::User": "root", "Debug::NoLocking": "1", "Dir::State::status": status, "Dir::State::extended_states": "/dev/null",
             "Dir::Cache::archives": archives, "Dir::Cache::pkgcache": "", "Dir::Cache::srcpkgcache": ""}
    options = [f"-o={k}={v}" for k, v in quiet.items()]
    command = ["apt-get", *options, "--yes", "--no-install-recommends", "--download-only", "install", str(deb)]
    got = subprocess.run(command, check=False, capture_output=True, text=True)
    if got.returncode != 0:  # the lists may be older than the mirror
        subprocess.run(["apt-get", "update", "-q"], check=True, capture_output=True)
        got = subprocess.run(command, check=False, capture_output=True, text=True)
    if got.returncode != 0:
        raise RuntimeError(f"what the package needs cannot be had: {got.stdout}{got.stderr}")
    return sorted(archives.glob("*.deb"))
