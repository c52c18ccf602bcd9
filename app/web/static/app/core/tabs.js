// Words between the tabs of this browser on this origin. Never a token, never a text that somebody wrote.
const channel = typeof BroadcastChannel === "function" ? new BroadcastChannel("onedoor") : null;
const hearers = new Set();

export function tell(word) {
  channel?.postMessage(word);
}

export function whenTold(hear) {
  hearers.add(hear);
  return () => hearers.delete(hear);
}

if (channel) {
  channel.onmessage = (event) => {
    if (typeof event.data !== "object" || event.data === null) return;
    for (const hear of [...hearers]) hear(event.data);
  };
}
