// What the next question is asked with: model, strategy and switches, kept in this browser.
const NAME = "onedoor.prefs";
const DEFAULTS = { model: "auto", strategy: "", web_search: "", memory: false, ignore_cache: false };

export function readPrefs() {
  try {
    const kept = JSON.parse(localStorage.getItem(NAME)) || {};
    const known = Object.entries(kept).filter(([name, value]) => name in DEFAULTS && typeof value === typeof DEFAULTS[name]);
    return { ...DEFAULTS, ...Object.fromEntries(known) };
  } catch {
    return { ...DEFAULTS };
  }
}

export function writePrefs(prefs) {
  try {
    localStorage.setItem(NAME, JSON.stringify(prefs));
  } catch {
    // then they hold as long as the page
  }
}

/** The fields of a chat that say what differs from the server's own ways. */
export function fieldsOf(prefs) {
  const fields = { model: prefs.model };
  if (prefs.strategy) fields.strategy = prefs.strategy;
  if (prefs.web_search) fields.web_search = prefs.web_search === "auto" ? "auto" : true;
  if (prefs.memory) fields.memory = true;
  if (prefs.ignore_cache) fields.ignore_cache = true;
  return fields;
}
