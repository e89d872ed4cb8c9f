"""The command line of pywbemtools: what an administrator types."""

import os
import subprocess
import sys

from haulier_cim import NAMESPACE, PACKAGE, PASSWORD, URL, USER, equal, true

PROGRAM = os.path.join(os.path.dirname(sys.executable), "pywbemcli")


def run(*arguments, fails=False, space=NAMESPACE, pull="either"):
    command = [PROGRAM, "-s", URL, "-u", USER, "-p", PASSWORD, "-d", space, "--use-pull", pull, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    equal(done.returncode != 0, fails, f"{arguments}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


package = f"SMS_DriverPackage.PackageID=\"{PACKAGE}\""
for pull in ("yes", "no", "either"):
    true(PACKAGE in run("instance", "enumerate", "SMS_DriverPackage", pull=pull), f"instance enumerate, pull {pull}")
true(package in run("instance", "enumerate", "SMS_DriverPackage", "--no").replace("'", '"'), "instance enumerate --names-only")
read = run("-o", "mof", "instance", "get", package)
true(f'PackageID = "{PACKAGE}"' in read, read)
true("PkgSourcePath" in run("instance", "get", package, "--pl", "PkgSourcePath"), "a property list")
run("instance", "modify", package, "--property", "Description=from the shell")
true("from the shell" in run("instance", "get", package), "instance modify")
true("2" in run("instance", "count", "SMS_DistributionPointInfo"), "instance count")
true("ReturnValue=0" in run("instance", "invokemethod", package, "RefreshPkgSource"), "instance invokemethod")
folder = run("class", "invokemethod", "SMS_DriverPackage", "CheckSourceFolder", "-p", "SourceFolder=C:\\\\x")
true("ReturnValue=0" in folder and "Result=1" in folder, folder)
created = run("instance", "create", "SMS_DriverPackage", "--property", "Name=made", "--property", "PkgSourceFlag=1")
true("PS1000" in created, created)
identity = created[created.index("PS1000"):][:8]
run("instance", "delete", f"SMS_DriverPackage.PackageID=\"{identity}\"")
true("CIM_ERR_NOT_FOUND" in run("instance", "get", f"SMS_DriverPackage.PackageID=\"{identity}\"", fails=True), "after delete")
# `instance query` fails in the client itself (pywbemtools 1.4.1: an object is not iterable).
true("SMS_DistributionPointInfo" in run("instance", "associators", package, "--no"), "associators")
true("PackageID" in run("instance", "references", package, "--no"), "references")
true("RefreshPkgSource" in run("class", "get", "SMS_DriverPackage"), "class get")
true("SMS_DriverPackage" in run("class", "enumerate", "SMS_PackageBaseclass", "--no"), "class enumerate")
true("SMS_DriverPackage" in run("class", "tree", "SMS_PackageBaseclass"), "class tree")
true("SMS_DriverPackage" in run("class", "find", "*DriverPackage"), "class find")
true("Key" in run("qualifier", "enumerate"), "qualifier enumerate")
true("SMS_DistributionPointInfo" in run("class", "associators", "SMS_DriverPackage", "--no"), "class associators")
namespaces = run("namespace", "list")
true(NAMESPACE in namespaces and "root/interop" in namespaces, namespaces)
true("interop" in run("namespace", "interop"), "namespace interop")
true("Haulier" in run("server", "brand"), "server brand")
true("Haulier" in run("server", "info"), "server info")
run("profile", "list")
true("CIM_ERR_INVALID_CLASS" in run("instance", "enumerate", "SMS_Nothing", fails=True), "a wrong class")
true("CIM_ERR_INVALID_NAMESPACE" in run("instance", "enumerate", "SMS_Site", space="root/cimv2", fails=True), "a wrong namespace")
