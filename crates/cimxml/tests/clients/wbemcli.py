"""sblim-wbemcli, a client in C with a parser of its own: each of its commands."""

import shutil
import subprocess

from haulier_cim import NAMESPACE, PACKAGE, PASSWORD, URL, USER, equal, true, wait_for

PROGRAM = shutil.which("wbemcli")
HOST = URL.removeprefix("http://")


def run(command, path, *more, options=(), fails=False, space=NAMESPACE):
    url = f"http://{USER}:{PASSWORD}@{HOST}/{space}" + (f":{path}" if path else "")
    done = subprocess.run([PROGRAM, command, *options, url, *more], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    said = done.stdout + done.stderr
    equal(done.returncode != 0, fails, f"{command} {path} {more}: {said}")
    return said


package = f'SMS_DriverPackage.PackageID="{PACKAGE}"'
true(package in run("ein", "SMS_DriverPackage"), "ein")
listed = run("ei", "SMS_DriverPackage", options=["-nl"])
true(f'-PackageID="{PACKAGE}"' in listed, listed)
one = run("gi", package, options=["-nl"])
true("-SourceVersion=1" in one, one)
true('-Name="' in run("gi", package, "Name", options=["-nl"]), "gi with a property")
true("-RefreshPkgSource" in run("gc", "SMS_DriverPackage", options=["-nl"]) or "PackageID" in run("gc", "SMS_DriverPackage"), "gc")
true("SMS_DriverPackage" in run("ecn", "SMS_PackageBaseclass"), "ecn")
true("SMS_DriverPackage" in run("ec", "SMS_PackageBaseclass"), "ec")
made = run("ci", 'SMS_DriverPackage.PackageID=""', 'Name="by wbemcli",PkgSourceFlag=1')
true("SMS_DriverPackage.PackageID=" in made, made)
identity = made.split('PackageID="')[1].split('"')[0]
other = f'SMS_DriverPackage.PackageID="{identity}"'
run("mi", other, 'Description="changed",Priority=1')
read = run("gi", other, options=["-nl"])
true('-Description="changed"' in read and "-Priority=1" in read, read)
run("sp", other, 'Version="7"')
true("7" in (got := run("gp", other, "Version")), f"gp: {got}")
run("di", other)
true("(6)" in run("gi", other, fails=True), "after di")
true("SMS_DistributionPointInfo" in run("ain", package), "ain")
true("SMS_DistributionPointInfo" in run("ai", package), "ai")
true("Haulier_Package" in run("rin", package), "rin")
run("ri", package)
version = 1
true("0" in run("cm", package, "RefreshPkgSource"), "cm")
wait_for(True, lambda: f"-SourceVersion={version + 1}" in run("gi", package, options=["-nl"]), "the version after RefreshPkgSource")
checked = run("cm", "SMS_DriverPackage", "CheckSourceFolder.SourceFolder=\"C:\\\\x\"")
true("1" in checked, checked)
true("(3)" in run("ei", "SMS_Site", fails=True, space="root/cimv2"), "a wrong namespace")
true("(5)" in run("ei", "SMS_Nothing", fails=True), "a wrong class")
true("CIM_ERR_NOT_FOUND" in run("gi", 'SMS_DriverPackage.PackageID="PS1FFFFF"', fails=True), "a wrong instance")
