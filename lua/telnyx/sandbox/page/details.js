// What is behind a message: its bill, its timeline, its webhooks, and what can be done to it.

import { api } from "./api.js";
import { showBill } from "./bill.js";
import { showWebhooks } from "./webhooks.js";
import { now } from "./clock.js";
import { copy, ltr, make, once, say, stamp } from "./dom.js";
import { addressOf } from "./router.js";
import { plain } from "./text.js";
import { exactTime, wholeTime } from "./times.js";

const ENDS = { deliver: "delivered", fail: "delivery_failed", expire: "expired" };

// The code, and its title where the sandbox has told it.
function whyOf(data, stage) {
  const told = data.recipients.find((one) => one.phone_number === stage.phone_number);
  const title = told && told.code === stage.code ? told.title : null;
  return title ? `${stage.code} · ${title}` : stage.code;
}

function showTimeline(section, data, phone) {
  const isOfPhone = (stage) => data.phones.length === 1 || stage.phone_number === phone;
  const stages = data.timeline.filter(isOfPhone);
  section.hidden = stages.length === 0;
  section.querySelector("ol").replaceChildren(...stages.map((stage) => {
    const isComing = Date.parse(stage.at) > now();
    const item = make("li", isComing ? "coming" : "");
    const time = ltr(exactTime(stage.at), "time");
    time.title = wholeTime(stage.at);
    item.append(time, make("span", "", stage.status));
    if (stage.code) item.append(make("span", "why", whyOf(data, stage)));
    if (isComing) item.append(make("span", "soon", "to come"));
    return item;
  }));
}

function showFacts(section, data) {
  const facts = [
    ["Id", data.id], ["From", data.from], ["To", data.to.join(", ")], ["Key", data.key],
    // Without a reference of its own, a message goes by its text.
    ["Reference", data.ref === data.text ? null : data.ref],
    ["Profile", data.profile], ["Webhook URL", data.webhook_url], ["Group", data.group_id],
    ["Whole message", data.parent_id], ["Send at", data.send_at],
    ["Cancelled at", data.cancelled_at],
  ].filter(([, value]) => value);
  section.querySelector("dl").replaceChildren(...facts.flatMap(([name, value]) => {
    const term = make("dd");
    term.append(ltr(plain(String(value))));
    return [make("dt", "", name), term];
  }));
}

// Why a message cannot be ended now; empty when it can.
function objection(data) {
  if (data.cancelled_at) return "It was cancelled.";
  if (data.send_at && Date.parse(data.send_at) > now()) return "It is not sent yet.";
  return "";
}

function showActions(panel, data) {
  const ends = panel.querySelector(".ends"), why = objection(data);
  ends.hidden = data.direction === "inbound";
  for (const button of ends.children) {
    button.disabled = why !== "";
    button.title = why;
  }
}

function show(view, data) {
  const { panel, phone } = view;
  view.data = data;
  say(panel.querySelector(".problem"), "");
  showActions(panel, data);
  showBill(panel.querySelector(".bill"), data);
  showTimeline(panel.querySelector(".timeline"), data, phone);
  showWebhooks(panel.querySelector(".webhooks"), data);
  showFacts(panel.querySelector(".facts"), data);
  panel.setAttribute("aria-busy", "false");
}

async function load(view) {
  const { panel } = view;
  if (!panel || !panel.isConnected) return;
  try {
    const data = await api.message(view.summary.id);
    if (view.panel === panel) show(view, data);
  } catch (problem) {
    if (view.panel !== panel) return;
    panel.setAttribute("aria-busy", "false");
    say(panel.querySelector(".problem"), problem.message);
  }
}

async function end(view, status) {
  const outcome = { id: view.summary.id, status };
  if (view.summary.phones.length > 1) outcome.to = view.phone;
  await api.outcome(outcome);
  await load(view);
}

function linkTo(view) {
  return location.origin + location.pathname + addressOf(view.phone, view.summary.id);
}

function act(view, button) {
  const action = button.dataset.action;
  if (ENDS[action]) return end(view, ENDS[action]);
  if (action === "copy-link") return copy(linkTo(view), button);
  if (action === "resend") return api.resend(button.dataset.delivery).then(() => load(view));
  return null;
}

async function onClick(view, event) {
  const button = event.target.closest("[data-action]");
  if (!button) return;
  try {
    await act(view, button);
  } catch (problem) {
    say(view.panel.querySelector(".problem"), problem.message);
  }
}

function open(view, line) {
  const panel = stamp("details");
  panel.dataset.details = view.summary.id;
  panel.setAttribute("role", "group");
  panel.setAttribute("aria-label", "Details of the message");
  panel.setAttribute("aria-busy", "true");
  panel.addEventListener("click", (event) => onClick(view, event));
  view.panel = panel;
  view.again = once(() => load(view), 60);
  view.node.append(panel);
  line.setAttribute("aria-expanded", "true");
  return load(view).then(() => panel.scrollIntoView({ block: "nearest" }));
}

function close(view, line) {
  view.panel.remove();
  view.panel = null;
  line.setAttribute("aria-expanded", "false");
}

export const details = {
  toggle: (view, line) => (view.panel ? close(view, line) : open(view, line)),
  refreshIfOpen(view) {
    if (view.panel) view.again();
  },
};
