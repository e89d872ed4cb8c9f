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
AUTHORITY = os.environ["HAULIER_AUTHORITY"]
NAMESPACE = "root/sms/site_PS1"
REFRESH_TIME_S = 60


def equal(seen, expected, what):
    if seen != expected:
        sys.exit(f"{what}: expected {expected!r}, got {seen!r}")


def true(condition, what):
    if not condition:
        sys.exit(what)


def refused(code, call, what):
    """The CIM error with that code, which the call must raise."""
    import pywbem

    try:
        call()
    except pywbem.CIMError as error:
        equal(error.status_code, code, f"{what} ({error.status_description})")
        return error
    sys.exit(f"{what}: was not refused")


def wait_for(wanted, read, what):
    """Polls, as scripts do, until the site has done its work."""
    deadline = time.monotonic() + REFRESH_TIME_S
    while (seen := read()) != wanted:
        true(time.monotonic() < deadline, f"{what}: {wanted!r} was not seen in {REFRESH_TIME_S} s, but {seen!r}")
        time.sleep(0.3)


def folder(name):
    path = os.path.join(SHARE_FOLDER, name)
    os.makedirs(path, exist_ok=True)
    return f"{SHARE}\\{name}"


def connection(**options):
    import pywbem

    return pywbem.WBEMConnection(URL, (USER, PASSWORD), default_namespace=NAMESPACE, **options)
