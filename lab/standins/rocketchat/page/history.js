/** Fetches messages: a room's newest, older ones on demand, and what a lost connection hid. */

import * as wire from "./wire.js";

const PAGE = 50;
const ENOUGH = 20; // messages outside of threads, so that a page full of replies shows something
const OPEN_ROOMS_MAX = 12;
const SUBSCRIBE_MS = 3000;

export class History {
    #loading = new Map();

    constructor(api, store) {
        this.api = api;
        this.store = store;
        this.socket = null;
    }

    /** Follow a room and load its newest messages; once is enough until it is dropped. */
    open(room) {
        const conversation = this.store.conversation(room.id);
        if (conversation.loaded) {
            this.#touch(room.id);
            return Promise.resolve();
        }
        if (!this.#loading.has(room.id)) {
            const loading = this.#load(room, conversation);
            this.#loading.set(room.id, loading);
            loading.finally(() => this.#loading.delete(room.id)).catch(() => null);
        }
        return this.#loading.get(room.id);
    }

    // First subscribe, then read: whatever comes in between comes twice, but nothing is missed.
    async #load(room, conversation) {
        if (!conversation.watches.length) conversation.watches = this.#watch(room.id);
        const standing = Promise.all(conversation.watches.map((watch) => watch.ready));
        await Promise.race([standing, new Promise((done) => setTimeout(done, SUBSCRIBE_MS))]);
        await this.older(room, (message) => this.store.hear(message));
        if (!this.store.live) conversation.since ??= conversation.newest;
        conversation.loaded = true;
        this.#touch(room.id);
    }

    #watch(rid) {
        const { socket, store } = this;
        return [
            socket.watch("stream-room-messages", rid, (raw) => store.hear(wire.message(raw))),
            socket.watch("stream-notify-room", `${rid}/user-activity`, (name, activities, extra) =>
                store.tell("activity", rid, name, activities ?? [], extra?.tmid ?? null),
            ),
            socket.watch("stream-notify-room", `${rid}/deleteMessage`, (raw) =>
                store.forget(rid, raw._id),
            ),
        ];
    }

    // The room opened longest ago is dropped: each one costs subscriptions and a look after a loss.
    #touch(rid) {
        const { conversations } = this.store;
        const conversation = conversations.get(rid);
        conversations.delete(rid);
        conversations.set(rid, conversation);
        const loaded = [...conversations].filter(([, one]) => one.loaded);
        for (const [id, one] of loaded.slice(0, -OPEN_ROOMS_MAX)) {
            one.watches.forEach((watch) => watch.stop());
            conversations.delete(id);
        }
    }

    /** Load the page of messages before the oldest known ones. */
    async older(room, take = (message) => this.store.apply(message)) {
        const conversation = this.store.conversation(room.id);
        let shown = 0;
        while (!conversation.complete && shown < ENOUGH) {
            const { messages, total } = await this.api.messages(room, conversation.asked, PAGE);
            messages.forEach(take);
            shown += messages.filter((message) => message.shown).length;
            conversation.asked += messages.length;
            conversation.complete = messages.length < PAGE || conversation.asked >= total;
        }
    }

    /** Load a thread: its first message, should it not be here yet, and all replies. */
    async openThread(rid, id) {
        const { messages } = this.store.conversation(rid);
        if (!messages.has(id)) {
            try {
                this.store.apply(await this.api.message(id));
            } catch (refusal) {
                if (refusal.passing) throw refusal;
                return; // it was deleted: there are at most the replies that are known
            }
        }
        (await this.api.thread(id)).forEach((message) => this.store.apply(message));
    }

    /** Fetch what opened rooms missed since the connection was lost. */
    async catchUp() {
        for (const [rid, conversation] of this.store.conversations) {
            if (conversation.since === null) continue;
            // The server tells what is later: a millisecond earlier, and its twin is not missed.
            const since = Math.max(conversation.since - 1, 0);
            const { updated, deleted } = await this.api.changedSince(rid, since);
            deleted.forEach((id) => this.store.forget(rid, id));
            updated.forEach((message) => this.store.hear(message));
            conversation.since = null;
        }
    }
}
