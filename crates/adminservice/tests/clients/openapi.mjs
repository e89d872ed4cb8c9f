// The OASIS converters: $metadata must be CSDL that the strict reader takes without a word, and becomes the OpenAPI
// description that schemathesis works from.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { xml2json } from "odata-csdl";
import { csdl2openapi } from "odata-openapi";

const [metadata, output] = process.argv.slice(2);
const messages = [];
const csdl = xml2json(readFileSync(metadata, "utf8"), { strict: true, messages });
assert.deepEqual(messages, []);
assert.equal(csdl.AdminService.SMS_DriverPackage.$BaseType, "AdminService.SMS_PackageBaseclass");
assert.equal(csdl.AdminService.RefreshPkgSource[0].$IsBound, true);

const openapi = csdl2openapi(csdl, { messages, scheme: "http", host: new URL(process.env.HAULIER_URL).host, basePath: "/AdminService/wmi" });
assert.deepEqual(messages, []);
const refresh = "/SMS_DriverPackage('{PackageID}')/AdminService.RefreshPkgSource";
assert.ok(openapi.paths[refresh]?.post, Object.keys(openapi.paths).join(" "));
writeFileSync(output, JSON.stringify(openapi));
