// Detail records and reports, looked up by the SDK.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import Telnyx from "telnyx";
import { PROFILE, US, startSandbox, waitFor } from "./support.mjs";

/** @type {Awaited<ReturnType<typeof startSandbox>>} */
let sandbox;
/** @type {Telnyx} */
let client;

before(async () => {
  sandbox = await startSandbox();
  client = sandbox.connect();
  await sandbox.turn({ t_sent: 0.05, t_finalized: 0.1 });
});

after(() => sandbox.stop());

beforeEach(async () => {
  await sandbox.turn({ quota: 100000, unknown_record_filter: null });
  await sandbox.control("DELETE", "ledger");
});

const send = async (to, more = {}) => (await client.messages.send({
  from: US, to, text: "x", messaging_profile_id: PROFILE, ...more,
})).data;

async function found(filter = {}, more = {}) {
  const rows = [];
  const pages = client.detailRecords.list({ filter: { record_type: "messaging", ...filter },
    ...more });
  for await (const row of pages) rows.push(row);
  return rows;
}

const refused = (call) => call.then(() => assert.fail("it was let through"), (error) => error);

describe("detailRecords", () => {
  test("tell what became of a message", async () => {
    const url = "http://127.0.0.1:9/hooks?ref=abc";
    const message = await send("+13125550002", { webhook_url: url });
    const row = await waitFor(async () => {
      const [one] = await found({ uuid: message.id, status: "delivered" });
      return one;
    }, "the record");
    assert.equal(row.record_type, "message_detail_record");
    assert.equal(row.uuid, message.id);
    assert.equal(row.direction, "outbound");
    assert.equal(row.message_type, "SMS");
    assert.equal(row.cli, US);
    assert.equal(row.cld, "+13125550002");
    assert.equal(row.parts, 1);
    assert.equal(row.currency, "USD");
    assert.deepEqual(row.errors, []);
    assert.equal(row.profile_id, PROFILE);
    assert.equal(row.delivery_status_webhook_url, url);
    assert.equal(Number(row.cost), Number(message.cost.amount));
    assert.ok(Date.parse(row.created_at) <= Date.parse(row.sent_at));
    await sandbox.typed("Page<MessageRow>",
      client.detailRecords.list({ filter: { record_type: "messaging" } }));
  });

  test("of one that has just been sent are of the same type", async () => {
    await sandbox.turn({ t_sent: 60, t_finalized: 60 });
    await send("+13125550002");
    await sandbox.typed("Page<MessageRow>",
      client.detailRecords.list({ filter: { record_type: "messaging" } }));
    await sandbox.turn({ t_sent: 0.05, t_finalized: 0.1 });
  });

  test("of failures and of what people write are of the same type", async () => {
    const failed = await send("+15550040008");
    await waitFor(async () => (await found({ status: "failed" })).length > 0, "the failure");
    const [row] = await found({ uuid: failed.id });
    assert.deepEqual(row.errors, ["40008"]);
    await sandbox.control("POST", "reply", { from: "+447400123456", to: US, text: "Hello" });
    const [inbound] = await found({ direction: "inbound" });
    assert.equal(inbound.cli, "+447400123456");
    assert.equal(inbound.cld, US);
    assert.equal(inbound.status, "received");
    await sandbox.typed("Page<MessageRow>",
      client.detailRecords.list({ filter: { record_type: "messaging" } }));
  });

  test("come in pages of at most fifty, in the order that is asked for", async () => {
    for (let i = 10; i < 65; i += 1) await send(`+131255501${i}`);
    const page = await client.detailRecords.list({ filter: { record_type: "messaging" },
      "page[size]": 250 });
    assert.equal(page.data.length, 50);
    assert.equal(page.meta.total_pages, 2);
    const rows = await found({}, { "page[size]": 20, sort: ["created_at"] });
    assert.deepEqual(rows.map((row) => row.cld),
      Array.from({ length: 55 }, (_, i) => `+131255501${i + 10}`));
    const back = await found({}, { sort: ["-created_at"] });
    assert.deepEqual(back.map((row) => row.uuid), rows.map((row) => row.uuid).reverse());
  });

  test("are found by any field, by a part of a number, and by time", async () => {
    await send("+13125550002");
    await send("+13125550003");
    await send("+447400123456", { text: "Ж" });
    const count = async (filter) => (await found(filter)).length;
    assert.equal(await count({ cld: "+13125550003" }), 1);
    assert.equal(await count({ cld: { starts_with: "+1312" } }), 2);
    assert.equal(await count({ cld: { ends_with: "3456" } }), 1);
    assert.equal(await count({ cld: { contains: "555000" } }), 2);
    assert.equal(await count({ cli: US, profile_id: PROFILE, direction: "outbound" }), 3);
    assert.equal(await count({ date_range: "today" }), 3);
    assert.equal(await count({ date_range: "yesterday" }), 0);
    const hour = (n) => new Date(Date.now() + n * 3600000).toISOString();
    assert.equal(await count({ created_at: { gte: hour(-1), lt: hour(1) } }), 3);
    assert.equal(await count({ created_at: { gte: hour(1) } }), 0);
  });

  test("a filter that is not known finds nothing, and nobody says so", async () => {
    await send("+13125550002");
    assert.deepEqual(await found({ to: "+13125550002" }), []);
  });

  test("or is refused, as the SDK's words have it", async () => {
    await sandbox.turn({ unknown_record_filter: "400" });
    const error = await refused(found({ to: "+13125550002" }));
    assert.ok(error instanceof Telnyx.BadRequestError, error);
    assert.equal(error.error.errors[0].code, "10011");
  });

  test("another kind of record is refused", async () => {
    for (const filter of [{ record_type: "message_detail_record" }, undefined]) {
      const error = await refused(client.detailRecords.list({ filter }));
      assert.ok(error instanceof Telnyx.BadRequestError, error);
      assert.equal(error.error.errors[0].code, "10011");
    }
  });

  test("too many searches are refused until the minute is over", async () => {
    await sandbox.turn({ quota: 0 });
    const error = await refused(
      client.detailRecords.list({ filter: { record_type: "messaging" } }));
    assert.ok(error instanceof Telnyx.RateLimitError, error);
    assert.equal(error.error.errors[0].code, "10011");
    assert.match(error.headers.get("x-ratelimit-limit"), /^0, 0;w=60$/);
    assert.equal(error.headers.get("retry-after"), null);
    const reset = Number(error.headers.get("x-ratelimit-reset"));
    assert.ok(reset >= 0 && reset <= 60, reset);
  });
});

describe("reports.listMdrs", () => {
  test("tell the same in their own words", async () => {
    const message = await send("+13125550002");
    await send("+15550040008");
    await waitFor(async () => (await client.reports.listMdrs({ status: "DELIVERED" }))
      .data.length > 0 && (await client.reports.listMdrs({ status: "FAILED" })).data.length > 0,
      "the ends");
    const { data } = await sandbox.typed("Telnyx.ReportListMdrsResponse",
      client.reports.listMdrs({ id: message.id }));
    assert.equal(data.length, 1);
    const [row] = data;
    assert.equal(row.id, message.id);
    assert.equal(row.record_type, "mdr_report");
    assert.equal(row.status, "DELIVERED");
    assert.equal(row.cld, "+13125550002");
    assert.equal(row.message_type, "SMS");
    const count = async (query) => (await client.reports.listMdrs(query)).data.length;
    assert.equal(await count(), 2);
    assert.equal(await count({ direction: "OUTBOUND", cli: US, message_type: "SMS" }), 2);
    assert.equal(await count({ direction: "INBOUND" }), 0);
    assert.equal(await count({ start_date: "2100-01-01" }), 0);
    const error = await refused(client.reports.listMdrs({ start_date: "never" }));
    assert.ok(error instanceof Telnyx.BadRequestError, error);
    assert.equal(error.error.errors[0].code, "10011");
  });
});
