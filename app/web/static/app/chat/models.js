// The catalogue as pickers show it: aliases first, what can answer, and what cannot with the reason.
import { getJson } from "../core/api.js";
import { get, set } from "../core/store.js";
import { count, money } from "../core/format.js";
import { t } from "../strings.js";

let asking = null;

/** Ask for the catalogue, once for all who want it at the same time. */
export function loadModels(anew = false) {
  if (get().models && !anew) return Promise.resolve(get().models);
  asking ??= fetchModels().finally(() => {
    asking = null;
  });
  return asking;
}

async function fetchModels() {
  const [rows, known] = await Promise.all([getJson("/models"), getJson("/v1/models")]);
  const aliases = known.data.filter((one) => one.owned_by === "alias").map((one) => one.id);
  const models = { rows: rows.models, aliases };
  set({ models });
  return models;
}

const writes = (row) => (row.modalities?.out || ["text"]).some((kind) => kind === "text" || kind === "image");

/** Options in groups: {value, name, detail, off, reason, marks}. */
export function modelGroups(models) {
  const chats = models.rows.filter(writes);
  return [
    { name: t("models.automatic"), options: models.aliases.map(aliasOption) },
    { name: t("models.available"), options: chats.filter((row) => row.available).map(rowOption) },
    { name: t("models.unavailable"), options: chats.filter((row) => !row.available).map(rowOption) },
  ].filter((group) => group.options.length);
}

function aliasOption(alias) {
  return { value: alias, name: alias, detail: t(`alias.${alias}`, {}, t("alias.other", { name: alias })), marks: [] };
}

function rowOption(row) {
  const marks = [];
  if ((row.modalities?.in || []).includes("image")) marks.push(t("models.sees"));
  if ((row.modalities?.out || []).includes("image")) marks.push(t("models.draws"));
  return {
    value: row.name,
    name: row.name,
    detail: row.available ? factsOf(row) : null,
    off: !row.available,
    reason: row.available ? null : row.reason,
    marks,
  };
}

function factsOf(row) {
  const parts = [row.provider];
  if (row.context_window) parts.push(t("models.window", { tokens: count(row.context_window) }));
  if (row.price?.input !== undefined) {
    parts.push(row.price.input || row.price.output
      ? t("models.price", { in: money(row.price.input), out: money(row.price.output) })
      : t("models.free"));
  }
  if (row.average_rating) parts.push(t("models.rating", { stars: row.average_rating.toFixed(1) }));
  return parts.join(" · ");
}
