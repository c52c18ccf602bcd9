// The question that is being answered, kept for this tab alone, so that a reload knows what it cut off. No token is in it.
const NAME = "onedoor.pending";
const LONGEST = 200_000;

function read() {
  try {
    const found = JSON.parse(sessionStorage.getItem(NAME));
    return found && typeof found === "object" && typeof found.key === "string" ? found : null;
  } catch {
    return null;
  }
}

/** Note it, or more about the one of the same key. */
export function notePending(parts) {
  const before = read();
  const noted = { ...(before?.key === parts.key ? before : {}), ...parts };
  try {
    const text = JSON.stringify(noted);
    if (text.length <= LONGEST) sessionStorage.setItem(NAME, text);
  } catch {
    // storage is full or shut: a reload will then know nothing of it
  }
}

/** What was pending in that conversation (null: in a new one). */
export function pendingOf(conversation) {
  const found = read();
  return found && (found.conversation ?? null) === (conversation ?? null) ? found : null;
}

export function forgetPending(key) {
  if (!key || read()?.key === key) {
    try {
      sessionStorage.removeItem(NAME);
    } catch {
      // there was nothing then
    }
  }
}
