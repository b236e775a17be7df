// Holds the replies that the specs have kept against the SDK's types, by the compiler of those
// types: what is not in a type, of another kind, or none of the words that may stand there.

import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import ts from "typescript";

const FOLDER = process.env.REPLIES;
const SOURCE = `${FOLDER}/replies.mts`;

// The SDK has no names for these: the whole of a page, and an event with what is told of its way.
const HEAD = `
import type Telnyx from "telnyx";
import type { DetailRecordListResponse } from "telnyx/resources/detail-records";
type Outbound = { data?: Telnyx.OutboundMessagePayload };
type Inbound = { data?: Telnyx.MessagingInboundMessagePayload };
type MessageRow = DetailRecordListResponse.MessageDetailRecord;
type InboundEvent = Telnyx.InboundMessageWebhookEvent & {
  meta: Telnyx.DeliveryUpdateWebhookEvent["meta"] };
type Page<Row> = { data: Row[], meta: {
  page_number: number, page_size: number, total_pages: number, total_results: number } };
`;

// What the service was seen to send, or tells of elsewhere, and these types do not know: it is left
// out, where it is one of these values, and named in the end.
const any = () => true;
const BESIDE_THE_TYPES = [
  // A scheduled message's.
  [/\.send_at$/, any],
  [/\.to\[\]\.status$/, (value) => value === "scheduled"],
  // Of a group, and of what people write back.
  [/\.group_message_id$/, any],
  [/\.autoresponse_type$/, any],
  [/\.is_spam$/, any],
  [/Inbound.*\.media\[\]\.sha256$/, any],
  // A record's, before the end.
  [/^Page<MessageRow>\.data\[\]\.status$/, (value) => /^(queued|sending|sent)$/.test(value)],
];

const leftOut = new Set();

function isBesideTheTypes(way, value) {
  const found = BESIDE_THE_TYPES.some(([place, isSo]) => place.test(way) && isSo(value));
  if (found) leftOut.add(`${way}: ${JSON.stringify(value)}`.replace(/"\d{4}-.*"/, "a time")
    .replace(/"[0-9a-f-]{36}"/, "an id"));
  return found;
}

// The reply without what is beside its type.
function within(way, value) {
  if (Array.isArray(value)) return value.map((one) => within(`${way}[]`, one));
  if (value === null || typeof value !== "object") return value;
  const members = Object.entries(value).filter(
    ([name, one]) => !isBesideTheTypes(`${way}.${name}`, one));
  return Object.fromEntries(members.map(([name, one]) => [name, within(`${way}.${name}`, one)]));
}

function write() {
  const lines = [HEAD];
  for (const name of readdirSync(FOLDER).filter((one) => one.endsWith(".json")).sort()) {
    const { type, reply } = JSON.parse(readFileSync(`${FOLDER}/${name}`, "utf8"));
    const text = JSON.stringify(within(type, reply));
    lines.push(`export const reply${lines.length}: ${type} = ${text};`);
  }
  writeFileSync(SOURCE, `${lines.join("\n")}\n`);
  return lines.length - 1;
}

// The way to a place in a reply, with the type in front: MessageSendResponse.data.to[0].status
function wayTo(file, position) {
  const steps = [];
  const descend = (node) => {
    if (position < node.getStart(file) || position >= node.getEnd()) return;
    if (ts.isVariableDeclaration(node)) steps.push(node.type.getText(file));
    if (ts.isPropertyAssignment(node)) steps.push(`.${JSON.parse(node.name.getText(file))}`);
    if (ts.isArrayLiteralExpression(node)) {
      const at = node.elements.findIndex((one) => position < one.getEnd());
      steps.push(`[${at}]`);
    }
    ts.forEachChild(node, descend);
  };
  descend(file);
  return steps.join("");
}

const nReplies = write();
const program = ts.createProgram([SOURCE], {
  strict: true, noEmit: true, skipLibCheck: true, types: [], target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext,
});
const faults = new Set();
for (const { file, start, messageText } of ts.getPreEmitDiagnostics(program)) {
  const way = file ? wayTo(file, start).replace(/\[\d+\]/g, "[]") : "";
  faults.add(`${way}: ${ts.flattenDiagnosticMessageText(messageText, " ").slice(0, 300)}`);
}
console.log(`${nReplies} replies are of the SDK's types, but for`);
for (const what of [...leftOut].sort()) console.log(`  ${what}`);
assert.deepEqual([...faults], []);
assert.ok(nReplies > 0);
