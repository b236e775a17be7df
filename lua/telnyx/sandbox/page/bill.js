// What a message costs and why: its parts as they are cut, the characters that make it dear, and
// what would be cheaper.

import { ltr, make } from "./dom.js";
import { fillMarked, shownCharacter, symbolOf } from "./text.js";
import { counted, count } from "./times.js";

const costOf = (cost) => (cost ? `${cost.amount} ${cost.currency}` : null);

function sums(bill, cost) {
  const unit = bill.encoding === "UCS-2" ? "UTF-16 unit" : "septet";
  return [
    counted(bill.parts, "part"), bill.encoding, counted(bill.characters, "character"),
    `${counted(bill.units, unit)}, ${count(bill.limit)} to a part`, `${count(bill.remaining)} free`,
    costOf(cost),
  ].filter(Boolean);
}

function part(text, number, n, culprits) {
  const item = make("li", "part");
  const body = make("div", "part-text");
  body.dir = "auto";
  fillMarked(body, text, culprits);
  item.append(make("span", "part-number", n > 1 ? `${number} of ${n}` : "1 part"), body);
  return item;
}

function partsOf(bill, text) {
  const culprits = new Set((bill.culprits || []).map((one) => one.character));
  const split = bill.split || [text];
  const list = make("ol", "parts");
  list.append(...split.map((piece, i) => part(piece, i + 1, split.length, culprits)));
  return list;
}

function culpritNode(culprit) {
  const item = make("li");
  const glyph = make("bdi", "culprit", shownCharacter(culprit.character));
  item.append(glyph, ltr(culprit.codepoint, "code"));
  if (culprit.count > 1) item.append(make("span", "", `${count(culprit.count)} times`));
  if (culprit.substitute) {
    const substitute = culprit.substitute.replace(/\s/g, symbolOf);
    item.append(make("span", "", "instead:"), ltr(substitute, "code"));
  }
  return item;
}

const MOST_CULPRITS = 24; // a text in Chinese has as many as characters

function culpritsOf(bill) {
  if (!bill.culprits || !bill.culprits.length) return null;
  const box = make("div", "culprits"), list = make("ul");
  list.append(...bill.culprits.slice(0, MOST_CULPRITS).map(culpritNode));
  const n = bill.culprits.length - MOST_CULPRITS;
  if (n > 0) list.append(make("li", "", `and ${count(n)} more`));
  box.append(make("p", "", "Not in GSM-7, so the whole message goes as UCS-2:"), list);
  return box;
}

function adviceOf(bill) {
  if (!bill.advice || !bill.advice.length) return null;
  const list = make("ul", "advice");
  list.append(...bill.advice.map((one) => make("li", "", one.text)));
  return list;
}

export function showBill(section, data) {
  const inner = section.querySelector(".inner"), { bill } = data;
  section.hidden = !bill && !data.cost;
  if (!bill) return inner.replaceChildren(make("p", "sums", costOf(data.cost) || ""));
  const nodes = [
    make("p", "sums", sums(bill, data.cost).join(" · ")), partsOf(bill, data.text || ""),
    culpritsOf(bill), adviceOf(bill),
  ];
  inner.replaceChildren(...nodes.filter(Boolean));
}
