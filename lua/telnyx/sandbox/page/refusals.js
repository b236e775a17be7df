// Posts of which no message came: how many, and, when one asks, which and why.

import { api } from "./api.js";
import { openDialog } from "./dialogs.js";
import { find, ltr, make, say } from "./dom.js";
import { plain } from "./text.js";
import { count, exactTime } from "./times.js";

const chip = find("refused"), list = find("refusals");

let n = 0;

function show() {
  say(chip, n ? `${count(n)} refused` : "");
}

function entry(refusal) {
  const item = make("li"), head = make("p", "line"), why = make("p", "why");
  const words = [refusal.status || "no answer", refusal.code, refusal.title].filter(Boolean);
  head.append(ltr(exactTime(refusal.at), "time"), ltr(plain(refusal.to || "to nobody")));
  why.append(make("span", "bad", words.join(" · ")));
  item.append(head, why);
  if (refusal.detail) item.append(make("p", "detail", plain(refusal.detail)));
  if (refusal.text) {
    const text = make("p", "quiet-words", plain(refusal.text));
    text.dir = "auto";
    item.append(text);
  }
  return item;
}

async function open() {
  say(find("refusals-problem"), "");
  list.replaceChildren();
  openDialog("refusals-dialog");
  try {
    list.replaceChildren(...(await api.refusals()).map(entry));
  } catch (problem) {
    say(find("refusals-problem"), problem.message);
  }
}

export const refusals = {
  begin(total) {
    n = total || 0;
    show();
  },
  add() {
    n += 1;
    show();
  },
};

chip.addEventListener("click", open);
