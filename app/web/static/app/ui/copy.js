// Copy and say whether it went.
import { toast } from "../core/store.js";
import { t } from "../strings.js";
import { copyText } from "../text/copy.js";

export async function copyAndSay(text) {
  const went = await copyText(text);
  toast(t(went ? "text.copied" : "text.copyFailed"), went ? "good" : "bad");
}
