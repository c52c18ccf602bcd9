// Sign in and register.
import { html, useEffect, useRef, useState } from "../core/lib.js";
import { go } from "../core/router.js";
import { register, signIn } from "../core/session.js";
import { useStore } from "../core/store.js";
import { t } from "../strings.js";
import { Form } from "../ui/dialog.js";
import { Mark } from "../ui/icons.js";
import { NetBanner } from "../ui/notices.js";
import { Field } from "../ui/parts.js";

export function AuthView() {
  const joining = useStore((state) => state.route.view === "register");
  const reason = useStore((state) => state.session.reason);
  const [values, setValues] = useState({ username: "", email: "", password: "" });
  const first = useRef(null);
  useEffect(() => {
    document.title = `${t(joining ? "auth.join" : "auth.signIn")} · onedoor`;
    first.current?.querySelector("input")?.focus();
  }, [joining]);
  const put = (name) => (event) => setValues((before) => ({ ...before, [name]: event.target.value }));
  const send = async () => {
    if (joining) await register(values.username, values.email, values.password);
    else await signIn(values.username, values.password);
    if (["login", "register"].includes(location.pathname.split("/")[2])) go("/", { replace: true });
  };
  return html`<main class="auth" id="main">
    <${NetBanner} />
    <div class="auth-card" ref=${first}>
      <div class="auth-brand"><${Mark} size=${40} /><span>onedoor</span></div>
      <h1>${t(joining ? "auth.joinTitle" : "auth.title")}</h1>
      <p class="auth-text">${reason ? t(`auth.reason.${reason}`) : t("auth.text")}</p>
      <${Form} key=${joining} onSend=${send} action=${t(joining ? "auth.join" : "auth.signIn")}>
        ${(faults) => html`
          <${Field} label=${t(joining ? "auth.username" : "auth.usernameOrEmail")} name="username" autocomplete="username"
            autocapitalize="none" spellcheck=${false} required value=${values.username} error=${faults.username} onInput=${put("username")} />
          ${joining &&
          html`<${Field} label=${t("auth.email")} type="email" name="email" autocomplete="email" required value=${values.email}
            error=${faults.email} onInput=${put("email")} />`}
          <${Field} label=${t("auth.password")} type="password" name="password" required value=${values.password}
            autocomplete=${joining ? "new-password" : "current-password"} error=${faults.password}
            hint=${joining ? t("auth.passwordRule") : null} onInput=${put("password")} />`}
      <//>
      <p class="auth-else">${t(joining ? "auth.known" : "auth.new")} ${" "}
        <a href=${joining ? "/app/login" : "/app/register"}>${t(joining ? "auth.signIn" : "auth.join")}</a></p>
    </div>
    <p class="auth-foot"><a href="/docs">${t("auth.docs")}</a></p>
  </main>`;
}
