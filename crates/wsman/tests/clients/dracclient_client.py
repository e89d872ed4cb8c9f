"""python-dracclient: finds drivers, packages and contents by WQL over several pulls, and calls their methods. It creates
and changes nothing itself, so the workflows are those of a package that is there."""

from dracclient.wsman import Client

from wsman_site import HOST, MICROSOFT, N, PACKAGE, PASSWORD, PORT, URL, USER, W, equal, members, true, until

client = Client(HOST, USER, PASSWORD, port=int(PORT), protocol=URL.split(":")[0], ssl_retries=1)


def rows(query, elements=3):
    answer = client.enumerate(MICROSOFT + "*", max_elems=elements, filter_query=query, filter_dialect="wql")
    # The client has put the items of every pull into those of the first answer.
    true(answer.find(f".//{N}Items") is None, "items of a pull stand alone")
    return [members(item) for item in answer.find(f".//{W}Items")]


def call(method, **parameters):
    uri = MICROSOFT + "SMS_DriverPackage"
    given = {name: value if isinstance(value, list) else str(value) for name, value in parameters.items()}
    answer = client.invoke(uri, method, {"PackageID": PACKAGE}, given)
    found = answer.find(f".//{{{uri}}}ReturnValue")
    equal(found is not None and found.text, "0", method)


def package():
    (found,) = rows(f"SELECT * FROM SMS_DriverPackage WHERE PackageID = '{PACKAGE}'")
    return found


everything = rows("SELECT * FROM SMS_SupportedPlatforms", 2)
equal(len(everything), len(rows("SELECT * FROM SMS_SupportedPlatforms", 1000)), "platforms by two at a time")
before = int(package()["SourceVersion"])
call("RefreshPkgSource")
after = until("the refresh", lambda: int(package()["SourceVersion"]), lambda seen: seen > before)
equal(after, before + 1, "SourceVersion after one refresh")
points = rows("SELECT * FROM SMS_SystemResourceList WHERE RoleName = 'SMS Distribution Point'")
(free,) = [point for point in points if "dp2" in point["NALPath"]]
call("AddDistributionPoints", SiteCode=[free["SiteCode"]], NALPath=[free["NALPath"]])
states = rows(f"SELECT * FROM SMS_PackageStatusDistPointsSummarizer WHERE PackageID = '{PACKAGE}'")
equal([row["State"] for row in states], ["1", "1"], "the states")
