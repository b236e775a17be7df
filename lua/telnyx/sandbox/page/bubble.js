// One message as a phone would show it, and the quiet line below it.

import { make, say, stamp } from "./dom.js";
import { now } from "./clock.js";
import { mediaNode } from "./media.js";
import { fill, plain } from "./text.js";
import { counted, messageTime, wholeTime } from "./times.js";

const BAD = new Set(["delivery_failed", "sending_failed", "expired"]);
const DOUBTFUL = new Set(["delivery_unconfirmed", "unknown", "cancelled"]);

function stagesOf(summary, phone) {
  return (summary.timeline || []).filter((stage) => stage.phone_number === phone);
}

function recipientOf(summary, phone) {
  return (summary.recipients || []).find((one) => one.phone_number === phone) || {};
}

// What a message is by now, for one of its phones; stages still to come are not told.
function currentStage(summary, phone) {
  const time = now();
  let stage = null;
  for (const one of stagesOf(summary, phone)) {
    if (Date.parse(one.at) <= time) stage = one;
  }
  return stage || recipientOf(summary, phone);
}

export function statusOf(summary, phone) {
  if (summary.direction === "inbound") return { word: "received", code: null, isBad: false };
  if (summary.cancelled_at) return { word: "cancelled", code: null, isDoubtful: true };
  const stage = currentStage(summary, phone);
  const word = stage.status || summary.status;
  const told = recipientOf(summary, phone);
  return {
    word, code: stage.code || null,
    title: stage.code && told.code === stage.code ? told.title : null,
    isBad: BAD.has(word), isDoubtful: DOUBTFUL.has(word),
  };
}

// When a status moves on next; null when it stays.
export function nextChange(summary) {
  if (summary.direction === "inbound" || summary.cancelled_at) return null;
  const time = now();
  const coming = (summary.timeline || []).map((stage) => Date.parse(stage.at))
    .filter((at) => at > time);
  return coming.length ? Math.min(...coming) : null;
}

// The line of a list: the text, and before it what went wrong.
export function showPreview(preview, summary, phone, words = previewOf(summary)) {
  const status = statusOf(summary, phone);
  say(preview.querySelector(".fate"), status.isBad ? status.word : "");
  preview.querySelector(".words").textContent = words;
  preview.classList.toggle("from-phone", summary.direction === "inbound");
}

export function previewOf(summary) {
  const words = summary.text || summary.subject;
  if (words) return plain(words.slice(0, 200));
  const n = (summary.media || []).length;
  return n ? counted(n, "picture") : "(no text)";
}

function aboutOf(summary, previous) {
  const notes = [];
  if (summary.is_auto_reply) notes.push("automatic answer");
  if (summary.autoresponse_type) notes.push(`taken as ${summary.autoresponse_type}`);
  if (summary.group_id) notes.push(`to a group of ${summary.to.length}`);
  if (summary.parent_id) notes.push("piece of a longer message");
  const other = otherOf(summary);
  if (previous !== other) {
    // Isolated, so that a number stays one among words of another direction.
    const way = summary.direction === "outbound" ? "from" : "to";
    notes.unshift(`${way} \u2066${plain(other)}\u2069`);
  }
  return notes.join(" · ");
}

function scheduled({ send_at }) {
  return send_at && Date.parse(send_at) > now() ? `for ${messageTime(send_at)}` : null;
}

function stateWords(summary, status) {
  return [
    status.code, status.title, scheduled(summary),
    summary.type === "SMS" && summary.parts ? counted(summary.parts, "part") : "MMS",
    summary.type === "SMS" ? summary.encoding : null,
  ].filter(Boolean);
}

export function showState(node, summary, phone) {
  const status = statusOf(summary, phone), line = node.querySelector(".state");
  const word = make("span", "status", status.word);
  word.classList.toggle("bad", Boolean(status.isBad));
  word.classList.toggle("doubtful", Boolean(status.isDoubtful));
  const time = make("time", "", messageTime(summary.received_at));
  time.title = wholeTime(summary.received_at);
  const rest = stateWords(summary, status).map((words) => make("span", "", words));
  line.replaceChildren(word, ...rest, time);
}

// `other` is the account's number of the message before: it is named only when it changes.
export function makeMessage(summary, phone, other) {
  const node = stamp("message");
  node.dataset.message = summary.id;
  node.classList.add(summary.direction);
  say(node.querySelector(".about"), aboutOf(summary, other));
  say(node.querySelector(".subject"), plain(summary.subject || ""));
  const text = node.querySelector(".text");
  fill(text, summary.text || "");
  text.hidden = !summary.text;
  const media = node.querySelector(".media");
  media.append(...(summary.media || []).map(mediaNode));
  media.hidden = !media.hasChildNodes();
  showState(node, summary, phone);
  return node;
}

export const otherOf = (summary) =>
  (summary.direction === "outbound" ? summary.from : summary.to[0]);
