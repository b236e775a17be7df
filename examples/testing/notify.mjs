// notify.mjs: the program. It sends a code to whoever logs in, and hears what phones answer.
import { createPublicKey, randomInt, verify } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"

const { TELNYX_API_KEY, TELNYX_BASE_URL, TELNYX_PUBLIC_KEY, WEBHOOK_URL } = process.env

const post = (message, key) => fetch(`${TELNYX_BASE_URL}/messages`, {
  method: "POST",
  headers: {
    "authorization": `Bearer ${TELNYX_API_KEY}`,
    "content-type": "application/json",
    "idempotency-key": key,
  },
  body: JSON.stringify(message),
})

// "sent", "refused", or "unknown": then it may have been sent.
export async function sendCode(phone, login) {
  const text = `Your code is ${randomInt(100000, 1000000)}.`
  const message = { from: "+13125550001", to: phone, text, webhook_url: WEBHOOK_URL }
  let response = await post(message, login)
  if (response.status === 429) { // too many at once, and not sent: once more
    await sleep(1000)
    response = await post(message, login)
  }
  if (response.ok) return "sent"
  return response.status < 500 ? "refused" : "unknown"
}

// Telnyx shows the key as 32 bytes in Base64.
const publicKey = createPublicKey({ format: "jwk", key: {
  kty: "OKP", crv: "Ed25519", x: Buffer.from(TELNYX_PUBLIC_KEY, "base64").toString("base64url"),
} })

export const stopped = new Set() // phones that said STOP
export const failed = new Set() // ids of messages that did not arrive

// A webhook came. Returns the status of the answer.
export function receive(headers, body) {
  const signed = Buffer.from(`${headers["telnyx-timestamp"]}|${body}`)
  const signature = Buffer.from(headers["telnyx-signature-ed25519"] ?? "", "base64")
  if (!verify(null, signed, publicKey, signature)) return 403
  const { event_type, payload } = JSON.parse(body).data
  if (payload.autoresponse_type === "STOP") stopped.add(payload.from.phone_number)
  if (event_type === "message.finalized" && payload.to[0].status === "delivery_failed") {
    failed.add(payload.id)
  }
  return 200
}
