// The sandbox's JSON. Every call returns the parsed body, or throws a Problem with words for
// people.

export class Problem extends Error {
  constructor(words, status) {
    super(words);
    this.status = status;
  }
}

function wordsOf(body, status) {
  const first = body && body.errors && body.errors[0];
  if (!first) return `The sandbox answered ${status}.`;
  return [first.code, first.title, first.detail].filter(Boolean).join(" · ");
}

async function parse(response) {
  try { return await response.json(); } catch { return null; }
}

async function call(method, path, body, type = "application/json") {
  let response;
  try {
    response = await fetch(path, { method, body, headers: body ? { "Content-Type": type } : {} });
  } catch {
    throw new Problem("The sandbox does not answer.", 0);
  }
  const answer = await parse(response);
  if (!response.ok) throw new Problem(wordsOf(answer, response.status), response.status);
  return answer;
}

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  return new URLSearchParams(given).toString();
}

const get = (path, values = {}) => call("GET", `${path}?${query(values)}`.replace(/\?$/, ""));
const send = (method, path, value) => call(method, path, JSON.stringify(value));
const segment = encodeURIComponent;

export const api = {
  phones: (values) => get("/sandbox/phones", values),
  messages: (values) => get("/sandbox/messages", values),
  message: async (id) => (await get(`/sandbox/messages/${segment(id)}`)).data,
  refusals: async () => (await get("/sandbox/refusals")).data,
  weather: async () => (await get("/sandbox/weather")).data,
  options: () => get("/sandbox/options"),
  turn: (knobs) => send("PATCH", "/sandbox/options", knobs),
  publicKey: async () => (await get("/sandbox/public_key")).public_key,
  reply: (message) => send("POST", "/sandbox/reply", message),
  outcome: async (outcome) => (await send("POST", "/sandbox/outcome", outcome)).data,
  resend: (delivery) => call("POST", `/sandbox/webhooks/${segment(delivery)}/resend`),
  deleteAll: () => call("DELETE", "/sandbox/messages"),
  upload: async (file) => (await call("POST", "/sandbox/media", file, file.type)).url,
};
