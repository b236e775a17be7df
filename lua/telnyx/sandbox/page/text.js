// Texts of strangers. Nothing of them is ever markup; what cannot be seen is shown as a symbol.

import { make } from "./dom.js";

// C0 (but for tab and new line), DEL, C1, and the characters that turn or hide what follows.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;
const HIDDEN = /[\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;

export const codepoint = (character) =>
  `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

const NAMES = ("NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI "
  + "DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US").split(" ");

function nameOf(character) {
  const code = character.codePointAt(0);
  return NAMES[code] || (code === 0x7f ? "DEL" : codepoint(character));
}

// U+2400 and on are pictures of the control characters.
export function symbolOf(character) {
  const code = character.codePointAt(0);
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  return `[${codepoint(character)}]`;
}

// The same text in one line, for lists.
export function plain(text) {
  const shown = text.replace(/\s+/g, " ");
  return Array.from(shown, (c) => (UNSEEN.test(c) ? `[${nameOf(c)}]` : c)).join("");
}

// Pieces for an element: strings, and marks for those characters that `classOf` names a class for.
function pieces(text, classOf, show) {
  const list = [];
  let run = "";
  for (const character of text) {
    const className = classOf(character);
    if (!className) {
      run += character;
      continue;
    }
    if (run) list.push(run);
    run = "";
    const mark = make("span", className, show(character));
    mark.title = codepoint(character);
    // Few fonts have the pictures, so the style shows the name.
    if (className === "symbol") mark.dataset.name = nameOf(character);
    list.push(mark);
  }
  if (run) list.push(run);
  return list;
}

// A message's text as a phone shows it.
export function fill(node, text) {
  const isPlain = !UNSEEN.test(text);
  node.replaceChildren(...(isPlain ? [text]
    : pieces(text, (c) => UNSEEN.test(c) && "symbol", symbolOf)));
}

// The text of one part in a bill, with the characters marked that make it dear.
export function fillMarked(node, text, culprits) {
  const classOf = (c) => {
    if (culprits.has(c)) return "culprit";
    return (UNSEEN.test(c) || HIDDEN.test(c)) && "symbol";
  };
  const show = (c) => (UNSEEN.test(c) || HIDDEN.test(c) ? symbolOf(c) : c);
  node.replaceChildren(...pieces(text, classOf, show));
}

export const shownCharacter = (c) =>
  (UNSEEN.test(c) || HIDDEN.test(c) || /\s/.test(c) ? codepoint(c) : c);
