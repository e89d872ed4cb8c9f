// The typed client that odata2ts generates from $metadata: it compiles, finds the package, refreshes it, and reads what
// methods return beside their return value.
import { FetchClient } from "@odata2ts/http-client-fetch";
import { HaulierService } from "./generated/HaulierService";

declare const process: { env: Record<string, string> };

const { HAULIER_URL, HAULIER_USER, HAULIER_PASSWORD, HAULIER_PACKAGE } = process.env;
const Authorization = `Basic ${btoa(`${HAULIER_USER}:${HAULIER_PASSWORD}`)}`;
const service = new HaulierService(new FetchClient({ headers: { Authorization } }), `${HAULIER_URL}/AdminService/wmi`);
const WAIT_MS = 60_000;

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

async function version(): Promise<number> {
  const { data } = await service
    .SMS_DriverPackage()
    .query((builder, q) => builder.filter(q.PackageID.eq(HAULIER_PACKAGE)).select("PackageID", "SourceVersion"));
  check(data.value.length === 1, `packages: ${data.value.length}`);
  return data.value[0].SourceVersion ?? 0;
}

async function main(): Promise<void> {
  const before = await version();
  const refreshed = await service.SMS_DriverPackage(HAULIER_PACKAGE).RefreshPkgSource();
  check(refreshed.status === 201 && refreshed.data.ReturnValue === 0, `refresh: ${JSON.stringify(refreshed.data)}`);
  const deadline = Date.now() + WAIT_MS;
  while ((await version()) === before) {
    check(Date.now() < deadline, "no new version was published");
    await new Promise((wake) => setTimeout(wake, 200));
  }
  check((await version()) === before + 1, "one refresh makes one version");

  const site = await service.SMS_Identification_GetSiteID();
  check(/^\{.*\}$/.test(site.data.SiteID ?? ""), `SiteID: ${JSON.stringify(site.data)}`);
  const made = await service.SMS_DriverPackage().create({ Name: "typed", Priority: 2 });
  const id = made.data.PackageID;
  check(made.data.Name === "typed" && typeof id === "string", "create");
  await service.SMS_DriverPackage(id).patch({ Description: "by its type" });
  const { data } = await service
    .SMS_PackageBaseclass()
    .query((builder, q) => builder.filter(q.Name.startsWith("typ").and(q.Description.eq("by its type"))).count());
  check(data["@odata.count"] === 1 && data.value[0].PackageID === id, "the base class lists it");
  await service.SMS_DriverPackage(id).delete();
}

void main();
