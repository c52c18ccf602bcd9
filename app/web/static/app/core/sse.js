// Server-Sent Events of a fetch. Only the events of the contract come through, each with the fields it owes.
const LONGEST = 64 * 2 ** 20;

const KNOWN = {
  start: (data) => typeof data.prompt_id === "string",
  delta: (data) => typeof data.text === "string" || typeof data.reasoning === "string",
  notice: (data) => typeof data.message === "string",
  restart: () => true,
  end: (data) => typeof data.text === "string",
  error: (data) => typeof data.message === "string" || typeof data.code === "string",
};

/** Events as [name, data], as they come. What is not in the contract is passed over. */
export async function* events(reply) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let ahead = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const seen = Math.max(0, ahead.length - 1); // no event ends before here
      ahead += value;
      if (ahead.length > LONGEST) throw new Error("an event without end");
      let from = 0;
      for (let at = ahead.indexOf("\n\n", seen); at >= 0; at = ahead.indexOf("\n\n", from)) {
        const event = parse(ahead.slice(from, at));
        from = at + 2;
        if (event) yield event;
      }
      ahead = ahead.slice(from);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

export function parse(block) {
  let name = "message";
  const lines = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) lines.push(line.slice(line[5] === " " ? 6 : 5));
  }
  if (!Object.hasOwn(KNOWN, name) || !lines.length) return null;
  try {
    const data = JSON.parse(lines.join("\n"));
    return typeof data === "object" && data !== null && KNOWN[name](data) ? [name, data] : null;
  } catch {
    return null;
  }
}
