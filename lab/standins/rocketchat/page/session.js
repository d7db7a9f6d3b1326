/** One login at work: it joins the REST interface, the socket and what is known of both. */

import { Activity } from "./activity.js";
import { Files } from "./files.js";
import { History } from "./history.js";
import { t } from "./i18n.js";
import { Outbox } from "./outbox.js";
import { Reads } from "./reads.js";
import { Refusal } from "./refusal.js";
import { Socket } from "./socket.js";
import { Store } from "./store.js";
import * as wire from "./wire.js";

const FIRST_LOGIN_MS = 3000;
const RETRY_MS = 3000;
const PEOPLE_MS = 60_000;

export class Session {
    #people = null;
    #read = 0; // how often the rooms were read
    #turn = 0; // counts the connections

    /** `connection` is told "lost", "catching" or "live"; `ended` that the token is void. */
    constructor(api, account, { connection, ended }) {
        this.api = api;
        this.sizes = { Message_MaxAllowedSize: Infinity, FileUpload_MaxFileSize: -1 };
        this.store = new Store(account);
        this.history = new History(api, this.store);
        this.outbox = new Outbox(api, this.store);
        this.reads = new Reads(api, this.store);
        this.files = new Files(api);
        this.connection = connection;
        this.standing = new Promise((done) => (this.stood = done));
        this.socket = new Socket(api.login.token, {
            ready: () => this.#ready(),
            lost: () => this.#lost(),
            rejected: ended,
        });
        this.history.socket = this.socket;
        this.activity = new Activity(this.socket, this.store);
        this.#followAccount(account.id);
    }

    /** Read the rooms, over a standing connection if there is one soon. */
    async start() {
        const timeout = new Promise((done) => setTimeout(done, FIRST_LOGIN_MS));
        await Promise.race([this.standing, timeout]);
        if (!this.#read) await this.refresh();
        this.api.sizes().then(
            (sizes) => (this.sizes = sizes),
            () => null, // then the server says it when something is too large
        );
    }

    /** Read all rooms and what is between them and the reader. */
    async refresh() {
        const [rooms, subscriptions] = await Promise.all([this.api.rooms(), this.api.subscriptions()]);
        this.#read += 1;
        this.store.setRooms(rooms, subscriptions);
    }

    /** Become a member of a public channel. */
    async join(room) {
        await this.api.join(room.id);
        await this.refresh();
    }

    /** Return the direct room with somebody, made if there was none. */
    async direct(username) {
        const known = this.store.roomNamed("d", username);
        if (known) return known;
        const id = await this.api.direct(username);
        if (!this.store.rooms.get(id)?.name) await this.refresh();
        return this.store.rooms.get(id);
    }

    /** Return those who can be mentioned: who was seen here, everybody else, then all at once. */
    async people() {
        const seen = [...this.store.people.values()].reverse();
        const all = await this.everybody();
        const found = new Map([...seen, ...all].map((person) => [person.username, person]));
        found.delete(this.store.account.username);
        const groups = ["all", "here"].map((name) => ({ username: name, name: t(`composer.${name}`) }));
        return [...found.values(), ...groups];
    }

    /** Return all accounts, read once a minute at most; none if the server does not list them. */
    everybody() {
        this.#people ??= this.api.users().catch(() => []);
        setTimeout(() => (this.#people = null), PEOPLE_MS);
        return this.#people;
    }

    close() {
        this.socket.close();
    }

    #followAccount(id) {
        const { socket, store } = this;
        socket.watch("stream-notify-user", `${id}/subscriptions-changed`, (action, raw) =>
            store.changeRoom(action, wire.subscription(raw)),
        );
        socket.watch("stream-notify-user", `${id}/rooms-changed`, (action, raw) =>
            store.changeRoom(action, wire.room(raw)),
        );
    }

    #lost() {
        this.#turn += 1;
        this.store.freeze();
        this.connection("lost");
    }

    // The socket only tells what happens from now on: the rest is fetched, again if that fails.
    async #ready() {
        const turn = this.#turn;
        this.store.live = true;
        this.outbox.wake();
        if (turn) this.connection("catching");
        while (turn === this.#turn) {
            try {
                await this.refresh();
                await this.history.catchUp();
                break;
            } catch (refusal) {
                if (!(refusal instanceof Refusal)) throw refusal;
                await new Promise((done) => setTimeout(done, RETRY_MS));
            }
        }
        if (turn !== this.#turn) return;
        this.connection("live");
        this.stood();
    }
}
