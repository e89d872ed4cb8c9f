"""wsmanio: finds packages and platforms by WQL, the package by its key, and refreshes it by a method of the object."""

import asyncio
import os
import sys

from wsmanio import CimClient

from wsman_site import NAMESPACE, PACKAGE, PASSWORD, REFRESH_TIME_S, URL, USER, equal, true


async def main():
    async with CimClient(f"{URL}/wsman", USER, PASSWORD) as client:
        site = client.namespace(NAMESPACE)

        async def rows(query):
            return await (await site.query(query)).all()

        (found,) = await rows(f"SELECT * FROM SMS_DriverPackage WHERE PackageID = '{PACKAGE}'")
        package = site.SMS_DriverPackage(PackageID=PACKAGE)
        before = await package.get()
        equal((before.PackageID, before.Name), (found.PackageID, found.Name), "the package")
        true(len(await rows("SELECT * FROM SMS_SupportedPlatforms")) > 10, "platforms in several pulls")
        equal((await package.RefreshPkgSource()).return_value, 0, "RefreshPkgSource")
        for _ in range(REFRESH_TIME_S * 3):
            if int((await package.get()).SourceVersion) == int(before.SourceVersion) + 1:
                return
            await asyncio.sleep(0.3)
        sys.exit("no version was published")


asyncio.run(main())
sys.stdout.flush()
# Threads of the client may be about when the interpreter ends, which does not like that.
os._exit(0)
