// Who is signed in. Other tabs of this browser hear of a sign-out; nothing of a session is written anywhere.
import { forgetToken, hasToken, post, renew, takeSignIn, whenSignedOut } from "./api.js";
import { tell, whenTold } from "./tabs.js";
import { get, set } from "./store.js";

const leaving = new Set();

/** Be told when a session ends: whatever was known of it is to be forgotten. */
export function whenLeaving(forget) {
  leaving.add(forget);
}

export async function resume() {
  const user = await renew();
  set({ session: user ? { status: "in", user } : { status: "out", user: null } });
}

export async function signIn(username, password) {
  entered(await post("/api/auth/login", { username, password, cookie: true }, { bare: true }));
}

export async function register(username, email, password) {
  entered(await post("/api/auth/register", { username, email, password, cookie: true }, { bare: true }));
}

function entered(data) {
  takeSignIn(data);
  set({ session: { status: "in", user: data.user } });
  tell({ kind: "signed-in" });
}

export async function signOut() {
  try {
    if (hasToken()) await post("/api/auth/logout");
  } finally {
    leave();
    tell({ kind: "signed-out" });
  }
}

function leave(reason = null) {
  forgetToken();
  for (const forget of leaving) forget();
  set({ session: { status: "out", user: null, reason }, models: null });
}

export function takeUser(user) {
  set({ session: { ...get().session, user } });
}

whenSignedOut(() => get().session.status === "in" && leave("expired"));
whenTold((word) => {
  if (word.kind === "signed-out" && get().session.status === "in") leave("elsewhere");
  if (word.kind === "signed-in" && get().session.status === "out") resume();
});
// A page that the browser kept whole for the back button may be of a session that has ended since.
addEventListener("pageshow", (event) => event.persisted && location.reload());
