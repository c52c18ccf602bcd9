// The one way to the server. The access token lives in this module and nowhere else; the refresh token is a cookie
// that no script can read. Times are counted from when a reply came, never by this machine's clock.
import { t } from "../strings.js";
import { lost, reached, slow, unslow } from "./net.js";
import { set } from "./store.js";

const EARLY = 0.75; // of a token's life: when the next one is asked for
const SLOW = 8000;

let token = null;
let renewAt = 0; // by performance.now()
let renewing = null;
let onOut = () => {};

/** A reply that was no success, in the words the server gave. */
export class ApiError extends Error {
  constructor(status, error = {}, headers = null) {
    super(error.message || t(status ? "error.status" : "error.unreachable", { status }));
    this.status = status;
    this.code = error.code || (status ? `http_${status}` : "unreachable");
    this.details = error.details || {};
    this.field = this.details.field || error.param || null;
    this.retryAfter = Number(headers?.get("retry-after")) || null;
  }
}

export function whenSignedOut(tell) {
  onOut = tell;
}

export function hasToken() {
  return token !== null;
}

/** Take what a sign-in or a renewal answered. */
export function takeSignIn(data) {
  token = data.access_token;
  renewAt = performance.now() + data.expires_in * 1000 * EARLY;
}

export function forgetToken() {
  token = null;
}

/** The next pair of tokens by the cookie; null where there is no sign-in. Tabs take turns where the browser lets them. */
export function renew() {
  renewing ??= turn(askForRenewal).finally(() => {
    renewing = null;
  });
  return renewing;
}

function turn(work) {
  return navigator.locks ? navigator.locks.request("onedoor.renew", work) : work();
}

async function askForRenewal() {
  const reply = await send("POST", "/api/auth/refresh", { body: { cookie: true }, bare: true });
  if (reply.status === 401 || reply.status === 400) {
    token = null;
    return null;
  }
  const { data } = await parsed(reply);
  takeSignIn(data);
  return data.user;
}

/** JSON in, JSON out. Raises ApiError. `data` of the app door's envelope where there is one, else the whole object. */
export async function call(method, path, options = {}) {
  const reply = await fetchReply(method, path, options);
  if (reply.status === 204) return null;
  const body = await parsed(reply);
  return body && body.status === "success" && "data" in body ? body.data : body;
}

export const getJson = (path, query, options) => call("GET", path, { query, ...options });
export const post = (path, body, options) => call("POST", path, { body, ...options });
export const patch = (path, body) => call("PATCH", path, { body });
export const put = (path, body, options) => call("PUT", path, { body, ...options });
export const remove = (path) => call("DELETE", path);

/** The bytes of something that needs our token, as a picture or a download does. */
export async function getBlob(path, options) {
  return (await fetchReply("GET", path, options)).blob();
}

/** The reply itself, good or an ApiError; for streams and files. A 401 is mended by a renewal once. */
export async function fetchReply(method, path, options = {}) {
  if (token !== null && performance.now() > renewAt) await renew();
  let reply = await send(method, path, options);
  if (reply.status === 401 && !options.bare) {
    if ((await renew()) === null) {
      onOut();
      throw await fault(reply);
    }
    reply = await send(method, path, options);
  }
  if (!reply.ok) throw await fault(reply);
  return reply;
}

async function send(method, path, { body, query, headers = {}, signal, bare = false, patient = false } = {}) {
  const sent = { accept: "application/json", ...headers };
  if (token !== null && !bare) sent.authorization = `Bearer ${token}`;
  let payload = body;
  if (body !== undefined && !(body instanceof FormData) && typeof body !== "string") {
    sent["content-type"] = "application/json";
    payload = JSON.stringify(body);
  }
  const late = patient ? null : setTimeout(slow, SLOW);
  try {
    const reply = await fetch(withQuery(path, query), {
      method,
      headers: sent,
      body: payload,
      signal,
      // Not no-store: a browser says that by `Cache-Control: no-cache`, which asks past the server's cache of answers.
      credentials: "same-origin",
      redirect: "error",
    });
    reached();
    set({ degraded: reply.headers.get("x-degraded") });
    return reply;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    lost();
    throw new ApiError(0);
  } finally {
    clearTimeout(late);
    unslow();
  }
}

export function withQuery(path, query) {
  const pairs = Object.entries(query || {}).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return pairs.length ? `${path}?${new URLSearchParams(pairs)}` : path;
}

async function parsed(reply) {
  if (!reply.ok) throw await fault(reply);
  try {
    return await reply.json();
  } catch {
    throw new ApiError(reply.status, { message: t("error.unreadable") });
  }
}

async function fault(reply) {
  let body = null;
  try {
    body = await reply.json();
  } catch {
    // no JSON: what stands in the status is all there is to tell
  }
  return new ApiError(reply.status, body?.error, reply.headers);
}

/** Send a form with a file and hear how far it is, 0 to 1. Fetch cannot tell that, so this is the older way. */
export async function upload(path, form, onProgress, signal) {
  if (performance.now() > renewAt) await renew();
  const once = () =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", path);
      request.setRequestHeader("authorization", `Bearer ${token}`);
      request.setRequestHeader("accept", "application/json");
      request.responseType = "json";
      request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
      request.onload = () => resolve(request);
      request.onerror = () => {
        lost();
        reject(new ApiError(0));
      };
      request.onabort = () => reject(new DOMException("stopped", "AbortError"));
      signal?.addEventListener("abort", () => request.abort(), { once: true });
      request.send(form);
    });
  let request = await once();
  if (request.status === 401 && (await renew()) !== null) request = await once();
  const body = request.response;
  if (request.status < 200 || request.status > 299) throw new ApiError(request.status, body?.error);
  return body?.status === "success" ? body.data : body;
}

/** A word no other request bears. crypto.randomUUID is not there on plain HTTP, getRandomValues is. */
export function newKey() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
