/** Ctrl+K: find a room, a channel to join or somebody to write to, without the mouse. */

import { byId, make } from "./dom.js";
import { t } from "./i18n.js";
import { mark } from "./rooms.js";

const SHOWN_MAX = 12;
const RANK = { room: 0, channel: 1, person: 2 };

export class Switcher {
    #choices = [];
    #found = [];
    #chosen = 0;

    /** `open` is called with a room, `write` with a user name. */
    constructor(session, { open, write }) {
        Object.assign(this, { session, open, write });
        this.dialog = byId("switcher");
        this.input = byId("switcher-input");
        this.list = byId("switcher-list");
        this.input.addEventListener("input", () => this.#filter());
        this.input.addEventListener("keydown", (event) => this.#key(event));
        this.dialog.addEventListener("click", ({ target }) => target === this.dialog && this.dialog.close());
    }

    /** Open the dialog; rooms are there at once, channels and people follow. */
    async show() {
        if (this.dialog.open) return;
        this.input.value = "";
        const { store, api } = this.session;
        const members = [...store.rooms.values()].filter((room) => room.member && room.name);
        this.#choices = members.map((room) => ({ kind: "room", room, names: namesOf(room) }));
        this.#filter();
        this.dialog.showModal();
        const [channels, people] = await Promise.all([
            api.channels().catch(() => []),
            this.session.everybody(),
        ]);
        const known = new Set(members.map((room) => room.id));
        const direct = new Set(members.filter((room) => room.kind === "d").map((room) => room.name));
        direct.add(store.account.username);
        this.#choices.push(
            ...channels
                .filter((room) => !known.has(room.id))
                .map((room) => ({ kind: "channel", room, names: namesOf(room) })),
            ...people
                .filter((person) => !direct.has(person.username))
                .map((person) => ({ kind: "person", person, names: [person.username, person.name] })),
        );
        this.#filter();
    }

    #filter() {
        const wanted = this.input.value.trim().replace(/^[@#]/, "").toLocaleLowerCase();
        const fits = ({ names }) => names.some((name) => name.toLocaleLowerCase().includes(wanted));
        const begins = ({ names }) => names.some((name) => name.toLocaleLowerCase().startsWith(wanted));
        this.#found = this.#choices
            .filter(fits)
            .sort((a, b) => begins(b) - begins(a) || RANK[a.kind] - RANK[b.kind])
            .slice(0, SHOWN_MAX);
        const options = this.#found.map((choice, at) => this.#option(choice, at));
        this.list.replaceChildren(...options);
        if (!options.length) this.list.append(make("li.quiet", { role: "option" }, t("find.nothing")));
        this.#choose(0);
    }

    #option(choice, at) {
        const room = choice.room ?? { kind: "d", name: choice.person.username, title: choice.person.name };
        const click = () => this.#take(choice);
        const option = make("li", { id: `choice-${at}`, role: "option", click }, mark(room));
        option.append(make("span.name", {}, room.title || room.name));
        if (choice.kind === "channel") option.append(make("span.quiet", {}, t("find.join")));
        if (choice.kind === "person")
            option.append(make("span.quiet", {}, t("find.direct", { name: `@${room.name}` })));
        return option;
    }

    #choose(at) {
        this.#chosen = at;
        [...this.list.children].forEach((option, index) => {
            option.setAttribute("aria-selected", String(index === at));
            if (index === at) option.scrollIntoView({ block: "nearest" });
        });
        this.input.setAttribute("aria-activedescendant", `choice-${at}`);
    }

    #key(event) {
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        const count = this.#found.length;
        if (step && count) this.#choose((this.#chosen + step + count) % count);
        else if (event.key === "Enter" && count) this.#take(this.#found[this.#chosen]);
        else return;
        event.preventDefault();
    }

    #take(choice) {
        this.dialog.close();
        if (choice.kind === "person") this.write(choice.person.username);
        else this.open(choice.room);
    }
}

function namesOf(room) {
    return [room.name, room.title ?? ""];
}
