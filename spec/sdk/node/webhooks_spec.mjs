// What the sandbox signs and posts, by the SDK's own verification; what people write back; and
// which webhooks were delivered.

import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, verify } from "node:crypto";
import { after, before, beforeEach, describe, test } from "node:test";
import Telnyx from "telnyx";
import { TelnyxWebhookVerificationError } from "telnyx/lib/webhooks";
import { PROFILE, SEED, US, keep, startReceiver, startSandbox, waitFor } from "./support.mjs";

const TO = "+13125550002";

/** @type {Awaited<ReturnType<typeof startSandbox>>} */
let sandbox;
/** @type {Awaited<ReturnType<typeof startReceiver>>} */
let receiver;
/** @type {Telnyx} */
let client;

const QUICK = { t_sent: 0.1, t_finalized: 0.2, backoff: 0.05 };

before(async () => {
  sandbox = await startSandbox();
  receiver = await startReceiver();
  client = sandbox.connect();
  await sandbox.turn(QUICK);
});

after(async () => {
  await sandbox.stop();
  await receiver.stop();
});

beforeEach(() => sandbox.control("DELETE", "ledger"));

let nPaths = 0;

// A path for one message alone.
function newPath() {
  nPaths += 1;
  return `/hooks/${nPaths}?ref=of-message-${nPaths}-alone`;
}

async function sendTo(path, more = {}) {
  const { data } = await client.messages.send({
    from: US, to: TO, text: "Hello, \"Wörld\" \u{1F600}", webhook_url: receiver.origin + path,
    messaging_profile_id: PROFILE, ...more,
  });
  return data;
}

const unwrap = ({ body, headers }) => client.webhooks.unwrap(body, { headers });

const isRefused = (post) => assert.rejects(unwrap(post), TelnyxWebhookVerificationError);

// Another letter in place of the one there.
const altered = (text, at) =>
  text.slice(0, at) + (text[at] === "x" ? "y" : "x") + text.slice(at + 1);

const ofKind = (posts, kind) =>
  posts.find((post) => JSON.parse(post.body).data.event_type === kind);

describe("the public key", () => {
  test("is that of the seed, in both forms", async () => {
    const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
    const key = createPrivateKey({ key: Buffer.concat([prefix, SEED]), format: "der",
      type: "pkcs8" });
    const der = createPublicKey(key).export({ format: "der", type: "spki" });
    const shown = await sandbox.control("GET", "public_key");
    assert.equal(shown.public_key, der.subarray(-32).toString("base64"));
    assert.equal(shown.public_key, sandbox.publicKey);
    assert.deepEqual(createPublicKey(shown.pem).export({ format: "der", type: "spki" }), der);
  });
});

describe("webhooks.unwrap", () => {
  /** @type {import("./support.mjs").Posted[]} */
  let posts;
  let message;

  before(async () => {
    const path = newPath();
    message = await sendTo(path);
    posts = await receiver.at(path, 2);
  });

  test("accepts what the sandbox posts, and reads it", async () => {
    for (const kind of ["message.sent", "message.finalized"]) {
      const post = ofKind(posts, kind);
      const event = await unwrap(post);
      assert.equal(event.data.record_type, "event");
      assert.equal(event.data.event_type, kind);
      assert.equal(event.data.payload.id, message.id);
      assert.equal(event.data.payload.text, message.text);
      assert.equal(event.meta.attempt, 1);
      assert.equal(event.meta.delivered_to, message.webhook_url);
      keep("Telnyx.DeliveryUpdateWebhookEvent", post.body);
    }
    const end = await unwrap(ofKind(posts, "message.finalized"));
    assert.equal(end.data.payload.to[0].status, "delivered");
    assert.equal(end.data.payload.completed_at, end.data.occurred_at);
  });

  test("the PEM form accepts it as well", async () => {
    const { pem } = await sandbox.control("GET", "public_key");
    for (const { body, headers } of posts) {
      const signed = Buffer.from(`${headers["telnyx-timestamp"]}|${body}`);
      const signature = Buffer.from(headers["telnyx-signature-ed25519"], "base64");
      assert.ok(verify(null, signed, createPublicKey(pem), signature));
    }
  });

  test("refuses it with any one character altered", async () => {
    const [{ body, headers }] = posts;
    for (const at of [0, 1, Math.floor(body.length / 2), body.length - 1]) {
      await isRefused({ body: altered(body, at), headers });
    }
    await isRefused({ body: `${body}\n`, headers });
    for (const name of ["telnyx-signature-ed25519", "telnyx-timestamp"]) {
      const text = headers[name];
      const other = name === "telnyx-timestamp" ? String(Number(text) + 1) : altered(text, 10);
      await isRefused({ body, headers: { ...headers, [name]: other } });
      const { [name]: _, ...rest } = headers;
      await isRefused({ body, headers: rest });
    }
  });

  test("refuses it under another key", async () => {
    const [{ body, headers }] = posts;
    const other = sandbox.connect({ publicKey: Buffer.alloc(32, 7).toString("base64") });
    await assert.rejects(other.webhooks.unwrap(body, { headers }), TelnyxWebhookVerificationError);
  });
});

describe("a signature in bad weather", () => {
  after(() => sandbox.turn({ signature: null, timestamp_shift: null }));

  for (const kind of ["wrong_key", "flipped_bit", "missing", "no_timestamp", "altered_body"]) {
    test(`${kind} is refused`, async () => {
      const path = newPath();
      await sandbox.turn({ signature: kind });
      await sendTo(path);
      for (const post of await receiver.at(path, 2)) await isRefused(post);
    });
  }

  test("url_safe is refused where it shows", async () => {
    const path = newPath();
    await sandbox.turn({ signature: "url_safe" });
    const shows = ({ headers }) => /[-_]/.test(headers["telnyx-signature-ed25519"]);
    const posts = await waitFor(async () => {
      await sendTo(path);
      const found = (await receiver.at(path, 2)).filter(shows);
      return found.length > 0 && found;
    }, "a signature with a letter of that alphabet");
    for (const post of posts) await isRefused(post);
  });

  test("a clock may be off by five minutes, and no more", async () => {
    for (const [shift, isTaken] of [[-290, true], [290, true], [-310, false], [310, false]]) {
      const path = newPath();
      await sandbox.turn({ signature: null, timestamp_shift: shift });
      await sendTo(path);
      for (const post of await receiver.at(path, 2)) {
        await (isTaken ? unwrap(post) : isRefused(post));
      }
    }
  });
});

describe("people who write back", () => {
  const write = (text, more = {}) => sandbox.control("POST", "reply", { from: TO, to: US, text,
    messaging_profile_id: PROFILE, ...more });

  before(() => sandbox.turn({ profile_webhook_url: `${receiver.origin}/inbound` }));

  after(() => sandbox.turn({ profile_webhook_url: null }));

  beforeEach(() => {
    receiver.posted.length = 0;
  });

  test("are heard", async () => {
    const { data } = await write("Hello", { media_urls: ["https://example.com/a.png"] });
    const [post] = await receiver.at("/inbound");
    const event = await unwrap(post);
    keep("InboundEvent", post.body);
    assert.equal(event.data.event_type, "message.received");
    assert.equal(event.data.payload.id, data.id);
    assert.equal(event.data.payload.direction, "inbound");
    assert.equal(event.data.payload.text, "Hello");
    assert.equal(event.data.payload.from.phone_number, TO);
    assert.equal(event.data.payload.to[0].phone_number, US);
    assert.equal(event.data.payload.media[0].url, "https://example.com/a.png");
    assert.equal(event.meta.attempt, 1);

    const { data: read } = await sandbox.typed("Inbound",
      client.messages.retrieve(data.id));
    assert.equal(read.direction, "inbound");
    assert.equal(read.text, "Hello");
  });

  test("and who say STOP are sent nothing more, until START", async () => {
    await write("STOP");
    const [post] = await receiver.at("/inbound");
    assert.equal((await unwrap(post)).data.payload.autoresponse_type, "STOP");
    const send = () => client.messages.send({ from: US, to: TO, text: "x",
      messaging_profile_id: PROFILE });
    await assert.rejects(send(), (error) => error instanceof Telnyx.PermissionDeniedError
      && error.error.errors[0].code === "40300");
    await write("start");
    await send();
  });

  test("are on the list of those who opted out", async () => {
    for (const n of [1, 2, 3, 4, 5]) await write("STOP", { from: `+1312555010${n}` });
    await write("STOP", { from: "+13125550199", to: "+13125550009" });
    await sandbox.typed("Page<Telnyx.MessagingOptoutListResponse>",
      client.messagingOptouts.list({ "page[size]": 2 }));
    const listed = async (query) => {
      const rows = [];
      for await (const row of client.messagingOptouts.list(query)) rows.push(row);
      return rows;
    };
    const rows = await listed({ filter: { messaging_profile_id: PROFILE, from: US },
      "page[size]": 2 });
    assert.deepEqual(rows.map((row) => row.to).sort(),
      [1, 2, 3, 4, 5].map((n) => `+1312555010${n}`));
    assert.equal(rows[0].from, US);
    assert.equal(rows[0].keyword, "STOP");
    assert.equal((await listed()).length, 6);
    const hour = (n) => new Date(Date.now() + n * 3600000).toISOString();
    assert.equal((await listed({ created_at: { gte: hour(-1), lte: hour(1) } })).length, 6);
    assert.equal((await listed({ created_at: { gte: hour(1) } })).length, 0);
    const [redacted] = await listed({ redaction_enabled: "true" });
    assert.match(redacted.to, /\*{4}$/);
    const error = await client.messagingOptouts.list({ created_at: { gte: "never" } }).then(
      () => assert.fail("it was let through"), (caught) => caught);
    assert.ok(error instanceof Telnyx.BadRequestError);
    assert.match(error.error.code, /^\d{5}$/);
  });
});

describe("webhookDeliveries", () => {
  const listed = async (filter, more = {}) => {
    const rows = [];
    for await (const row of client.webhookDeliveries.list({ filter, ...more })) rows.push(row);
    return rows;
  };

  // Of both events of a message, when they are over.
  const ofPath = (path, count = 2) => waitFor(async () => {
    const rows = await listed({ webhook: { contains: path.split("=")[1] } });
    return rows.length === count && rows;
  }, `the deliveries to ${path}`);

  test("are found by what the message's URL says", async () => {
    const path = newPath();
    const message = await sendTo(path);
    const rows = await ofPath(path);
    assert.deepEqual(rows.map((row) => row.webhook.event_type).sort(),
      ["message.finalized", "message.sent"]);
    for (const row of rows) {
      assert.equal(row.record_type, "webhook_delivery");
      assert.equal(row.status, "delivered");
      assert.equal(row.webhook.record_type, "event");
      assert.equal(row.webhook.payload.id, message.id);
      assert.ok(Date.parse(row.started_at) <= Date.parse(row.finished_at));
      const [attempt] = row.attempts;
      assert.equal(attempt.http.request.url, message.webhook_url);
      assert.equal(attempt.http.response.status, 200);
      assert.equal(attempt.http.response.body, "seen");
      assert.deepEqual(attempt.errors, []);
    }
    const { data } = await sandbox.typed("Telnyx.WebhookDeliveryRetrieveResponse",
      client.webhookDeliveries.retrieve(rows[0].id));
    assert.deepEqual(data, rows[0]);
    const names = data.attempts[0].http.request.headers.map(([name]) => name.toLowerCase());
    assert.ok(names.includes("telnyx-signature-ed25519"), names.join(" "));
    await assert.rejects(client.webhookDeliveries.retrieve(PROFILE), Telnyx.NotFoundError);
  });

  test("tell of each attempt, the newest first, and of the failover", async () => {
    const path = newPath();
    receiver.statuses.set(path, 500);
    await sendTo(path, { webhook_failover_url: `${receiver.origin}/failover` });
    const rows = await ofPath(path);
    for (const row of rows) {
      assert.equal(row.status, "delivered");
      assert.deepEqual(row.attempts.map((one) => [one.status, one.http.response.status,
        ...one.errors]), [["delivered", 200], ["failed", 500, 75500], ["failed", 500, 75500],
        ["failed", 500, 75500]]);
      await sandbox.typed("Telnyx.WebhookDeliveryRetrieveResponse",
        client.webhookDeliveries.retrieve(row.id));
    }
    const tries = await receiver.at(path, 6);
    const events = await Promise.all(tries.map(unwrap));
    assert.equal(new Set(events.map((event) => event.data.id)).size, 2);
    assert.deepEqual(events.map((event) => event.meta.attempt).sort(), [1, 1, 2, 2, 3, 3]);
  });

  test("that failed are found by their status", async () => {
    const path = newPath();
    receiver.statuses.set(path, 404);
    await sendTo(path);
    await ofPath(path);
    const failed = await listed({ status: { eq: "failed" } });
    assert.equal(failed.length, 2);
    assert.ok(failed.every((row) => row.status === "failed" && row.attempts.length === 3));
    assert.equal(failed[0].attempts[0].errors[0], 75404);
    assert.deepEqual(await listed({ status: { eq: "delivered" } }), []);
    assert.equal((await listed({ attempts: { contains: path } })).length, 2);
  });

  test("come in pages, by their kind and their time", async () => {
    const path = newPath();
    for (let i = 0; i < 7; i += 1) await sendTo(path);
    await ofPath(path, 14);
    const page = await sandbox.typed("Page<Telnyx.WebhookDelivery>",
      client.webhookDeliveries.list({ "page[size]": 4 }));
    assert.equal(page.data.length, 4);
    assert.equal(page.meta.total_pages, 4);
    assert.ok(page.hasNextPage());
    const next = await page.getNextPage();
    assert.equal(next.meta.page_number, 2);
    const all = await listed(undefined, { "page[size]": 4 });
    assert.equal(new Set(all.map((row) => row.id)).size, 14);
    assert.equal((await listed({ event_type: "message.sent" })).length, 7);
    assert.equal((await listed({ event_type: "message.sent,message.finalized" })).length, 14);
    const bound = all[6].finished_at;
    const later = await listed({ finished_at: { gte: bound } });
    assert.deepEqual(later.map((row) => row.id).sort(), all.filter(
      (row) => row.finished_at >= bound).map((row) => row.id).sort());
    const started = all[6].started_at;
    assert.equal((await listed({ started_at: { lte: started } })).length,
      all.filter((row) => row.started_at <= started).length);
    assert.deepEqual(await listed({ started_at: { gte: "2100-01-01T00:00:00Z" } }), []);
  });
});
