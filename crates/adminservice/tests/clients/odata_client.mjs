// @odata/client: the workflows of driver scripts, one after the other on one site: a driver is imported (A), a package
// is made (B), the driver goes into it (C), the package to a distribution point (D), it is refreshed (E) and watched
// (F); the driver is disabled (G) and taken out (H), the source moves (I), platforms and categories are edited (J).
import assert from "node:assert/strict";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PACKAGE, SHARE, SHARE_FOLDER, call, callStatic, client, one, refusal, rows, until, where } from "./haulier_site.mjs";

const CONTENT_IN_PACKAGE = 1078462229;
const driverSet = client.getEntitySet("SMS_Driver");
const packageSet = client.getEntitySet("SMS_DriverPackage");
const version = async (id) => (await one("SMS_DriverPackage", id)).SourceVersion;

// A: import a driver; a second import is refused with what finds the first.
const importOf = { DriverPath: `${SHARE}\\net`, INFFile: "net.inf" };
const drafted = (await callStatic("SMS_Driver.CreateFromINF", importOf)).Driver;
const name = /<DisplayName[^>]* Text="([^"]*)"/.exec(drafted.SDMPackageXML)[1];
const made = await driverSet.create({
  SDMPackageXML: drafted.SDMPackageXML,
  ContentSourcePath: drafted.ContentSourcePath,
  IsEnabled: true,
  LocalizedInformation: [
    { "@odata.type": "#AdminService.SMS_CI_LocalizedProperties", LocaleID: 1033, DisplayName: name, Description: "" },
  ],
});
assert.ok(made.CI_ID > 0, JSON.stringify(made).slice(0, 400));
const driver = await one("SMS_Driver", made.CI_ID);
assert.equal(driver.LocalizedDisplayName, name);
const twice = await refusal({ method: "POST", actionName: "SMS_Driver.CreateFromINF", parameters: importOf });
assert.equal(twice.ErrorCode, 183);
const known = await rows("SMS_Driver", where("CI_UniqueID").eqString(twice.ObjectInfo.replaceAll("\\", "/")));
assert.deepEqual(known.map((row) => row.CI_ID), [made.CI_ID]);

// B: make a package of an empty folder, after asking whether the folder will do.
mkdirSync(join(SHARE_FOLDER, "package"));
const source = `${SHARE}\\package`;
assert.equal((await callStatic("SMS_DriverPackage.CheckSourceFolder", { SourceFolder: source })).Result, 0);
const created = await packageSet.create({ Name: "Scenario", Description: "", PkgSourceFlag: 2, PkgSourcePath: source });
const id = created.PackageID;
assert.equal(created["@odata.etag"], id);
writeFileSync(join(SHARE_FOLDER, "package", "readme.txt"), "what is here beside drivers");
assert.equal((await packageSet.find({ Name: "Scenario" }))[0].PackageID, id);
assert.equal(await packageSet.count(where("PackageID").eqString(id)), 1);

// C: the driver's content goes into the package; once more is an error that scripts take for success.
const contents = await rows("SMS_CIToContent", where("CI_ID").eq(made.CI_ID));
const ids = contents.map((row) => row.ContentID);
assert.ok(ids.length > 0, "the driver has content");
const add = { ContentIDs: ids, ContentSourcePath: [driver.ContentSourcePath], bRefreshDPs: false };
await call("SMS_DriverPackage", id, "AddDriverContent", add);
const addAgain = { collection: "SMS_DriverPackage", method: "POST", id, actionName: "AdminService.AddDriverContent" };
const again = await refusal({ ...addAgain, parameters: add });
assert.equal(again.ErrorCode, CONTENT_IN_PACKAGE);
assert.equal((await rows("SMS_PackageToContent", where("PackageID").eqString(id))).length, ids.length);

// D: to one distribution point by an instance, to the other by the method.
const points = await rows("SMS_SystemResourceList", where("RoleName").eqString("SMS Distribution Point"));
assert.equal(points.length, 2);
const [near, far] = points;
const assignment = { PackageID: id, ServerNALPath: near.NALPath, SiteCode: near.SiteCode };
assert.equal((await client.getEntitySet("SMS_DistributionPoint").create(assignment)).PackageID, id);
await call("SMS_DriverPackage", id, "AddDistributionPoints", { SiteCode: [far.SiteCode], NALPath: [far.NALPath] });
// Or to a group, which sends what it is given to its members.
const group = (await client.getEntitySet("SMS_DistributionPointGroup").create({ Name: "Scenario" })).GroupID;
const members = { DPNALPath: [near.NALPath, far.NALPath], AddTargetedPackages: true };
await call("SMS_DistributionPointGroup", group, "AddDistributionPoints", members);
await call("SMS_DistributionPointGroup", group, "AddPackages", { PackageIDs: [id] });
assert.deepEqual((await rows("SMS_DPGroupPackages", where("GroupID").eqString(group))).map((row) => row.PkgID), [id]);
assert.equal((await rows("SMS_DPGroupMembers", where("GroupID").eqString(group))).length, 2);

// E: refresh; an empty folder makes no version, so the first one comes now. Then one call, one version, and only one
// distribution point is sent the same again.
await call("SMS_DriverPackage", id, "RefreshPkgSource");
const first = await until("the first version", () => one("SMS_DriverPackage", id), (seen) => seen.SourceDate !== null);
const before = first.SourceVersion;
await call("SMS_DriverPackage", id, "RefreshPkgSource");
const after = await until("the refresh", () => version(id), (seen) => seen > before);
assert.equal(after, before + 1);
// URL parsers turn a bare backslash into a slash, so in a key it is encoded.
const assignmentKey = { ...assignment, ServerNALPath: encodeURIComponent(near.NALPath) };
await client.getEntitySet("SMS_DistributionPoint").update(assignmentKey, { RefreshNow: true });
// All of a group are sent it again by one call.
await call("SMS_DistributionPointGroup", group, "ReDistributePackage", { PackageID: [id] });

// F: watch. No distribution point runs here, so both wait for what the package has.
const states = await rows("SMS_PackageStatusDistPointsSummarizer", where("PackageID").eqString(id));
assert.deepEqual(states.map((row) => row.State), [1, 1]);
assert.deepEqual(new Set(states.map((row) => row.ServerNALPath)), new Set(points.map((row) => row.NALPath)));

// G: disable and enable.
for (const IsEnabled of [false, true]) {
  await driverSet.update(made.CI_ID, { IsEnabled });
  assert.equal((await one("SMS_Driver", made.CI_ID)).IsEnabled, IsEnabled);
}

// H: take the driver's content out again, which refreshes.
await call("SMS_DriverPackage", id, "RemoveDriverContent", { ContentIDs: ids, bRefreshDPs: true });
assert.deepEqual(await rows("SMS_PackageToContent", where("PackageID").eqString(id)), []);
await until("the removal", () => version(id), (seen) => seen === after + 1);

// I: move another package's source.
await until("the first version", () => version(PACKAGE), (seen) => seen >= 1);
cpSync(join(SHARE_FOLDER, "dell"), join(SHARE_FOLDER, "moved"), { recursive: true });
await call("SMS_DriverPackage", PACKAGE, "ValidateNewPackageSource", { PackageSource: `${SHARE}\\moved` });
await packageSet.update(PACKAGE, { PkgSourcePath: `${SHARE}\\moved` });
assert.equal((await one("SMS_DriverPackage", PACKAGE)).PkgSourcePath, `${SHARE}\\moved`);

// J: a platform more, and a category.
const platforms = await rows("SMS_SupportedPlatforms");
const now = await one("SMS_Driver", made.CI_ID);
const platform = platforms.find((row) => !now.PlatformCategoryInstance_UniqueIDs.includes(row.CI_UniqueID));
const condition =
  `<PlatformApplicabilityCondition DisplayName="${platform.DisplayText}" MaxVersion="${platform.OSMaxVersion}" ` +
  `MinVersion="${platform.OSMinVersion}" Name="${platform.OSName}" Platform="${platform.OSPlatform}">` +
  `<Query1/><Query2/></PlatformApplicabilityCondition></PlatformApplicabilityConditions>`;
const xml = now.SDMPackageXML.replace("</PlatformApplicabilityConditions>", condition);
const raised = xml.replace(` Version="${now.CIVersion}"`, ` Version="${now.CIVersion + 1}"`);
await driverSet.update(made.CI_ID, { SDMPackageXML: raised });
assert.ok((await one("SMS_Driver", made.CI_ID)).PlatformCategoryInstance_UniqueIDs.includes(platform.CI_UniqueID));
const category = await client.getEntitySet("SMS_CategoryInstance").create({
  CategoryInstance_UniqueID: "DriverCategories:1b1b1b1b-0000-4000-8000-000000000001",
  CategoryTypeName: "DriverCategories",
  SourceSite: "PS1",
  LocalizedInformation: [{ CategoryInstanceName: "Scenario", LocaleID: 1033 }],
});
assert.ok(category.CategoryInstance_UniqueID, JSON.stringify(category).slice(0, 400));
await driverSet.update(made.CI_ID, { CategoryInstance_UniqueIDs: [category.CategoryInstance_UniqueID] });
assert.deepEqual((await one("SMS_Driver", made.CI_ID)).LocalizedCategoryInstanceNames, ["Scenario"]);

// The rest of G: what was made is deleted.
await client.getEntitySet("SMS_DistributionPoint").delete(assignmentKey);
await packageSet.delete(id);
await driverSet.delete(made.CI_ID);
assert.equal((await refusal({ collection: "SMS_DriverPackage", method: "GET", id })).StatusCode, 0x80041002);
assert.deepEqual(await packageSet.find({ PackageID: id }), []);
assert.deepEqual(await rows("SMS_Driver", where("CI_ID").eq(made.CI_ID)), []);
