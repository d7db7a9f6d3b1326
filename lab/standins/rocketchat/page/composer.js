/** Where the reader writes: text, files, edits; drafts are kept for each room and thread. */

import { Completion } from "./completion.js";
import { iconButton, icon, make } from "./dom.js";
import { t } from "./i18n.js";

export class Composer {
    #drafts = new Map();
    #place = "";
    #editing = null;

    /** `hands`: `{send, save, files, typing, lastOwn, limit, people}`. */
    constructor(hands) {
        this.hands = hands;
        this.field = make("textarea", { rows: 1, autocapitalize: "sentences" });
        this.completion = new Completion(this.field, hands.people);
        this.picker = make("input", { type: "file", multiple: true, hidden: true });
        this.attach = iconButton("attach", "", () => this.picker.click());
        this.submit = make("button.icon.send", { type: "submit" }, icon("send"));
        this.state = make("p.state.quiet", { role: "status" });
        this.uploads = make("div.uploads", { role: "status" });
        const row = make("div.row", {}, this.attach, this.picker, this.field, this.submit);
        this.form = make("form.composer", {}, this.completion.list, this.uploads, row, this.state);
        this.closed = make("div.closed");
        this.box = make("div", {}, this.form, this.closed);
        this.#listen();
        this.close([]); // there is no room yet
        this.localize();
    }

    /** Move to another room or thread; `label` says where the text goes. */
    place(place, label) {
        this.stopEditing();
        this.#drafts.set(this.#place, this.field.value);
        this.#place = place;
        this.label = label;
        this.field.value = this.#drafts.get(place) ?? "";
        this.localize();
        this.#changed();
    }

    /** Say why nothing can be written here (a text or elements), or with null that it can. */
    close(reason) {
        this.form.hidden = Boolean(reason);
        this.closed.hidden = !reason;
        this.closed.replaceChildren(...[reason ?? []].flat());
    }

    focus() {
        if (!this.form.hidden) this.field.focus({ preventScroll: true });
    }

    /** Change an own message, or one that could not be sent. */
    edit(message) {
        if (!this.#editing) this.#drafts.set(this.#place, this.field.value);
        this.#editing = message;
        this.field.value = message.text;
        this.localize();
        this.#changed();
        this.focus();
    }

    /** Leave an edit alone; tells whether there was one. */
    stopEditing() {
        if (!this.#editing) return false;
        this.#editing = null;
        this.field.value = this.#drafts.get(this.#place) ?? "";
        this.localize();
        this.#changed();
        return true;
    }

    localize() {
        const label = this.label ?? "";
        this.field.placeholder = label;
        this.field.setAttribute("aria-label", label);
        name(this.attach, t("composer.attach"));
        name(this.submit, t(this.#editing ? "composer.save" : "composer.send"));
        this.form.dataset.drop = t("composer.drop");
        this.completion.localize();
        this.#check();
    }

    /** Show how far a file is; returns what to call with the percentage, and at the end with null. */
    progress(file) {
        const line = make("p.quiet");
        this.uploads.append(line);
        return (percent) => {
            if (percent === null) line.remove();
            else line.textContent = t("composer.upload", { name: file.name, percent });
        };
    }

    #listen() {
        this.form.addEventListener("submit", (event) => {
            event.preventDefault();
            this.#send();
        });
        this.field.addEventListener("input", () => {
            this.#changed();
            if (!this.#editing) this.hands.typing(this.field.value !== "");
        });
        this.field.addEventListener("keydown", (event) => this.#key(event));
        this.field.addEventListener("blur", () => this.hands.typing(false));
        this.field.addEventListener("paste", (event) => {
            const files = [...event.clipboardData.files];
            if (!files.length) return;
            event.preventDefault();
            this.hands.files(files);
        });
        this.picker.addEventListener("change", () => {
            this.hands.files([...this.picker.files]);
            this.picker.value = "";
        });
    }

    #key(event) {
        if (event.isComposing || this.completion.key(event)) return;
        if (event.key === "Enter" && !event.shiftKey) {
            event.preventDefault();
            this.#send();
        } else if (event.key === "Escape" && this.stopEditing()) event.stopPropagation();
        else if (event.key === "ArrowUp" && !this.field.value) {
            const message = this.hands.lastOwn();
            if (!message) return;
            event.preventDefault();
            this.edit(message);
        }
    }

    #send() {
        const text = this.field.value;
        if (!text.trim() || this.#excess() > 0) return;
        const edited = this.#editing;
        if (edited) {
            this.stopEditing();
            if (text !== edited.text || edited.pending) this.hands.save(edited, text);
            return;
        }
        this.field.value = "";
        this.#changed();
        this.hands.typing(false);
        this.hands.send(text);
    }

    #excess() {
        return this.field.value.length - this.hands.limit();
    }

    // The field grows with its text, up to what the style sheet allows.
    #changed() {
        this.field.style.height = "auto";
        this.field.style.height = `${this.field.scrollHeight}px`;
        this.#check();
    }

    #check() {
        const excess = this.#excess();
        this.submit.disabled = !this.field.value.trim() || excess > 0;
        this.field.setAttribute("aria-invalid", String(excess > 0));
        this.state.classList.toggle("problem", excess > 0);
        if (excess > 0) this.state.textContent = t("composer.left", { count: excess });
        else this.state.textContent = this.#editing ? t("composer.editing") : "";
    }
}

function name(button, label) {
    button.title = label;
    button.setAttribute("aria-label", label);
}
