/** The page of somebody who is logged in: which room and thread are open, keys, addresses. */

import { byId } from "./dom.js";
import { onLanguage, t } from "./i18n.js";
import { attempt, notify } from "./notices.js";
import { Panel, titleOf } from "./panel.js";
import { Refusal } from "./refusal.js";
import { RoomList } from "./rooms.js";
import * as router from "./router.js";
import { Session } from "./session.js";
import { Switcher } from "./switcher.js";

const FIRST_ROOM = "general";

export class App {
    /** `ended` is called when the server does not know the login any more. */
    constructor(api, account, { ended }) {
        const connection = (state) => this.#connection(state);
        this.session = new Session(api, account, { connection, ended });
        const { store } = this.session;
        this.room = new Panel(byId("room-panel"), this.session, {
            openThread: (message) => this.openThread(message.thread ?? message.id),
        });
        this.thread = new Panel(byId("thread-panel"), this.session);
        this.rooms = new RoomList(byId("rooms"), store, (room) => this.open(room));
        this.switcher = new Switcher(this.session, {
            open: (room) => this.open(room),
            write: (username) => this.#write(username),
        });
        store.on("rooms", () => this.#roomsChanged());
        onLanguage(() => {
            this.#roomsChanged();
            this.#connection(this.state);
        });
        byId("me-name").textContent = account.name;
        byId("me-avatar").src = `/avatar/${encodeURIComponent(account.username)}`;
        this.#listen();
    }

    async start() {
        await this.session.start();
        await this.#follow(router.parse());
    }

    /** Show a room and load it; `thread` is opened beside it. */
    async open(room, thread = null) {
        this.#menu(false);
        if (!this.session.store.rooms.has(room.id)) this.session.store.changeRoom("inserted", room);
        const known = this.session.store.rooms.get(room.id);
        this.#hideThread();
        router.show(router.addressOf(known, thread));
        this.room.show(known);
        this.room.state("room.loading");
        this.#roomsChanged();
        this.room.composer.focus();
        if (thread) this.openThread(thread);
        try {
            await this.session.history.open(known);
        } catch (refusal) {
            if (!(refusal instanceof Refusal)) throw refusal;
            if (this.room.room?.id === known.id) this.room.state("room.unloaded", { why: refusal });
            return;
        }
        if (this.room.room?.id !== known.id) return;
        const { complete } = this.session.store.conversation(known.id);
        this.room.state(complete ? "room.start" : "");
        this.room.list.toEnd();
        this.room.list.askForOlder();
    }

    /** Show a thread of the open room. */
    async openThread(id) {
        const { room } = this.room;
        byId("thread").hidden = false;
        document.body.classList.add("thread-open");
        router.show(router.addressOf(room, id));
        this.thread.show(room, id);
        this.thread.state("room.loading");
        this.thread.composer.focus();
        const loaded = await attempt(async () => {
            await this.session.history.openThread(room.id, id);
            return true;
        });
        if (this.thread.thread !== id) return;
        const first = this.session.store.conversation(room.id).messages.has(id);
        this.thread.state(loaded && !first ? "thread.gone" : "");
        this.thread.list.toEnd();
    }

    closeThread() {
        if (byId("thread").hidden) return;
        this.#hideThread();
        router.show(router.addressOf(this.room.room));
        this.room.composer.focus();
    }

    #hideThread() {
        byId("thread").hidden = true;
        document.body.classList.remove("thread-open");
        this.thread.leave();
    }

    // An address may name a room that nobody opened yet, or none at all.
    async #follow(route) {
        const { store } = this.session;
        const first =
            store.roomNamed("c", FIRST_ROOM) ?? [...store.rooms.values()].find((room) => room.member);
        const room = route ? await attempt(() => this.#roomOf(route)) : first;
        if (room) await this.open(room, route?.thread);
        else if (route) {
            notify(t("rooms.missing"));
            if (first) await this.open(first);
        }
    }

    async #roomOf({ kind, name }) {
        const known = this.session.store.roomNamed(kind, name);
        if (known || kind === "p") return known;
        if (kind === "d") return this.session.direct(name);
        return (await this.session.api.channels()).find((room) => room.name === name);
    }

    async #write(username) {
        const room = await attempt(() => this.session.direct(username));
        if (room) await this.open(room);
    }

    #roomsChanged() {
        const { room } = this.room;
        const current = room && this.session.store.rooms.get(room.id);
        this.rooms.render(current?.id ?? null);
        const name = current ? titleOf(current) : "";
        byId("room-name").textContent = name;
        byId("room-topic").textContent = current?.topic ?? "";
        const unread = this.rooms.unread();
        document.title = `${unread ? `(${unread}) ` : ""}${name ? `${name} · ` : ""}Rocket.Chat stand-in`;
    }

    #connection(state) {
        this.state = state;
        const line = byId("connection");
        const key = { lost: "connection.lost", catching: "connection.catching" }[state];
        line.hidden = !key;
        line.textContent = key ? t(key) : "";
    }

    /** The server asks to slow down: say so for as long as it takes. */
    slowed(seconds) {
        const line = byId("connection");
        line.hidden = false;
        line.textContent = t("connection.slow", { seconds });
        clearTimeout(this.slow);
        this.slow = setTimeout(() => this.#connection(this.state), seconds * 1000);
    }

    #listen() {
        byId("find").addEventListener("click", () => this.switcher.show());
        byId("thread-close").addEventListener("click", () => this.closeThread());
        byId("menu").addEventListener("click", () => this.#menu(true));
        byId("app").addEventListener("click", ({ target }) => {
            if (!target.closest("#sidebar, #menu")) this.#menu(false);
        });
        addEventListener("popstate", () => this.#follow(router.parse()));
        addEventListener("keydown", (event) => this.#key(event));
        document.addEventListener("click", (event) => {
            const link = event.target.closest("a[data-inside]");
            if (!link) return;
            event.preventDefault();
            this.#follow(router.parse(link));
        });
    }

    // On a narrow screen the rooms come in over the messages; tells whether that changed.
    #menu(open) {
        const { classList } = document.body;
        if (classList.contains("menu-open") === open) return false;
        classList.toggle("menu-open", open);
        byId("menu").setAttribute("aria-expanded", String(open));
        byId(open ? "find" : "menu").focus();
        return true;
    }

    #key(event) {
        if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
            event.preventDefault();
            this.switcher.show();
        } else if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
            if (!this.#menu(false)) this.closeThread();
        }
    }
}
