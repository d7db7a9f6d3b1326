/**
 * Sends messages in their order, each under an id of its own choice: what got lost on the way is
 * sent again under the same id, so that nothing is lost and nothing is said twice.
 */

import { message as parse, newId } from "./wire.js";

const PAUSE_MS = 2000;

export class Outbox {
    #queues = new Map(); // room and thread -> the promise of the last sending
    #wakers = new Set();

    constructor(api, store) {
        this.api = api;
        this.store = store;
    }

    /** Show a message at once and send it. */
    send({ rid, text, thread = null }) {
        const { id, username, name } = this.store.account;
        const now = Date.now();
        const raw = { _id: newId(), rid, msg: text, tmid: thread, ts: now, u: { _id: id, username, name } };
        this.#enqueue({ ...parse(raw), pending: { state: "sending" } });
    }

    /** Send a message again that was given up. */
    retry(message) {
        this.#enqueue({ ...message, pending: { state: "sending" } });
    }

    discard(message) {
        this.store.forget(message.rid, message.id, { deleted: false });
    }

    /** The connection is back: do not wait any longer. */
    wake() {
        this.#wakers.forEach((wake) => wake());
    }

    #enqueue(message) {
        this.store.apply(message);
        const key = `${message.rid}/${message.thread}`;
        const before = this.#queues.get(key) ?? Promise.resolve();
        this.#queues.set(key, before.then(() => this.#deliver(message)));
    }

    async #deliver(message) {
        for (;;) {
            try {
                this.store.apply(await this.#once(message));
                return;
            } catch (refusal) {
                if (!refusal.passing) {
                    this.#mark(message, "failed", refusal);
                    return;
                }
                this.#mark(message, "waiting", refusal);
                await this.#pause(refusal.retryAfter * 1000 || PAUSE_MS);
            }
        }
    }

    // A message that is there already is refused without a reason that makes sense. That happens
    // even at the first time: browsers repeat a request whose connection was cut.
    async #once(message) {
        try {
            return await this.api.send(message);
        } catch (refusal) {
            if (refusal.known) throw refusal;
            const there = await this.#arrived(message.id);
            if (!there) throw refusal;
            return there;
        }
    }

    #mark(message, state, refusal) {
        this.store.apply({ ...message, pending: { state, why: String(refusal) } });
    }

    async #arrived(id) {
        try {
            return await this.api.message(id);
        } catch (refusal) {
            if (refusal.passing) throw refusal;
            return null;
        }
    }

    #pause(ms) {
        return new Promise((done) => {
            const wake = () => {
                clearTimeout(timer);
                this.#wakers.delete(wake);
                done();
            };
            const timer = setTimeout(wake, ms);
            this.#wakers.add(wake);
        });
    }
}
