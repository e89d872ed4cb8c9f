"""Where the service is, from the environment, and how a check fails."""

import os
import sys
import time

URL = os.environ["HAULIER_URL"].rstrip("/")
USER = os.environ["HAULIER_USER"]
PASSWORD = os.environ["HAULIER_PASSWORD"]
PACKAGE = os.environ["HAULIER_PACKAGE"]
# The UNC path of the share with source folders, and where it lies on this machine.
SHARE = os.environ["HAULIER_SHARE"]
SHARE_FOLDER = os.environ["HAULIER_SHARE_FOLDER"]
ROOT = URL + "/AdminService/wmi"
REFRESH_TIME_S = 60


def equal(seen, expected, what):
    if seen != expected:
        sys.exit(f"{what}: expected {expected!r}, got {seen!r}")


def true(condition, what):
    if not condition:
        sys.exit(what)


def wait_for(version, read_version):
    """Polls, as scripts do, until the package shows the version."""
    deadline = time.monotonic() + REFRESH_TIME_S
    while read_version() < version:
        true(time.monotonic() < deadline, f"version {version} was not published in {REFRESH_TIME_S} s")
        time.sleep(0.5)
    equal(read_version(), version, "SourceVersion after one refresh")
