"""wsmanio: every workflow through its WS-Management client, then what its CimClient reaches of them.

CimClient has queries, Get and methods; no Put, Create, Delete or Release. A parameter is one text: a list has one member, an
object cannot be sent, and one that comes back is empty. So with it the driver comes in by the import job and not by a put of
the draft (A), the package is one that is there (B), no group is made (D), nothing is enabled or disabled (G), the new source
is validated and not set (I), and platforms and categories are read and not edited (J). The client beneath it, `WSMan`, sends
any action with any body; with it goes the whole scenario."""

import asyncio
import os
import shutil
import sys
import traceback
import xml.etree.ElementTree as ET

from wsmanio import CimClient
from wsmanio.exceptions import WSManFaultError
from wsmanio.wsman import SelectorSet

import scenario
from wsman_site import (
    NAMESPACE, PACKAGE, PASSWORD, REFRESH_TIME_S, SHARE, SHARE_FOLDER, URL, USER, Cim, Refused, equal, many, true,
)


class Beneath(Cim):
    """The client beneath CimClient."""

    def __init__(self, client, loop):
        self.client, self.loop = client, loop

    def exchange(self, action, uri, selectors, body):
        keys = SelectorSet()
        for name, value in selectors.items():
            keys.add_option(name, value)
        try:
            return self.loop.run_until_complete(self.client.custom(action, uri, body, selector_set=keys))
        except WSManFaultError as fault:
            # It keeps the fault's code and texts; the provider's error object is in the answer that it read them from.
            refused = Refused(fault.__context__.response_text)
            equal(refused.code, fault.code, "the fault's code")
            raise refused from fault


async def workflows(site):
    async def rows(query):
        return await (await site.query(query)).all()

    async def call(what, **parameters):
        result = await what(**parameters)
        equal(result.return_value, 0, what.method_name)
        return {child.tag.rsplit("}", 1)[-1]: child for child in result.raw_xml}

    async def until(what, read, holds):
        for _ in range(REFRESH_TIME_S * 3):
            if holds(seen := await read()):
                return seen
            await asyncio.sleep(0.3)
        sys.exit(f"{what} took longer than {REFRESH_TIME_S} s: {seen!r}")

    async def is_refused(what, **parameters):
        try:
            await what(**parameters)
        except WSManFaultError as fault:
            return fault.provider == "SMS Provider" and "HRESULT 0x8004" in fault.reason
        return False

    package = site.SMS_DriverPackage(PackageID=PACKAGE)
    everything = await rows("SELECT * FROM SMS_SupportedPlatforms")
    true(len(everything) > 10, "platforms in several pulls")

    # A: the draft of a driver, and the driver by a job; then the draft is refused, as the driver is there.
    inf = {"DriverPath": rf"{SHARE}\net", "INFFile": "net.inf"}
    draft = (await call(site.SMS_Driver.CreateFromINF, **inf))["Driver"]
    shown = ET.fromstring(draft.find(".//{*}SDMPackageXML").text).find(".//{*}DisplayName").get("Text")
    job = (await call(site.Haulier_DriverImport.Start, Sources=rf"{SHARE}\net"))["ImportID"].text
    run = site.Haulier_DriverImport(ImportID=job)
    done = await until("the import", run.get, lambda seen: seen.StateName == "done")
    equal((done.Imported, done.Failed), ("1", "0"), "what was imported")
    (driver,) = await rows(f"SELECT * FROM SMS_Driver WHERE LocalizedDisplayName = '{shown}'")
    true(await is_refused(site.SMS_Driver.CreateFromINF, **inf), "a second import was not refused")

    # B: the package that is there, by its name and by its key.
    (found,) = await rows(f"SELECT * FROM SMS_DriverPackage WHERE Name = '{(await package.get()).Name}'")
    equal(found.PackageID, PACKAGE, "the package by its name")
    await call(site.SMS_DriverPackage.CheckSourceFolder, SourceFolder=rf"{SHARE}\net")

    # C: the driver's content goes into the package; once more is refused.
    (content,) = await rows(f"SELECT * FROM SMS_CIToContent WHERE CI_ID = {driver.CI_ID}")
    add = {"ContentIDs": content.ContentID, "ContentSourcePath": rf"{SHARE}\net", "bRefreshDPs": "false"}
    await call(package.AddDriverContent, **add)
    true(await is_refused(package.AddDriverContent, **add), "content that is there already was not refused")
    of_package = f"SELECT * FROM SMS_PackageToContent WHERE PackageID = '{PACKAGE}'"
    equal([row.ContentID for row in await rows(of_package)], [content.ContentID], "the package's content")

    # D: to the distribution point that it is not on yet.
    points = await rows("SELECT * FROM SMS_SystemResourceList WHERE RoleName = 'SMS Distribution Point'")
    (free,) = [point for point in points if "dp2" in point.NALPath]
    await call(package.AddDistributionPoints, SiteCode=free.SiteCode, NALPath=free.NALPath)

    # E and F: one call makes one version, and both distribution points, of which none runs here, wait for it.
    async def refreshed(what, before):
        def is_done(seen):
            return seen.ActionInProgress == "0" and int(seen.SourceVersion) > before

        return int((await until(what, package.get, is_done)).SourceVersion)

    before = int((await package.get()).SourceVersion)
    await call(package.RefreshPkgSource)
    after = await refreshed("the refresh", before)
    equal(after, before + 1, "SourceVersion after one refresh")
    states = await rows(f"SELECT * FROM SMS_PackageStatusDistPointsSummarizer WHERE PackageID = '{PACKAGE}'")
    equal([row.State for row in states], ["1", "1"], "the states")

    # H: the content is taken out again, which refreshes.
    await call(package.RemoveDriverContent, ContentIDs=content.ContentID, bRefreshDPs="true")
    equal(await rows(of_package), [], "the content that was taken out")
    await refreshed("the removal", after)

    # I: another folder would do as the source.
    shutil.copytree(os.path.join(SHARE_FOLDER, "dell"), os.path.join(SHARE_FOLDER, "moved"))
    await call(package.ValidateNewPackageSource, PackageSource=rf"{SHARE}\moved")

    # J: what the driver runs on is among what there is.
    mine = set(many(getattr(driver, "PlatformCategoryInstance_UniqueIDs", None)))
    strange = mine - {platform.CI_UniqueID for platform in everything}
    true(not strange, f"platforms that nobody knows: {strange}")


def main():
    loop = asyncio.new_event_loop()
    client = CimClient(f"{URL}/wsman", USER, PASSWORD)
    scenario.run(Beneath(client.resolver.client, loop), "WsmanIo", move=False)
    loop.run_until_complete(workflows(client.namespace(NAMESPACE)))


status = 1
try:
    main()
    status = 0
except SystemExit as failed:
    print(failed, file=sys.stderr)
except BaseException:
    traceback.print_exc()
# Threads of the client may be about when the interpreter ends, which does not like that.
sys.stdout.flush()
sys.stderr.flush()
os._exit(status)
