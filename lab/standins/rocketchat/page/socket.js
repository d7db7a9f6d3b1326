/**
 * The live side (DDP over a WebSocket): receives, and tells who is typing. It comes back for ever
 * after a loss and takes its subscriptions with it; what was missed is for its owner to fetch.
 */

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const SILENCE_MS = 20_000; // then it asks for a sign of life
const GIVE_UP_MS = 35_000;
const CHECK_MS = 2_500;

export class Socket {
    #socket = null;
    #calls = new Map(); // id -> what to do with the result
    #watched = new Map(); // subscription id -> {stream, event, heard, ready, …}
    #number = 0;
    #failures = 0;
    #timer = 0;
    #heard = 0;
    #closed = false;
    #loggedIn = false;

    /**
     * `ready` is called after each login once all subscriptions stand, `lost` at each loss,
     * `rejected` when the server refuses the token: then the socket stays closed.
     */
    constructor(token, { ready, lost, rejected }) {
        this.token = token;
        this.on = { ready, lost, rejected };
        this.online = () => this.#soon(0);
        addEventListener("online", this.online);
        this.checking = setInterval(() => this.#check(), CHECK_MS);
        this.#open();
    }

    /**
     * Subscribe for as long as this socket lives; returns `{ready, stop}`.
     * `ready` settles when the subscription stands, or was refused: a loss only delays it.
     */
    watch(stream, event, heard) {
        const id = this.#nextId();
        const entry = { stream, event, heard };
        this.#watched.set(id, entry);
        renew(entry);
        if (this.#loggedIn) this.#subscribe(id, entry);
        const stop = () => {
            this.#watched.delete(id);
            entry.told();
            if (this.#loggedIn) this.#send({ msg: "unsub", id });
        };
        return { ready: entry.ready, stop };
    }

    /** Call a method and forget about it: nothing that matters is sent over the socket. */
    call(method, ...params) {
        if (this.#loggedIn) this.#send({ msg: "method", method, id: this.#nextId(), params });
    }

    close() {
        this.#closed = true;
        clearTimeout(this.#timer);
        clearInterval(this.checking);
        removeEventListener("online", this.online);
        this.#socket?.close();
    }

    #nextId() {
        this.#number += 1;
        return String(this.#number);
    }

    #open() {
        if (this.#closed) return;
        const scheme = location.protocol === "https:" ? "wss:" : "ws:";
        const socket = new WebSocket(`${scheme}//${location.host}/websocket`);
        this.#socket = socket;
        this.#heard = Date.now();
        socket.onopen = () => this.#send({ msg: "connect", version: "1", support: ["1"] });
        socket.onmessage = ({ data }) => this.#receive(socket, data);
        socket.onclose = () => this.#lose(socket);
    }

    #lose(socket) {
        if (socket !== this.#socket) return;
        this.#socket = null;
        this.#loggedIn = false;
        this.#calls.clear();
        if (this.#closed) return;
        this.on.lost();
        const longest = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures, LONGEST_PAUSE_MS);
        this.#failures += 1;
        this.#soon(longest * (0.5 + Math.random() / 2));
    }

    #soon(pause) {
        if (this.#socket || this.#closed) return;
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#socket ?? this.#open(), pause);
    }

    // A cut cable closes nothing: without a sign of life the socket is given up.
    #check() {
        const socket = this.#socket;
        if (!socket) return;
        const silent = Date.now() - this.#heard;
        if (silent > GIVE_UP_MS) {
            socket.onclose = null;
            socket.close();
            this.#lose(socket);
        } else if (silent > SILENCE_MS) this.#send({ msg: "ping", id: this.#nextId() });
    }

    #send(frame) {
        if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
    }

    #receive(socket, data) {
        if (socket !== this.#socket) return;
        this.#heard = Date.now();
        let frame;
        try {
            frame = JSON.parse(data);
        } catch {
            return; // not ours to understand
        }
        if (frame.msg === "ping") this.#send({ msg: "pong", ...(frame.id && { id: frame.id }) });
        else if (frame.msg === "connected") this.#logIn();
        else if (frame.msg === "result") this.#result(frame);
        else if (frame.msg === "ready") frame.subs.forEach((id) => this.#watched.get(id)?.told());
        else if (frame.msg === "nosub") this.#watched.get(frame.id)?.told();
        else if (frame.msg === "changed") this.#changed(frame);
    }

    #logIn() {
        const id = this.#nextId();
        this.#calls.set(id, (frame) => this.#loggedInWith(frame));
        this.#send({ msg: "method", method: "login", id, params: [{ resume: this.token }] });
    }

    #result(frame) {
        this.#calls.get(frame.id)?.(frame);
        this.#calls.delete(frame.id);
    }

    async #loggedInWith({ error }) {
        if (error) {
            this.close();
            this.on.rejected();
            return;
        }
        const socket = this.#socket;
        this.#loggedIn = true;
        for (const [id, entry] of this.#watched) {
            if (entry.stands) renew(entry);
            this.#subscribe(id, entry);
        }
        await Promise.all([...this.#watched.values()].map((entry) => entry.ready));
        if (socket !== this.#socket) return;
        this.#failures = 0;
        this.on.ready();
    }

    #subscribe(id, { stream, event }) {
        const params = [event, { useCollection: false, args: [] }];
        this.#send({ msg: "sub", id, name: stream, params });
    }

    #changed({ collection, fields }) {
        for (const entry of this.#watched.values())
            if (entry.stream === collection && entry.event === fields?.eventName)
                entry.heard(...fields.args);
    }
}

function renew(entry) {
    entry.stands = false;
    entry.ready = new Promise((settle) => {
        entry.told = () => {
            entry.stands = true;
            settle();
        };
    });
}
