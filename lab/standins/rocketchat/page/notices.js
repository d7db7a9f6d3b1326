/** Short notices: what failed, said where it is seen and heard, and gone after a while. */

import { byId, iconButton, make } from "./dom.js";
import { t } from "./i18n.js";
import { Refusal } from "./refusal.js";

const SHOWN_MS = 10_000;
const SHOWN_MAX = 4;
const HEARD_AFTER_MS = 2500;

/** Say something; anything that can be a text. */
export function notify(reason) {
    const text = String(reason);
    const notice = make("p.notice", {}, text.charAt(0).toLocaleUpperCase() + text.slice(1));
    notice.append(iconButton("close", t("close"), () => notice.remove()));
    const box = byId("notices");
    box.append(notice);
    while (box.children.length > SHOWN_MAX) box.firstChild.remove();
    setTimeout(() => notice.remove(), SHOWN_MS);
}

/** Do something that may be refused, and say so if it is; a mistake of this page stays one. */
export async function attempt(action) {
    try {
        return await action();
    } catch (refusal) {
        if (!(refusal instanceof Refusal)) throw refusal;
        notify(refusal);
        return undefined;
    }
}

/** Ask before something that cannot be taken back; `about` is shown as it is. */
export async function confirmed(question, about, yes) {
    const dialog = byId("question");
    byId("question-text").textContent = question;
    byId("question-about").textContent = about;
    byId("question-yes").textContent = yes;
    dialog.returnValue = "no";
    dialog.showModal();
    await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
    return dialog.returnValue === "yes";
}

const waiting = new Map();

/**
 * Read a message of somebody else's to people who hear the page, once it has stopped growing:
 * an answer that is edited every second would else be read over and over.
 */
export function announce(message) {
    clearTimeout(waiting.get(message.id));
    const say = () => {
        waiting.delete(message.id);
        const text = message.text.slice(0, 500);
        byId("announcer").textContent = t("message.heard", { name: message.author.name, text });
    };
    waiting.set(message.id, setTimeout(say, HEARD_AFTER_MS));
}
