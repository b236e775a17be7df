// Sending, reading and cancelling, by the SDK.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import Telnyx from "telnyx";
import { PROFILE, US, startSandbox, waitFor } from "./support.mjs";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const TO = "+13125550002";
const NOBODY = "7d6b5a49-3821-4f0e-9d8c-7b6a59483726";

/** @type {Awaited<ReturnType<typeof startSandbox>>} */
let sandbox;
/** @type {Telnyx} */
let client;

before(async () => {
  sandbox = await startSandbox();
  client = sandbox.connect();
  await sandbox.turn({ t_sent: 0.1, t_finalized: 0.2 });
});

after(() => sandbox.stop());

beforeEach(() => sandbox.control("DELETE", "ledger"));

const inMinutes = (n) => new Date(Date.now() + n * 60000).toISOString();

// The refusal of a call, which is to be of a class of the SDK's.
async function refusal(kind, call) {
  const error = await call.then(
    () => assert.fail("it was let through"),
    (caught) => caught,
  );
  assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
  return error;
}

// In the envelope that most have.
async function refusedWith(kind, code, call) {
  const error = await refusal(kind, call);
  assert.equal(error.error.errors[0].code, code);
  assert.ok(error.error.errors[0].title);
  return error;
}

// Alone, as cancelling has it.
async function refusedBare(kind, call) {
  const error = await refusal(kind, call);
  assert.equal(error.error.errors, undefined);
  assert.match(error.error.code, /^\d{5}$/);
  assert.ok(error.error.title);
  return error;
}

// What each reply to a message that was accepted has.
function assertAccepted(message, expected) {
  assert.match(message.id, UUID);
  assert.equal(message.record_type, "message");
  assert.equal(message.direction, "outbound");
  assert.deepEqual(message.errors, []);
  assert.ok(Math.abs(Date.parse(message.received_at) - Date.now()) < 60000);
  for (const [name, value] of Object.entries(expected)) {
    assert.deepEqual(message[name], value, name);
  }
}

describe("send", () => {
  test("an SMS is queued, and delivered in the end", async () => {
    const { data } = await sandbox.typed("Telnyx.MessageSendResponse", client.messages.send({
      from: US, to: TO, text: "Hello, World!",
    }));
    assertAccepted(data, { type: "SMS", text: "Hello, World!", parts: 1, encoding: "GSM-7",
      num_chars: 13, sent_at: null, completed_at: null });
    assert.equal(data.from.phone_number, US);
    assert.deepEqual(data.to.map((one) => [one.phone_number, one.status]), [[TO, "queued"]]);
    assert.match(data.cost.amount, /^\d+\.\d+$/);
    assert.equal(data.cost.currency, "USD");

    const end = await waitFor(async () => {
      const { data: now } = await client.messages.retrieve(data.id);
      return now.to[0].status === "delivered" && now;
    }, "the delivery");
    await sandbox.typed("Outbound", client.messages.retrieve(data.id));
    assert.equal(end.id, data.id);
    assert.ok(Date.parse(end.sent_at) <= Date.parse(end.completed_at));
  });

  test("an MMS has its media, and a text outside of GSM-7 is counted so", async () => {
    const { data } = await sandbox.typed("Telnyx.MessageSendResponse", client.messages.send({
      from: US, to: TO, subject: "A picture", media_urls: ["https://example.com/a.png"],
    }));
    assertAccepted(data, { type: "MMS", subject: "A picture" });
    assert.equal(data.media[0].url, "https://example.com/a.png");

    const { data: other } = await sandbox.typed("Telnyx.MessageSendResponse", client.messages.send({
      from: US, to: TO, text: "Ж".repeat(71),
    }));
    assertAccepted(other, { type: "SMS", encoding: "UCS-2", parts: 2, num_chars: 71 });
  });

  test("a message that fails says why", async () => {
    const { data } = await client.messages.send({ from: US, to: "+15550040008", text: "x" });
    const end = await waitFor(async () => {
      const { data: now } = await client.messages.retrieve(data.id);
      return now.to[0].status === "delivery_failed" && now;
    }, "the failure");
    await sandbox.typed("Outbound", client.messages.retrieve(data.id));
    assert.equal(end.errors[0].code, "40008");
    assert.equal(end.errors[0].source.pointer, "/to/0");
  });

  test("what is wrong is refused with the service's code", async () => {
    const error = await refusedWith(Telnyx.BadRequestError, "40310",
      client.messages.send({ from: US, to: "nobody", text: "x" }));
    assert.equal(error.error.errors[0].source.pointer, "/to");
    assert.match(error.headers.get("x-request-id"), UUID);
    await refusedWith(Telnyx.BadRequestError, "40316", client.messages.send({ from: US, to: TO }));
  });

  test("a key that is not known is refused", async () => {
    await refusedWith(Telnyx.AuthenticationError, "10009",
      sandbox.connect({ apiKey: "WRONG" }).messages.send({ from: US, to: TO, text: "x" }));
  });

  test("too many requests are refused, and the SDK's next try is let through", async () => {
    const once = { from: US, to: "+15550042910", text: "once" };
    await refusedWith(Telnyx.RateLimitError, "10011",
      client.messages.send({ ...once, text: "for another" }));
    await sandbox.connect({ maxRetries: 2 }).messages.send(once);
    const { messages } = await sandbox.control("GET", "ledger");
    assert.deepEqual(messages.once, { posts: 2, accepted: 1 });
  });

  test("a reply that is lost makes the SDK send twice", async () => {
    await sandbox.connect({ maxRetries: 2 }).messages.send(
      { from: US, to: "+15550051500", text: "twice" });
    const { messages } = await sandbox.control("GET", "ledger");
    assert.deepEqual(messages.twice, { posts: 2, accepted: 2 });
  });
});

describe("the other ways to send", () => {
  test("from a long code", async () => {
    const { data } = await sandbox.typed("Telnyx.MessageSendLongCodeResponse",
      client.messages.sendLongCode({ from: US, to: TO, text: "x", encoding: "gsm7" }));
    assertAccepted(data, { type: "SMS" });
    await refusedWith(Telnyx.BadRequestError, "40305",
      client.messages.sendLongCode({ from: "Sandbox", to: TO, text: "x" }));
  });

  test("from a short code", async () => {
    const { data } = await sandbox.typed("Telnyx.MessageSendShortCodeResponse",
      client.messages.sendShortCode({ from: "12345", to: TO, text: "x" }));
    assertAccepted(data, { type: "SMS" });
    assert.equal(data.from.phone_number, "12345");
    await refusedWith(Telnyx.BadRequestError, "40305",
      client.messages.sendShortCode({ from: US, to: TO, text: "x" }));
  });

  test("from a number pool, and the reply says from which number", async () => {
    const { data } = await sandbox.typed("Telnyx.MessageSendNumberPoolResponse",
      client.messages.sendNumberPool({ messaging_profile_id: PROFILE, to: TO, text: "x" }));
    assertAccepted(data, { messaging_profile_id: PROFILE });
    assert.match(data.from.phone_number, /^\+\d+$/);
  });

  test("from a name", async () => {
    const given = { from: "Sandbox", messaging_profile_id: PROFILE, text: "x" };
    const { data } = await sandbox.typed("Telnyx.MessageSendWithAlphanumericSenderResponse",
      client.messages.sendWithAlphanumericSender({ ...given, to: "+447400123456" }));
    assertAccepted(data, { type: "SMS", messaging_profile_id: PROFILE });
    assert.equal(data.from.phone_number, "Sandbox");
    await refusedWith(Telnyx.BadRequestError, "40301",
      client.messages.sendWithAlphanumericSender({ ...given, to: TO }));
    await refusedWith(Telnyx.BadRequestError, "40325",
      client.messages.sendWithAlphanumericSender({ ...given, from: US, to: "+447400123456" }));
  });

  test("to a group, whose messages can be read", async () => {
    const to = [TO, "+13125550003", "+13125550004"];
    const { data } = await sandbox.typed("Telnyx.MessageSendGroupMmsResponse",
      client.messages.sendGroupMms({ from: US, to, text: "All of you" }));
    assertAccepted(data, { type: "MMS", text: "All of you" });
    assert.deepEqual(data.to.map((one) => one.phone_number), to);

    const { data: list } = await sandbox.typed("Telnyx.MessageRetrieveGroupMessagesResponse",
      client.messages.retrieveGroupMessages(data.id));
    assert.deepEqual(list.map((one) => one.to[0].phone_number), to);
    await refusedWith(Telnyx.NotFoundError, "10005",
      client.messages.retrieveGroupMessages(NOBODY));
  });

  test("a group of nine is too many", async () => {
    const to = Array.from({ length: 9 }, (_, i) => `+1312555000${i + 1}`);
    await refusedWith(Telnyx.BadRequestError, "40310",
      client.messages.sendGroupMms({ from: US, to, text: "x" }));
  });
});

describe("retrieve", () => {
  test("a message that nobody sent is not found", async () => {
    await refusedWith(Telnyx.NotFoundError, "10005", client.messages.retrieve(NOBODY));
  });
});

describe("schedule and cancelScheduled", () => {
  test("a message waits for its hour, and is cancelled, once", async () => {
    const at = inMinutes(10);
    const { data } = await sandbox.typed("Telnyx.MessageScheduleResponse",
      client.messages.schedule({ from: US, to: TO, text: "Later", send_at: at }));
    assertAccepted(data, { type: "SMS", sent_at: null, completed_at: null });
    assert.equal(data.to[0].status, "scheduled");
    await sandbox.typed("Outbound", client.messages.retrieve(data.id));

    const cancelled = await sandbox.typed("Telnyx.MessageCancelScheduledResponse",
      client.messages.cancelScheduled(data.id));
    assert.equal(cancelled.id, data.id);
    assert.equal(cancelled.direction, "outbound");
    assert.deepEqual(cancelled.to.map((one) => [one.phone_number, one.status]),
      [[TO, "cancelled"]]);
    assert.equal(cancelled.cost.amount, "0.0");
    assert.equal(cancelled.cost_breakdown, null);

    await refusedBare(Telnyx.PermissionDeniedError, client.messages.cancelScheduled(data.id));
  });

  test("send with send_at does the same", async () => {
    const { data } = await sandbox.typed("Telnyx.MessageSendResponse", client.messages.send({
      from: US, to: TO, text: "Later", send_at: inMinutes(10),
    }));
    assert.equal(data.to[0].status, "scheduled");
    const cancelled = await client.messages.cancelScheduled(data.id);
    assert.equal(cancelled.to[0].status, "cancelled");
  });

  test("an hour that is too near or too far is refused", async () => {
    for (const at of [inMinutes(1), inMinutes(6 * 24 * 60)]) {
      const error = await refusedWith(Telnyx.BadRequestError, "10033",
        client.messages.schedule({ from: US, to: TO, text: "x", send_at: at }));
      assert.equal(error.error.errors[0].source.pointer, "/send_at");
    }
  });

  test("what is sent cannot be cancelled, nor what is not there", async () => {
    const { data } = await client.messages.send({ from: US, to: TO, text: "Now" });
    await refusedBare(Telnyx.PermissionDeniedError, client.messages.cancelScheduled(data.id));
    await refusedBare(Telnyx.NotFoundError, client.messages.cancelScheduled(NOBODY));
  });
});
