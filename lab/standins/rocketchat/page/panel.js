/** A room or a thread as one sees it: its messages, who is typing, and where to write. */

import { Composer } from "./composer.js";
import { icon, make } from "./dom.js";
import { onLanguage, t } from "./i18n.js";
import { MessageList } from "./message_list.js";
import { announce, attempt, confirmed, notify } from "./notices.js";
import { tooLarge } from "./refusal.js";
import { addressOf } from "./router.js";

export class Panel {
    /** `openThread` is called with a message; it is absent in the panel of a thread itself. */
    constructor(container, session, { openThread = null } = {}) {
        this.session = session;
        this.room = null;
        this.thread = null;
        this.threads = Boolean(openThread);
        this.openThread = openThread ?? (() => null);
        this.list = new MessageList(this.#listHands());
        this.composer = new Composer(this.#composerHands());
        this.typing = make("p.typing.quiet");
        this.latest = make(
            "button.latest",
            { type: "button", hidden: true, click: () => this.list.toEnd() },
            icon("down"),
            make("span"),
        );
        const scrolling = make("div.scrolling", {}, this.list.box, this.latest);
        container.replaceChildren(scrolling, this.typing, this.composer.box);
        this.#acceptDrops(container);
        this.#follow();
    }

    /** Show a room, or a thread of it; loading it is the caller's business. */
    show(room, thread = null) {
        const { store } = this.session;
        Object.assign(this, { room, thread });
        const unread = !thread && (room.unread || room.alert);
        const messages = [...store.conversation(room.id).messages.values()];
        this.list.show(
            messages.filter((message) => this.#belongs(message)),
            unread ? room.seen : Infinity,
        );
        this.composer.place(`${room.id}/${thread ?? ""}`, "");
        this.localize();
        this.seen();
    }

    /** Stop showing anything. */
    leave() {
        this.room = null;
        this.list.show([]);
    }

    /** The room may have changed: its name, and who may write in it. */
    update(room) {
        this.room = room;
        this.#label();
        const reason = this.session.store.silence(room);
        if (!room.member && room.kind === "c") this.composer.close(this.#invitation(room));
        else this.composer.close(reason && make("p", {}, t(reason)));
    }

    localize() {
        if (!this.room) return;
        this.update(this.room);
        this.composer.localize();
        this.list.refresh();
        this.#moved();
        this.#showTyping();
        this.state();
    }

    /** Say what is missing at the start of the messages; `key` names the text. */
    state(key = this.noted, values = {}) {
        this.noted = key;
        this.list.note.textContent = key ? t(key, values) : "";
    }

    /** The end of the room is in view: it counts as read. */
    seen() {
        if (this.thread || !this.room || !this.list.atEnd || document.hidden) return;
        this.session.reads.read(this.room.id);
    }

    #label() {
        const name = titleOf(this.room);
        const messages = this.thread ? t("thread.messages") : t("room.messages", { name });
        this.list.box.setAttribute("aria-label", messages);
        this.composer.label = this.thread ? t("composer.thread") : t("composer.to", { name });
        this.composer.localize();
    }

    #invitation(room) {
        const click = () => attempt(() => this.session.join(room));
        const button = make("button.primary", { type: "button", click }, t("room.join"));
        return [make("p", {}, t("room.outside", { name: titleOf(room) })), button];
    }

    #belongs(message) {
        if (message.rid !== this.room?.id) return false;
        if (!this.thread) return message.shown;
        return message.id === this.thread || message.thread === this.thread;
    }

    #follow() {
        const { store } = this.session;
        store.on("message", (message, known) => {
            if (message.rid !== this.room?.id) return;
            if (this.#belongs(message)) this.list.put(message);
            if (message.thread) this.list.touch(message.thread);
            if (this.#isNews(message, known)) announce(message);
            this.seen();
        });
        store.on("gone", (message) => {
            if (message.rid !== this.room?.id) return;
            this.list.remove(message.id);
            if (message.thread) this.list.touch(message.thread);
        });
        store.on("typing", (rid, thread) => {
            if (rid === this.room?.id && thread === this.thread) this.#showTyping();
        });
        store.on("rooms", () => {
            const room = this.room && store.rooms.get(this.room.id);
            if (!room) return;
            this.update(room);
            this.seen();
        });
        document.addEventListener("visibilitychange", () => this.seen());
        onLanguage(() => this.localize());
    }

    #isNews(message, known) {
        const own = message.author.id === this.session.store.account.id;
        const loaded = this.session.store.conversation(message.rid).loaded;
        return loaded && !own && this.#belongs(message) && known?.text !== message.text;
    }

    #showTyping() {
        const [a, b, ...more] = this.session.activity.typing(this.room.id, this.thread);
        const key = more.length ? "many" : b ? "two" : "one";
        this.typing.textContent = a ? t(`typing.${key}`, { a, b }) : "";
    }

    #moved() {
        const { atEnd, fresh } = this.list;
        this.latest.hidden = atEnd;
        const label = fresh ? t("room.fresh", { count: fresh }) : t("room.latest");
        this.latest.lastChild.textContent = label;
    }

    #listHands() {
        const { session } = this;
        const { api, store, outbox, files } = session;
        return {
            account: store.account,
            threads: this.threads,
            context: (message) => this.#context(message),
            replies: (message) => (this.threads ? this.#replies(message) : { count: 0 }),
            reply: (message) => this.openThread(message),
            react: (message, name, on) => attempt(() => api.react(message.id, name, on)),
            edit: (message) => this.composer.edit(message),
            remove: (message) => this.#remove(message),
            retry: (message) => outbox.retry(message),
            discard: (message) => outbox.discard(message),
            save: (path, name) => attempt(() => files.save(path, name)),
            image: (path) => files.image(path),
            older: () => this.#older(),
            seen: () => this.seen(),
            moved: () => this.latest && this.#moved(),
        };
    }

    #composerHands() {
        const { session } = this;
        const { store, outbox } = session;
        return {
            limit: () => session.sizes.Message_MaxAllowedSize,
            people: () => session.people(),
            typing: (on) => this.room && session.activity.tell(this.room.id, this.thread, on),
            send: (text) => outbox.send({ rid: this.room.id, text, thread: this.thread }),
            save: (message, text) => this.#save(message, text),
            files: (files) => files.forEach((file) => this.#upload(file)),
            lastOwn: () =>
                this.list.order
                    .map((item) => item.message)
                    .findLast((one) => one.author.id === store.account.id && !one.type && !one.pending),
        };
    }

    #context(message) {
        const { store } = this.session;
        return {
            mentions: new Set(message.mentions),
            self: store.account.username,
            channel: (name) => {
                const room = store.roomNamed("c", name) ?? store.roomNamed("p", name);
                return room ? addressOf(room) : null;
            },
        };
    }

    #replies(message) {
        const { messages } = this.session.store.conversation(message.rid);
        const here = [...messages.values()].filter((one) => one.thread === message.id);
        const last = here.reduce((a, b) => (a && a.time > b.time ? a : b), null);
        return {
            count: Math.max(message.replies, here.length),
            last: last && { name: last.author.name, text: plain(last.text) },
        };
    }

    // What could not be sent is sent as a new message; the server never had the old one.
    async #save(message, text) {
        if (message.pending) {
            this.session.outbox.discard(message);
            this.session.outbox.send({ rid: message.rid, text, thread: message.thread });
            return;
        }
        const changed = await attempt(() => this.session.api.edit(message, text));
        if (changed) this.session.store.apply(changed);
    }

    async #remove(message) {
        const about = message.text.slice(0, 300) || message.attachments[0]?.title || "";
        if (!(await confirmed(t("message.really"), about, t("message.delete")))) return;
        await attempt(async () => {
            await this.session.api.remove(message);
            this.session.store.forget(message.rid, message.id);
        });
    }

    async #older() {
        const { store, history } = this.session;
        const { room } = this;
        const conversation = room && store.conversation(room.id);
        if (this.thread || !conversation?.loaded || conversation.complete || this.fetching) return;
        this.fetching = true;
        this.state("room.older");
        await attempt(() => history.older(room));
        this.fetching = false;
        if (this.room?.id === room.id) this.state(conversation.complete ? "room.start" : "");
        this.list.askForOlder();
    }

    async #upload(file) {
        const { sizes, files, store } = this.session;
        const { room, thread } = this;
        const limit = sizes.FileUpload_MaxFileSize;
        if (limit >= 0 && file.size > limit) {
            notify(tooLarge(limit));
            return;
        }
        const progress = this.composer.progress(file);
        progress(0);
        await attempt(async () => store.apply(await files.upload(room.id, file, { thread, progress })));
        progress(null);
    }

    #acceptDrops(container) {
        const over = (event, on) => {
            if (!event.dataTransfer?.types.includes("Files") || this.composer.form.hidden) return;
            event.preventDefault();
            container.classList.toggle("dropping", on);
        };
        container.addEventListener("dragover", (event) => over(event, true));
        container.addEventListener("dragleave", (event) => over(event, false));
        container.addEventListener("drop", (event) => {
            over(event, false);
            if (event.defaultPrevented) [...event.dataTransfer.files].forEach((file) => this.#upload(file));
        });
    }
}

/** Return how a room is called in a text: #channel, or the name of a person or a group. */
export function titleOf(room) {
    return room.kind === "c" ? `#${room.title || room.name}` : room.title || room.name;
}

// A preview on one line needs no markup; a name with an underscore or a channel's # is none.
function plain(text) {
    const markup = /[*~`>]+|(?<!\w)_+|_+(?!\w)|^#+\s/gm;
    return text.slice(0, 160).replaceAll(markup, "").replaceAll(/\s+/g, " ");
}
