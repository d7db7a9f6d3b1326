/** Offers people while `@na…` is being written: arrows choose, Enter or Tab take, Esc closes. */

import { make } from "./dom.js";
import { t } from "./i18n.js";

const OFFERED_MAX = 8;
let count = 0;

export class Completion {
    #found = [];
    #chosen = 0;

    /** `people` returns a promise of `[{username, name}]`, the likeliest first. */
    constructor(field, people) {
        this.field = field;
        this.people = people;
        count += 1;
        this.id = `people-${count}`;
        this.list = make("ul.completion", { id: this.id, role: "listbox", hidden: true });
        field.setAttribute("aria-controls", this.id);
        field.setAttribute("aria-autocomplete", "list");
        field.addEventListener("input", () => this.#look());
        field.addEventListener("click", () => this.#look());
        field.addEventListener("blur", () => this.#close());
    }

    localize() {
        this.list.setAttribute("aria-label", t("composer.mentions"));
    }

    /** Take a key that is meant for the list; tells whether it was. */
    key(event) {
        if (this.list.hidden) return false;
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (step) this.#choose((this.#chosen + step + this.#found.length) % this.#found.length);
        else if (event.key === "Enter" || event.key === "Tab") this.#take(this.#found[this.#chosen]);
        else if (event.key === "Escape") this.#close();
        else return false;
        event.preventDefault();
        event.stopPropagation();
        return true;
    }

    #begun() {
        const before = this.field.value.slice(0, this.field.selectionStart);
        return /(?:^|[\s(])@([\w.-]*)$/.exec(before)?.[1] ?? null;
    }

    async #look() {
        if (this.#begun() === null) {
            this.#close();
            return;
        }
        const people = await this.people();
        const begun = this.#begun()?.toLowerCase(); // may have gone on meanwhile
        const fits = ({ username, name }) =>
            [username, ...name.split(/[\s._-]+/)].some((part) => part.toLowerCase().startsWith(begun));
        this.#found = begun === undefined ? [] : people.filter(fits).slice(0, OFFERED_MAX);
        if (this.#found.length) this.#show();
        else this.#close();
    }

    #show() {
        const options = this.#found.map((person, at) =>
            make(
                "li",
                {
                    id: `${this.id}-${at}`,
                    role: "option",
                    mousedown: (event) => {
                        event.preventDefault(); // the field keeps the focus
                        this.#take(person);
                    },
                },
                make("strong", {}, `@${person.username}`),
                make("span.quiet", {}, person.name),
            ),
        );
        this.list.replaceChildren(...options);
        this.list.hidden = false;
        this.#choose(0);
    }

    #choose(at) {
        this.#chosen = at;
        [...this.list.children].forEach((option, index) =>
            option.setAttribute("aria-selected", String(index === at)),
        );
        this.field.setAttribute("aria-activedescendant", `${this.id}-${at}`);
    }

    #take({ username }) {
        const { field } = this;
        const end = field.selectionStart;
        const start = end - this.#begun().length;
        field.setRangeText(`${username} `, start, end, "end");
        this.#close();
        field.dispatchEvent(new Event("input", { bubbles: true }));
    }

    #close() {
        this.list.hidden = true;
        this.field.removeAttribute("aria-activedescendant");
    }
}
