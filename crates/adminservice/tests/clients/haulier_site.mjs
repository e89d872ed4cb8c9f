// Where the service is, from the environment, a client for it, and how a check fails.
import assert from "node:assert/strict";
import { OData } from "@odata/client";

export const URL_ROOT = `${process.env.HAULIER_URL}/AdminService/wmi/`;
export const USER = process.env.HAULIER_USER;
export const PASSWORD = process.env.HAULIER_PASSWORD;
export const PACKAGE = process.env.HAULIER_PACKAGE;
/** The UNC path of the share with source folders, and where it lies on this machine. */
export const SHARE = process.env.HAULIER_SHARE;
export const SHARE_FOLDER = process.env.HAULIER_SHARE_FOLDER;
const WAIT_MS = 60_000;

export const client = OData.New4({
  serviceEndpoint: URL_ROOT,
  credential: { username: USER, password: PASSWORD },
});

/** One instance by its key: this route answers with a list of one. */
export async function one(set, key) {
  const answer = await client.getEntitySet(set).retrieve(key);
  assert.equal(answer.value?.length, 1, `${set} ${JSON.stringify(key)}: ${JSON.stringify(answer).slice(0, 400)}`);
  return answer.value[0];
}

/** Instances by a filter. */
export async function rows(set, filter) {
  return client.getEntitySet(set).query(filter);
}

export const where = (property) => client.newFilter().property(property);

/** A method of an instance; it must succeed. */
export async function call(set, key, method, parameters = {}) {
  const answer = await client.getEntitySet(set).action(`AdminService.${method}`, key, parameters);
  assert.equal(answer.ReturnValue, 0, `${set}.${method}: ${JSON.stringify(answer).slice(0, 400)}`);
  return answer;
}

/** A static method; it must succeed. */
export async function callStatic(name, parameters = {}) {
  const answer = await client.actionImport(name, parameters);
  assert.equal(answer.ReturnValue, 0, `${name}: ${JSON.stringify(answer).slice(0, 400)}`);
  return answer;
}

/** The SMS_ExtendedStatus of a request that must fail. The sets of the client keep the message only. */
export async function refusal(request) {
  const answer = await client.newRequest(request);
  assert.ok(answer.error, `a refusal was expected: ${JSON.stringify(answer).slice(0, 400)}`);
  return answer.error.innererror.SMS_ExtendedStatus;
}

/** Polls, as scripts do, until what is read is accepted. */
export async function until(what, read, accept) {
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    const seen = await read();
    if (accept(seen)) return seen;
    assert.ok(Date.now() < deadline, `${what}: still ${JSON.stringify(seen)} after ${WAIT_MS} ms`);
    await new Promise((wake) => setTimeout(wake, 200));
  }
}
