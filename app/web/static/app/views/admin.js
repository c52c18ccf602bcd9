// For admins: models, keys, users, money, routing, what was done, the configuration. A user who comes here is told so.
import { html } from "../core/lib.js";
import { useStore } from "../core/store.js";
import { t } from "../strings.js";
import { Page, Tabs, useTab } from "../ui/page.js";
import { Empty } from "../ui/parts.js";
import { AllKeys, ProviderKeys } from "./admin/keys.js";
import { Models } from "./admin/models.js";
import { Routing } from "./admin/routing.js";
import { Audit, Config, InstallationBudget } from "./admin/system.js";
import { Users } from "./admin/users.js";

const TABS = [
  ["models", Models], ["provider-keys", ProviderKeys], ["users", Users], ["keys", AllKeys], ["budget", InstallationBudget],
  ["routing", Routing], ["audit", Audit], ["config", Config],
].map(([name, View]) => [name, t(`admin.${name}`), View]);

export default function AdminView() {
  const admin = useStore((state) => state.session.user?.role === "admin");
  const tab = useTab(TABS);
  if (!admin) return html`<${Page} title=${t("place.admin")}><${Empty} icon="key" title=${t("admin.notYou")} text=${t("admin.notYouText")} /><//>`;
  const View = TABS.find(([name]) => name === tab)[2];
  const tabs = html`<${Tabs} base="/app/admin" names=${TABS} current=${tab} label=${t("place.admin")} />`;
  return html`<${Page} title=${t("place.admin")} tabs=${tabs}><${View} key=${tab} /><//>`;
}
