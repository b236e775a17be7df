// notify_test.mjs: the test. Run it with: node --test
import assert from "node:assert/strict"
import { once } from "node:events"
import { createServer } from "node:http"
import { after, beforeEach, test } from "node:test"

// The program's web server, on a free port.
const server = createServer(async (request, response) => {
  let body = ""
  for await (const piece of request.setEncoding("utf8")) body += piece
  response.writeHead(receive(request.headers, body)).end()
}).listen(0, "127.0.0.1")
await once(server, "listening")
after(() => { server.close(); server.closeAllConnections() })
process.env.WEBHOOK_URL = `http://127.0.0.1:${server.address().port}/hooks`

const { failed, receive, sendCode, stopped } = await import("./notify.mjs")

const origin = process.env.TELNYX_BASE_URL.replace("/v2", "")

// What a test asks of the sandbox. Anything but 200 fails the test.
async function sandbox(method, path, fields = {}) {
  const query = method === "GET" ? `?${new URLSearchParams(fields)}` : ""
  const body = method === "POST" || method === "PATCH" ? JSON.stringify(fields) : undefined
  const response = await fetch(`${origin}/sandbox/${path}${query}`, { method, body })
  const reply = await response.json()
  assert.ok(response.ok, `${path}: ${response.status} ${reply.errors?.[0].detail}`)
  return reply
}

// Waits at most ten seconds for the first that matches.
async function first(path, fields) {
  const { data } = await sandbox("GET", path, { ...fields, wait: 10 })
  assert.ok(data[0], `no ${path} with ${JSON.stringify(fields)} in ten seconds`)
  return data[0]
}

const phone = "+13125550002"

beforeEach(async () => {
  await sandbox("DELETE", "messages")
  await sandbox("PATCH", "options", {
    t_sent: 0, t_finalized: 3600, // messages end when a test says so
    weather: null, weather_times: 0,
    profile_webhook_url: process.env.WEBHOOK_URL,
  })
})

test("the code is in the message", async () => {
  assert.equal(await sendCode(phone, "login-1"), "sent")
  const message = await first("messages", { to: phone, match: "Your code is" })
  const [code] = message.text.match(/\d{6}/)
  assert.equal(message.text, `Your code is ${code}.`)
  assert.equal(message.parts, 1)
})

test("one message for a login, also when the answer is lost", async () => {
  await sandbox("PATCH", "options", { weather: "51500", weather_times: 1 })
  await sendCode(phone, "login-2")
  await sandbox("GET", "messages", { key: "login-2", exactly: 1 })
})

test("what is refused for being too many at once goes out in the end", async () => {
  const busy = "+15550042910" // this recipient's first message is answered with 429
  assert.equal(await sendCode(busy, "login-3"), "sent")
  await sandbox("GET", "messages", { key: "login-3", exactly: 1 })
})

test("who says STOP gets no more", async () => {
  await sendCode(phone, "login-4")
  const message = await first("messages", { key: "login-4" })
  await sandbox("POST", "reply", { from: phone, to: message.from, text: "STOP" })
  await first("webhooks", { event_type: "message.received", status: "delivered" })
  assert.ok(stopped.has(phone))
  assert.equal(await sendCode(phone, "login-5"), "refused")
  await sandbox("GET", "messages", { key: "login-5", exactly: 0 })
})

test("a message that does not arrive is known", async () => {
  await sendCode(phone, "login-6")
  const { id } = await first("messages", { key: "login-6" })
  await sandbox("POST", "outcome", { id, status: "delivery_failed", code: "40008" })
  await first("webhooks", { message: id, event_type: "message.finalized", status: "delivered" })
  assert.ok(failed.has(id))
})
