// Numbers, money, times and sizes for people.
import { t } from "../strings.js";

const whole = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (n) => (n === null || n === undefined ? "–" : whole.format(n));
export const short = (n) => (n === null || n === undefined ? "–" : n < 10_000 ? whole.format(n) : compact.format(n));

/** USD; small sums keep the digits that say something. */
export function money(usd) {
  if (usd === null || usd === undefined) return t("cost.unknown");
  if (usd === 0) return "$0";
  const digits = usd >= 1 ? 2 : usd >= 0.01 ? 4 : 6;
  return `$${usd.toFixed(digits).replace(/(\.\d\d\d*?)0+$/, "$1")}`;
}

export function span(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

export function bytes(n) {
  if (n === null || n === undefined) return "–";
  if (n < 1024) return `${n} B`;
  if (n < 2 ** 20) return `${(n / 1024).toFixed(n < 10_240 ? 1 : 0)} KB`;
  return `${(n / 2 ** 20).toFixed(n < 10 * 2 ** 20 ? 1 : 0)} MB`;
}

const moment = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
const dayOnly = new Intl.DateTimeFormat("en", { dateStyle: "medium" });

/** An RFC 3339 time, or seconds since 1970 as OpenAI's door has them. */
export function time(value) {
  const date = typeof value === "number" ? new Date(value * 1000) : new Date(value);
  return Number.isNaN(date.getTime()) ? "–" : moment.format(date);
}

export function day(value) {
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? "–" : dayOnly.format(date);
}

/** Which heading a conversation stands under. now: the newest time seen of the server's clock, not of this machine's. */
export function ageGroup(value, now) {
  const then = new Date(value);
  const midnight = new Date(now);
  midnight.setHours(0, 0, 0, 0);
  const days = Math.ceil((midnight - then) / 86_400_000);
  if (days <= 0) return t("age.today");
  if (days === 1) return t("age.yesterday");
  if (days <= 7) return t("age.week");
  if (days <= 30) return t("age.month");
  return t("age.older");
}

/** A name that others chose, safe to stand in a line: no control or direction marks, no towers of combining marks. */
export function plainLine(text, most = 300) {
  return String(text ?? "")
    .replace(/[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, " ")
    .replace(/(\p{M}{3})\p{M}+/gu, "$1")
    .slice(0, most);
}
