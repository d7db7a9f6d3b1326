/** The REST interface: one method per endpoint, parsed answers, refusals as `Refusal`. */

import * as refusals from "./refusal.js";
import * as wire from "./wire.js";

const TIMEOUT_MS = 20_000;
const PATIENCE_TRIES = 6;
const SIZES = { Message_MaxAllowedSize: 5000, FileUpload_MaxFileSize: 104_857_600 };
const FAMILY = { c: "channels", p: "groups", d: "im" };

export class Api {
    /** `ended` is called when the server says 401, `slowed` with the seconds that a 429 asks for. */
    constructor({ ended, slowed }) {
        this.login = null;
        this.ended = ended;
        this.slowed = slowed;
    }

    /**
     * Log in with a user name or an address and a password; returns the account.
     * A second factor that is missing is a Refusal.
     */
    async logIn(name, password, code) {
        const who = name.includes("@") ? { email: name } : { username: name };
        const body = { ...who, password, ...(code && { code }) };
        const { data } = await this.#ask("POST", "login", { body });
        this.login = { id: data.userId, token: data.authToken };
        return wire.account(data.me);
    }

    /** Go on with a login that was kept; returns the account. */
    async resume(login) {
        this.login = login;
        return wire.account(await this.#read("me"));
    }

    logOut() {
        return this.#ask("POST", "logout");
    }

    async rooms() {
        return (await this.#read("rooms.get")).update.map(wire.room);
    }

    async subscriptions() {
        return (await this.#read("subscriptions.get")).update.map(wire.subscription);
    }

    markRead(rid) {
        return this.#ask("POST", "subscriptions.read", { body: { rid } });
    }

    /** Return `{messages, total}`, newest first. */
    async messages(room, offset, count) {
        const path = `${FAMILY[room.kind]}.messages`;
        const answer = await this.#read(path, { roomId: room.id, offset, count });
        return { messages: answer.messages.map(wire.message), total: answer.total };
    }

    /** Return the replies of a thread, without its first message. */
    async thread(id) {
        const found = [];
        for (;;) {
            const query = { tmid: id, offset: found.length, count: 100 };
            const answer = await this.#read("chat.getThreadMessages", query);
            found.push(...answer.messages.map(wire.message));
            if (!answer.messages.length || found.length >= (answer.total ?? 0)) return found;
        }
    }

    async message(id) {
        return wire.message((await this.#read("chat.getMessage", { msgId: id })).message);
    }

    /** Return `{updated, deleted}` of a room since `since` (milliseconds): messages and ids. */
    async changedSince(rid, since) {
        const query = { roomId: rid, lastUpdate: new Date(since).toISOString() };
        const { result } = await this.#read("chat.syncMessages", query);
        return {
            updated: result.updated.map(wire.message),
            deleted: result.deleted.map((one) => one._id),
        };
    }

    async send({ id, rid, text, thread }) {
        const message = { _id: id, rid, msg: text, ...(thread && { tmid: thread }) };
        return wire.message((await this.#ask("POST", "chat.sendMessage", { body: { message } })).message);
    }

    async edit(message, text) {
        const body = { roomId: message.rid, msgId: message.id, text };
        return wire.message((await this.#ask("POST", "chat.update", { body })).message);
    }

    remove(message) {
        const body = { roomId: message.rid, msgId: message.id };
        return this.#ask("POST", "chat.delete", { body });
    }

    react(id, emoji, shouldReact) {
        return this.#ask("POST", "chat.react", { body: { messageId: id, emoji, shouldReact } });
    }

    /** Open the direct room with somebody; returns its id, the same each time. */
    async direct(username) {
        const { room } = await this.#ask("POST", "im.create", { body: { username } });
        return room.rid ?? room._id;
    }

    join(rid) {
        return this.#ask("POST", "channels.join", { body: { roomId: rid } });
    }

    async channels() {
        const answer = await this.#read("channels.list", { count: 100, sort: '{"name":1}' });
        return answer.channels.map(wire.room);
    }

    async users() {
        const answer = await this.#read("users.list", { count: 100, sort: '{"username":1}' });
        return answer.users.filter((one) => one.active !== false).map(wire.account);
    }

    /** Return the server's limits for messages (characters) and files (bytes). */
    async sizes() {
        const answer = await this.#read("settings.public", { _id: Object.keys(SIZES).join(",") });
        const told = Object.fromEntries(answer.settings.map((one) => [one._id, one.value]));
        return { ...SIZES, ...told };
    }

    /** Fetch a file of the server's; only callers with the token get it. */
    async file(path) {
        const response = await fetch(path, { headers: this.headers() });
        if (!response.ok) throw await refusals.fromResponse(response);
        return response.blob();
    }

    /** Make a message of a file that was sent. */
    async confirmFile(rid, fileId, { text = "", thread }) {
        const body = { msg: text, ...(thread && { tmid: thread }) };
        const answer = await this.#ask("POST", `rooms.mediaConfirm/${rid}/${fileId}`, { body });
        return wire.message(answer.message);
    }

    headers() {
        return this.login ? { "X-User-Id": this.login.id, "X-Auth-Token": this.login.token } : {};
    }

    /** Reading again is harmless: wait as long as the server asks, a few times. */
    async #read(path, query) {
        for (let left = PATIENCE_TRIES; ; left -= 1) {
            try {
                return await this.#ask("GET", path, { query });
            } catch (refusal) {
                if (refusal.status !== 429 || left === 0) throw refusal;
                this.slowed(refusal.retryAfter);
                await new Promise((done) => setTimeout(done, refusal.retryAfter * 1000));
            }
        }
    }

    async #ask(method, path, { query, body } = {}) {
        const search = query ? `?${new URLSearchParams(query)}` : "";
        const response = await fetch(`/api/v1/${path}${search}`, {
            method,
            headers: { ...this.headers(), "Content-Type": "application/json" },
            body: method === "POST" ? JSON.stringify(body ?? {}) : undefined,
            signal: AbortSignal.timeout(TIMEOUT_MS),
        }).catch(() => {
            throw new refusals.Refusal(0);
        });
        if (response.ok) {
            const answer = await response.json().catch(() => null);
            if (answer) return answer;
            throw new refusals.Refusal(0);
        }
        const refusal = await refusals.fromResponse(response);
        if (refusal.status === 401 && path !== "login") this.ended();
        throw refusal;
    }
}
