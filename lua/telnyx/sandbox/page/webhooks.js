// The webhooks of a message: each event with its attempts, what was posted byte by byte, its
// signature, and what the receiver answered.

import { ltr, make, stamp } from "./dom.js";
import { fill } from "./text.js";
import { counted, exactTime } from "./times.js";

const SIGNED = /^telnyx-(signature|timestamp)/;

function pretty(body) {
  try { return JSON.stringify(JSON.parse(body), null, 2); } catch { return body; }
}

function headerLines(headers) {
  const lines = Object.entries(headers || {}).map(([name, value]) => `${name}: ${value}`);
  // The signature first: that is what one looks for.
  return lines.sort((a, b) => SIGNED.test(b) - SIGNED.test(a)).join("\n");
}

function answerText(attempt) {
  if (!attempt.response) return `No answer: ${attempt.title || attempt.error || "it is under way"}`;
  const { headers, body } = attempt.response;
  return `${attempt.status}\n${headerLines(headers)}\n\n${body || ""}`;
}

const views = {
  pretty: (attempt) => pretty(attempt.request.body),
  raw: (attempt) => attempt.request.body,
  headers: (attempt) => headerLines(attempt.request.headers),
  answer: answerText,
};

// Shows one of the views; none for a name that is none.
function choose(node, attempt, name) {
  for (const tab of node.querySelectorAll("[data-view]")) {
    tab.setAttribute("aria-pressed", String(tab.dataset.view === name));
  }
  const body = node.querySelector(".body");
  body.hidden = !views[name];
  if (views[name]) fill(body, views[name](attempt));
}

const isTaken = (attempt) => attempt.status !== null && !attempt.error;

function attemptNode(attempt, isLast) {
  const node = stamp("attempt"), line = node.querySelector(".line");
  const took = `${Math.round((attempt.seconds || 0) * 1000)} ms`;
  const result = make("span", isTaken(attempt) ? "good" : "bad",
    [attempt.status, attempt.error, attempt.title].filter(Boolean).join(" · ") || "no answer");
  line.append(make("span", "", `Attempt ${attempt.number}`), result,
    ltr(exactTime(attempt.at), "time"), make("span", "", took),
    ltr(attempt.url, "code", "ltr url"));
  node.querySelector(".tabs").addEventListener("click", (event) => {
    const tab = event.target.closest("[data-view]");
    if (!tab) return;
    const isOpen = tab.getAttribute("aria-pressed") === "true";
    choose(node, attempt, isOpen ? null : tab.dataset.view);
  });
  choose(node, attempt, isLast ? "pretty" : null);
  return node;
}

const WORDS = { delivered: "delivered", failed: "failed", under_way: "under way" };

function webhookNode(webhook) {
  const node = stamp("webhook");
  node.dataset.webhook = webhook.id;
  node.querySelector(".type").textContent = webhook.event_type || "(no type)";
  const outcome = node.querySelector(".outcome");
  outcome.classList.toggle("bad", webhook.status === "failed");
  const button = node.querySelector('[data-action="resend"]');
  button.dataset.delivery = webhook.id;
  return node;
}

// A webhook's node stays, open or not; only attempts that are new are added.
function update(node, webhook) {
  const outcome = node.querySelector(".outcome"), attempts = node.querySelector(".attempts");
  const n = webhook.attempts.length + (webhook.forgotten_attempts || 0);
  outcome.textContent = `${WORDS[webhook.status] || webhook.status} · ${counted(n, "attempt")}`;
  outcome.classList.toggle("bad", webhook.status === "failed");
  outcome.classList.toggle("good", webhook.status === "delivered");
  const known = Number(node.dataset.known || 0) - (webhook.forgotten_attempts || 0);
  const last = webhook.attempts[webhook.attempts.length - 1];
  for (const attempt of webhook.attempts.slice(Math.max(0, known))) {
    attempts.append(attemptNode(attempt, attempt === last));
  }
  node.dataset.known = String(n);
  node.querySelector('[data-action="resend"]').disabled = webhook.attempts.length === 0;
}

function whyNone(data) {
  if (data.direction === "inbound") {
    return "None: webhooks of what phones write go to the option profile_webhook_url (above: Webhooks).";
  }
  return data.webhook_url === "" ? "None: it has no webhook URL." : "None yet.";
}

export function showWebhooks(section, data) {
  const inner = section.querySelector(".inner"), list = data.webhooks || [];
  if (!list.length) {
    return inner.replaceChildren(make("p", "note", whyNone(data)));
  }
  for (const note of inner.querySelectorAll(".note")) note.remove();
  for (const webhook of list) {
    let node = [...inner.children].find((one) => one.dataset.webhook === webhook.id);
    if (!node) inner.append(node = webhookNode(webhook));
    update(node, webhook);
  }
}
