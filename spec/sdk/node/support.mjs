// A sandbox of its own for each program, the SDK's client for it, and a receiver of webhooks.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { createInterface } from "node:readline";
import Telnyx from "telnyx";

const LAUNCHER = new URL("lua/telnyx/sandbox/serve.sh", `file://${process.env.PROJECT}/`).pathname;
const REPLIES = process.env.REPLIES;

// What webhooks are signed with.
export const SEED = createHash("sha256").update("a seed of these specs").digest();

export const PROFILE = "abc85f64-5717-4562-b3fc-2c9600000000";
export const US = "+13125550001";

/** @param {number} ms */
export const pause = (ms) => new Promise((resume) => setTimeout(resume, ms));

const PATIENCE_MS = 15000;

/**
 * Asks until there is an answer that will do.
 * @template T
 * @param {() => T | Promise<T>} ask
 * @param {string} what for the complaint
 * @returns {Promise<NonNullable<T>>}
 */
export async function waitFor(ask, what) {
  const giveUp = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > giveUp) throw new Error(`waited too long for ${what}`);
    await pause(50);
  }
}

// The last body that came, as it came: the SDK hands out what it made of it.
async function fetchAndKeep(last, url, init) {
  const response = await fetch(url, init);
  last.text = await response.clone().text();
  return response;
}

let nKept = 0;

/**
 * Keeps a reply for types.mjs, which holds it against a type of the SDK.
 * @param {string} type
 * @param {string} text JSON as it came
 */
export function keep(type, text) {
  if (!REPLIES) return;
  nKept += 1;
  const name = `${process.pid}-${String(nKept).padStart(4, "0")}.json`;
  mkdirSync(REPLIES, { recursive: true });
  writeFileSync(`${REPLIES}/${name}`, JSON.stringify({ type, reply: JSON.parse(text) }));
}

/** Starts a sandbox; it ends with this program, however that ends. */
export async function startSandbox() {
  const launcher = spawn("sh", [LAUNCHER, "--port", "0", "--until-eof", "--signing-seed",
    SEED.toString("hex")], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: launcher.stdout })[Symbol.asyncIterator]();
  // It says all of it at once; how to stop comes last.
  let said = "";
  while (!/^ {2}stop /m.test(said)) {
    const { value: line, done } = await lines.next();
    if (done) throw new Error(said);
    said += `${line}\n`;
  }
  const url = / TELNYX_BASE_URL=(\S+)\n/.exec(said)?.[1];
  const publicKey = / TELNYX_PUBLIC_KEY=(\S{44})\n/.exec(said)?.[1];
  if (!url || !publicKey) {
    launcher.kill();
    throw new Error(said);
  }
  const origin = url.slice(0, -"/v2".length);
  const last = { text: "" };

  /** @param {ConstructorParameters<typeof Telnyx>[0]} options */
  const connect = (options = {}) => new Telnyx({
    apiKey: "KEY_OF_THE_SDK", baseURL: url, publicKey, maxRetries: 0,
    fetch: (address, init) => fetchAndKeep(last, address, init), ...options,
  });

  /** What the sandbox has of its own. */
  async function control(method, path, body) {
    const response = await fetch(`${origin}/sandbox/${path}`, {
      method, body: body && JSON.stringify(body), headers: { "content-type": "application/json" },
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  return {
    url, origin, publicKey, connect, control,

    /**
     * Makes a call, and keeps the reply for the check of types.
     * @template T
     * @param {string} type of the SDK
     * @param {PromiseLike<T>} call
     * @returns {Promise<T>}
     */
    async typed(type, call) {
      const answer = await call;
      keep(type, last.text);
      return answer;
    },

    /** @param {Record<string, unknown>} knobs null sets one back */
    turn: (knobs) => control("PATCH", "options", knobs),

    async stop() {
      launcher.stdin.end();
      if (launcher.exitCode === null) await once(launcher, "exit");
    },
  };
}

/**
 * Somebody who receives webhooks.
 * @typedef {{ path: string, body: string, headers: Record<string, string> }} Posted
 */
export async function startReceiver() {
  /** @type {Posted[]} */
  const posted = [];
  // By path: how a post is answered.
  const statuses = new Map();
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    posted.push({ path: request.url, headers: request.headers,
      body: Buffer.concat(chunks).toString("utf8") });
    response.writeHead(statuses.get(request.url) ?? 200, { "x-seen-by": "a spec" });
    response.end("seen");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${server.address().port}`;
  return {
    origin, posted, statuses,

    /**
     * Waits for the posts to a path.
     * @param {string} path
     * @param {number} count
     */
    at: (path, count = 1) => waitFor(() => {
      const found = posted.filter((one) => one.path === path);
      return found.length >= count && found;
    }, `${count} webhooks at ${path}`),

    async stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
