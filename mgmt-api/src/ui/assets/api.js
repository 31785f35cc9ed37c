// Requests to the node, and its events. The token, where one is asked for, lives as long as the tab.

const BASE = "api/v1/";
const TOKEN = "isthmus-token";

/** The node asks who calls: `status` 401 or 403. */
export class NotAllowed extends Error {}

export function setToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

function headers() {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** The body of a resource; `undefined` if the node has no such part (404, 503 of a part that does not run). */
export async function get(path, signal) {
  const response = await fetch(BASE + path, { headers: headers(), signal, cache: "no-store" });
  if (response.status === 401 || response.status === 403) throw new NotAllowed(await reason(response));
  const isJson = (response.headers.get("content-type") ?? "").startsWith("application/json");
  if (response.ok || isJson) return response.json();
  if (response.status === 404 || response.status === 503) return undefined;
  throw new Error(await reason(response));
}

async function reason(response) {
  try {
    const problem = await response.json();
    return `${problem.detail} (${problem.remedy})`;
  } catch {
    return `${response.status} ${response.statusText}`;
  }
}

/**
 * Follows the node's events for ever: `onEvent(event)` for each, `onState("live" | "lost", why)` when that changes.
 * Reads with fetch, because EventSource cannot send a token. After a break it goes on behind the last event that it
 * has seen.
 */
export async function follow(onEvent, onState) {
  let last = null;
  for (;;) {
    try {
      const resume = last === null ? {} : { "Last-Event-ID": last };
      const response = await fetch(BASE + "events", {
        headers: { Accept: "text/event-stream", ...headers(), ...resume },
        cache: "no-store",
      });
      if (response.status === 401 || response.status === 403) throw new NotAllowed(await reason(response));
      if (!response.ok) throw new Error(await reason(response));
      onState("live");
      for await (const message of messages(response.body)) {
        if (message.id) last = message.id;
        onEvent(message);
      }
      onState("lost", "the node has ended the stream");
    } catch (error) {
      onState("lost", error.message, error);
      if (error instanceof NotAllowed) return;
    }
    await new Promise((wake) => setTimeout(wake, RECONNECT));
  }
}

/** The messages of a stream of server-sent events (WHATWG HTML, section 9.2.6). */
async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let message = { type: "message", data: [] };
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split(/\r\n|\n|\r/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (message.data.length) yield { ...message, data: message.data.join("\n") };
        message = { type: "message", data: [] };
        continue;
      }
      const colon = line.indexOf(":");
      const field = colon < 0 ? line : line.slice(0, colon);
      const text = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "data") message.data.push(text);
      if (field === "event") message.type = text;
      if (field === "id") message.id = text;
    }
  }
}

/** Milliseconds until a broken stream is opened again. */
const RECONNECT = 1000;
